"""Whatever happens to a call, its attempt ends once: the SDK sees the failure, and the books stay balanced."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai_errors

from aikit.async_kit import AsyncAIKit
from aikit.config import load
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import KEYS, TENANT, Books, write_config

HELLO: Any = [{"role": "user", "content": "Hello there"}]


def chat(kit: AIKit, **more: Any) -> Any:
    client = kit.openai(tenant=TENANT, max_retries=more.pop("max_retries", 0), timeout=more.pop("timeout", 30))
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **more)


def respond(kit: AIKit, **more: Any) -> Any:
    return kit.openai(tenant=TENANT).responses.create(model="gpt-5-mini", input="Hello there", **more)


def message(kit: AIKit, **more: Any) -> Any:
    client = kit.anthropic(tenant=TENANT, timeout=more.pop("timeout", 30))
    return client.messages.create(model="claude-haiku-4-5", max_tokens=500, messages=HELLO, **more)


def generate(kit: AIKit, *, stream: bool = False, timeout: float = 30) -> Any:
    models = kit.gemini(tenant=TENANT).models
    call = models.generate_content_stream if stream else models.generate_content
    config: Any = {"http_options": {"timeout": int(timeout * 1000)}}
    return call(model="gemini-2.5-flash", contents="Hello there", config=config)


Call = Callable[..., Any]
CALLS: dict[str, Call] = {"chat": chat, "responses": respond, "anthropic": message, "gemini": generate}
each_api = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())


def held(books: Books) -> int:
    """What the only attempt had on hold."""
    amount: int = books.entry()["held_nano"]
    assert amount > 0
    return amount


def assert_ending(books: Books, ending: str, nano: int, *, estimated: bool) -> None:
    entry = books.entry()
    assert (entry["ending"], entry["nano"], entry["estimated"]) == (ending, nano, estimated)
    assert books.used() == {"month": nano}
    books.assert_balanced()


@each_api
def test_a_response_without_usage_is_settled_at_the_hold(
    kit: AIKit, books: Books, simulator: Simulator, call: Call
) -> None:
    simulator.fault(missing_usage=True)
    call(kit)
    kit.flush()
    assert_ending(books, "settled", held(books), estimated=True)


@each_api
def test_a_stream_without_usage_is_settled_at_the_hold(
    kit: AIKit, books: Books, simulator: Simulator, call: Call
) -> None:
    simulator.fault(missing_usage=True)
    for _ in call(kit, stream=True):
        pass
    kit.flush()
    assert_ending(books, "settled", held(books), estimated=True)


STATUS_ERRORS = (openai.APIStatusError, anthropic.APIStatusError, genai_errors.APIError)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
@pytest.mark.parametrize("status", [401, 429, 500, 529])
def test_an_error_status_is_voided_and_raised_as_ever(
    kit: AIKit, books: Books, simulator: Simulator, status: int, stream: bool
) -> None:
    simulator.fault(status=status)
    for call in CALLS.values():
        with pytest.raises(STATUS_ERRORS) as raised:
            list(call(kit, stream=stream))
        assert status in (getattr(raised.value, "status_code", None), getattr(raised.value, "code", None))
    kit.flush()
    assert [(e["ending"], e["nano"], e["status"]) for e in books.entries()] == [("voided", 0, status)] * len(CALLS)
    assert books.used() == {"month": 0}
    books.assert_balanced()


def test_a_wrong_key_is_the_providers_to_refuse(kit: AIKit, books: Books, simulator: Simulator) -> None:
    simulator.fault(status=401)
    with pytest.raises(openai.AuthenticationError):
        chat(kit)
    kit.flush()
    assert_ending(books, "voided", 0, estimated=False)


def test_each_retry_of_the_sdk_is_an_attempt_of_its_own(kit: AIKit, books: Books, simulator: Simulator) -> None:
    simulator.fault(status=500, count=2)
    assert chat(kit, max_retries=2).usage is not None
    kit.flush()
    entries = books.entries()
    assert [(e["ending"], e["status"]) for e in entries] == [("voided", 500), ("voided", 500), ("settled", 200)]
    assert books.used() == {"month": entries[2]["nano"]}
    assert simulator.served()["totals"]["requests"] == 3
    books.assert_balanced()


def test_a_refused_connection_is_voided(books: Books, tmp_path: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with AIKit.open(load(write_config(tmp_path, url, books.dsn), KEYS)) as kit:
            with pytest.raises(openai.APIConnectionError):
                chat(kit)
            with pytest.raises(anthropic.APIConnectionError):
                message(kit)
            with pytest.raises(httpx2.ConnectError):
                generate(kit)
    assert {(e["ending"], e["nano"], e["error"]) for e in books.entries()} == {("voided", 0, "ConnectError")}
    assert len(books.entries()) == 3
    books.assert_balanced()


TIMEOUTS = (openai.APITimeoutError, anthropic.APITimeoutError, httpx2.ReadTimeout)


@pytest.mark.parametrize("call", [chat, message, generate], ids=["chat", "anthropic", "gemini"])
def test_a_timeout_after_sending_is_presumed_spent(kit: AIKit, books: Books, simulator: Simulator, call: Call) -> None:
    simulator.fault(hang=True)
    with pytest.raises(TIMEOUTS):
        call(kit, timeout=0.3)
    kit.flush()
    assert_ending(books, "presumed_spent", held(books), estimated=True)


LOST: dict[str, dict[str, Any]] = {
    "hung up": {"close_before_response": True},
    "reset": {"close_before_response": True, "reset": True},
    "half a body": {"cut_after": 0},
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_a_connection_lost_after_sending_is_presumed_spent(
    kit: AIKit, books: Books, simulator: Simulator, fault: dict[str, Any]
) -> None:
    simulator.fault(**fault)
    with pytest.raises((openai.APIConnectionError, httpx2.TransportError)):
        chat(kit)
    kit.flush()
    assert_ending(books, "presumed_spent", held(books), estimated=True)


BROKEN: dict[str, dict[str, Any]] = {
    "cut": {"cut_after": 3},
    "reset": {"cut_after": 3, "reset": True},
    "truncated": {"truncate_after": 3},
    "failed": {"error_after": 3},
    "malformed at the start": {"malformed_chunk": 1, "truncate_after": 3},
}


@each_api
@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_that_breaks_is_settled_at_the_hold(
    kit: AIKit, books: Books, simulator: Simulator, fault: dict[str, Any], call: Call
) -> None:
    simulator.fault(**fault)
    stream = call(kit, stream=True)
    try:
        list(stream)
    except Exception as error:
        assert not isinstance(error, AssertionError)
    books.wait_until_settled()
    assert_ending(books, "settled", held(books), estimated=True)


def test_a_stream_is_settled_at_its_terminal_event_before_it_is_closed(kit: AIKit, books: Books) -> None:
    stream = chat(kit, stream=True)
    for _ in stream:
        pass
    kit.flush()
    entry = books.entry()
    assert (entry["ending"], entry["estimated"]) == ("settled", False)
    assert entry["nano"] < entry["held_nano"]
    books.assert_balanced()
    stream.close()
    kit.flush()
    assert len(books.entries()) == 1


async def plain(kit: AsyncAIKit) -> Any:
    client = kit.openai(tenant=TENANT)
    return await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)


async def streamed(kit: AsyncAIKit) -> Any:
    client = kit.openai(tenant=TENANT)
    async for _ in await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True):
        pass


async def streamed_by_gemini(kit: AsyncAIKit) -> Any:
    models = kit.gemini(tenant=TENANT).aio.models
    async for _ in await models.generate_content_stream(model="gemini-2.5-flash", contents="Hello there"):
        pass


async def streamed_by_anthropic(kit: AsyncAIKit) -> Any:
    client = kit.anthropic(tenant=TENANT)
    async with client.messages.stream(model="claude-haiku-4-5", max_tokens=500, messages=HELLO) as stream:
        async for _ in stream:
            pass


@pytest.mark.parametrize(
    ("call", "ending"),
    [
        (plain, "presumed_spent"),
        (streamed, "settled"),
        (streamed_by_gemini, "settled"),
        (streamed_by_anthropic, "settled"),
    ],
    ids=lambda one: getattr(one, "__name__", None),
)
async def test_a_cancelled_task_is_accounted_for(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, call: Callable[[AsyncAIKit], Any], ending: str
) -> None:
    simulator.fault(**({"hang": True} if call is plain else {"chunk_delay": 0.2, "truncate_after": 5}))
    task = asyncio.create_task(call(async_kit))
    while not simulator.served(0)["in_flight"]:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(books.wait_until_settled)
    assert_ending(books, ending, held(books), estimated=True)


async def test_tasks_that_are_cancelled_while_they_ask_leave_nothing_behind(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator
) -> None:
    client = async_kit.openai(tenant=TENANT)
    tasks = [
        asyncio.create_task(client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)) for _ in range(20)
    ]
    for delay in (0, 0.001, 0.003):
        await asyncio.sleep(delay)
        for task in tasks[::3]:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    async_kit.flush()
    async_kit.flush()
    books.assert_balanced()
    sent = [e for e in books.entries() if e["error"] != "abandoned"]
    assert len(sent) >= simulator.served()["totals"]["requests"]


def test_a_usage_above_the_hold_is_posted_and_stops_the_next_call(
    kit: AIKit, books: Books, simulator: Simulator
) -> None:
    books.limit(usd="0.01")
    # gpt-4o-mini: 100,000 × 150 = 15,000,000 nano-USD, where 10,000,000 is the cap and the hold was less than that.
    chat(kit, max_tokens=10, extra_headers={"x-sim-usage": json.dumps({"input": 100_000})})
    kit.flush()
    assert books.entry()["held_nano"] < 10_000_000
    assert_ending(books, "settled", 15_000_000, estimated=False)
    with pytest.raises(openai.APIStatusError) as refused:
        chat(kit, max_tokens=10)
    assert refused.value.status_code == 402
    assert simulator.served()["totals"]["requests"] == 1
    kit.flush()
    assert [r["reason_code"] for r in books.refusals()] == ["MONTHLY_BUDGET_EXCEEDED"]
    books.assert_balanced()
