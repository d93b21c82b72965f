"""Streams with a lease: they hold their output bit by bit, and are cut cleanly when they may not hold more."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import anthropic
import openai
import pytest
from google.genai import errors as genai_errors
from google.genai import types

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.errors import MeteringUnavailable, SpendCapExceeded
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import NANO_PER_USD, TENANT, Books, tokens
from support.sdks import says, wait_until_idle

LIMIT = 16_384
"""The output limit that all requests here name: what they would hold without a lease."""
USED = {"input": 40, "output": 1_200}
"""What the answers come to: about 7,000 bytes of text, and a lease follows the bytes."""
LONG: Any = [{"role": "user", "content": says({"usage": USED})}]
Kit = AIKit | AsyncAIKit


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Busy machines take their time; the tests of the bound state their own."""
    return replace(settings, drain_seconds=60)


def chat(kit: Kit, **more: Any) -> Any:
    ask = {"model": "gpt-4o-mini", "max_completion_tokens": LIMIT, "messages": LONG} | more
    return kit.openai(tenant=TENANT, max_retries=0).chat.completions.create(stream=True, **ask)


def respond(kit: Kit) -> Any:
    ask = {"model": "gpt-4o-mini", "max_output_tokens": LIMIT, "input": LONG}
    return kit.openai(tenant=TENANT, max_retries=0).responses.create(stream=True, **ask)


def message(kit: Kit) -> Any:
    ask = {"model": "claude-haiku-4-5", "max_tokens": LIMIT, "messages": LONG}
    return kit.anthropic(tenant=TENANT, max_retries=0, timeout=30).messages.create(stream=True, **ask)


def generate(kit: Kit) -> Any:
    client = kit.gemini(tenant=TENANT)
    models = client.aio.models if isinstance(kit, AsyncAIKit) else client.models
    config = types.GenerateContentConfig(max_output_tokens=LIMIT)
    return models.generate_content_stream(model="gemini-2.0-flash", contents=LONG[0]["content"], config=config)


@dataclass(frozen=True)
class Api:
    """How to ask, what a million output tokens cost, and what its SDK raises for an error inside a stream."""

    call: Callable[[Kit], Any]
    usd: float
    error: type[Exception]

    def usd_for(self, output_tokens: int) -> str:
        return f"{output_tokens * self.usd / 1_000_000:.7f}"


APIS = {
    "chat": Api(chat, 0.60, openai.APIError),
    "responses": Api(respond, 0.60, openai.APIError),
    "anthropic": Api(message, 5.0, anthropic.APIStatusError),
    "gemini": Api(generate, 0.40, genai_errors.APIError),
}
each_api = pytest.mark.parametrize("api", APIS.values(), ids=APIS.keys())
ENOUGH, TOO_LITTLE = 10_000, 4_000
"""Output tokens that a cap pays for: less than the limit, and more or less than the answer's bytes."""


def lease(books: Books, usd: str, *, on: bool = True) -> int:
    """The cap in nano-USD."""
    books.policy(
        f"""
        [tenants.{TENANT}]
        lease = {str(on).lower()}
        max_output_tokens = {LIMIT}
        limits = [{{ cap_usd = "{usd}", window = "month" }}]
        """
    )
    return round(float(usd) * NANO_PER_USD)


@contextlib.contextmanager
def never_above(books: Books, cap: int) -> Iterator[None]:
    """Looks at the counters all the time."""
    worst, done = [0], threading.Event()

    def look() -> None:
        while not done.wait(0.002):
            counted = books.rows(
                "SELECT coalesce(max(used + held), 0) AS n FROM aikit.counts WHERE \"window\" = 'month'"
            )
            worst[0] = max(worst[0], counted[0]["n"])

    looker = threading.Thread(target=look)
    looker.start()
    try:
        yield
    finally:
        done.set()
        looker.join()
    assert 0 < worst[0] <= cap


def text_of(event: Any) -> str:
    """The text that an event of any of the SDKs adds."""
    if hasattr(event, "choices"):
        return "".join(choice.delta.content or "" for choice in event.choices)
    if hasattr(event, "candidates"):
        return event.text or ""
    delta = getattr(event, "delta", None)
    return delta if isinstance(delta, str) else getattr(delta, "text", None) or ""


def assert_cut(books: Books, cap: int, error: str = "MONTHLY_BUDGET_EXCEEDED") -> None:
    books.wait_until_settled()
    entry = books.entry()
    assert (entry["ending"], entry["estimated"], entry["error"]) == ("settled", True, error)
    assert 0 < entry["nano"] <= cap
    assert books.used() == {"month": entry["nano"]}
    books.assert_balanced()


@each_api
def test_a_long_answer_needs_no_room_for_the_longest(kit: AIKit, books: Books, simulator: Simulator, api: Api) -> None:
    simulator.fault(chunk_delay=0.003)
    cap = lease(books, api.usd_for(ENOUGH), on=False)
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError, genai_errors.APIError)):
        list(api.call(kit))
    assert simulator.served()["totals"]["requests"] == 0
    lease(books, api.usd_for(ENOUGH))
    with never_above(books, cap):
        assert len("".join(map(text_of, api.call(kit))).split()) == USED["output"]
        kit.flush()
    entry = books.entry()
    assert (entry["ending"], entry["estimated"], tokens(entry)) == ("settled", False, USED)
    books.assert_balanced()


@each_api
def test_a_stream_that_may_not_hold_more_ends_in_an_error_of_its_api(
    kit: AIKit, books: Books, simulator: Simulator, api: Api
) -> None:
    simulator.fault(chunk_delay=0.003)
    cap = lease(books, api.usd_for(TOO_LITTLE))
    got = ""
    with never_above(books, cap):
        with pytest.raises(api.error, match=r"(?i)month") as raised:
            for event in api.call(kit):
                got += text_of(event)
        assert_cut(books, cap)
    assert "MONTHLY_BUDGET_EXCEEDED" in f"{vars(raised.value)}"
    assert 1_000 < len(got) < TOO_LITTLE
    wait_until_idle(simulator)
    assert simulator.served()["totals"]["left"] == 1


def test_the_kit_s_own_stream_that_may_not_hold_more_raises_why(kit: AIKit, books: Books, simulator: Simulator) -> None:
    simulator.fault(chunk_delay=0.003)
    cap = lease(books, APIS["chat"].usd_for(TOO_LITTLE))
    with pytest.raises(SpendCapExceeded) as raised:
        list(kit.stream(LONG, model="openai/gpt-4o-mini", tenant=TENANT, max_tokens=LIMIT))
    assert raised.value.code == "MONTHLY_BUDGET_EXCEEDED"
    assert_cut(books, cap)


@each_api
async def test_a_coroutines_stream_that_may_not_hold_more_ends_in_an_error_of_its_api(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, api: Api
) -> None:
    simulator.fault(chunk_delay=0.003)
    cap = await asyncio.to_thread(lease, books, api.usd_for(TOO_LITTLE))
    got = ""
    with pytest.raises(api.error, match=r"(?i)month"):
        async for event in await api.call(async_kit):
            got += text_of(event)
    assert 1_000 < len(got) < TOO_LITTLE
    await asyncio.to_thread(assert_cut, books, cap)
    await asyncio.to_thread(wait_until_idle, simulator)


@each_api
async def test_a_coroutines_long_answer_is_settled_exactly(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, api: Api
) -> None:
    await asyncio.to_thread(lease, books, api.usd_for(ENOUGH))
    words = "".join([text_of(event) async for event in await api.call(async_kit)]).split()
    assert len(words) == USED["output"]
    await asyncio.to_thread(books.wait_until_settled)
    assert tokens(books.entry()) == USED
    books.assert_balanced()


def test_of_many_streams_under_one_cap_some_are_cut_and_the_cap_stands(
    kit: AIKit, books: Books, simulator: Simulator
) -> None:
    simulator.fault(chunk_delay=0.005)
    cap = lease(books, APIS["chat"].usd_for(30_000))
    refused: list[str | None] = []

    def read(_: int) -> None:
        try:
            stream = chat(kit)
        except openai.APIStatusError as error:
            refused.append(error.code)
            return
        with contextlib.suppress(openai.APIError):
            list(stream)

    with never_above(books, cap):
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(read, range(16)))
        books.wait_until_settled(16 - len(refused))
    assert set(refused) <= {"MONTHLY_BUDGET_EXCEEDED"}
    ended = books.entries()
    assert {entry["error"] for entry in ended} == {None, "MONTHLY_BUDGET_EXCEEDED"}
    assert {tuple(tokens(entry).items()) for entry in ended if not entry["estimated"]} == {tuple(USED.items())}
    assert sum(entry["nano"] for entry in ended) <= cap
    books.assert_balanced()


def test_a_stream_whose_extension_nobody_answers_ends_in_an_error(
    kit: AIKit, books: Books, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise MeteringUnavailable("The ledger is away.", retry_after=1)

    monkeypatch.setattr(kit.meter, "extend", away)
    cap = lease(books, "1")
    with pytest.raises(openai.APIError, match="The ledger is away") as raised:
        list(chat(kit))
    assert raised.value.code == "METERING_UNAVAILABLE"
    assert_cut(books, cap, "METERING_UNAVAILABLE")


async def test_who_is_cancelled_while_an_extension_is_decided_is_drained(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulator.fault(chunk_delay=0.003)
    await asyncio.to_thread(lease, books, "1")
    asked, extend = asyncio.Event(), async_kit.meter.extend_async

    async def slowly(extension: Any) -> Any:
        asked.set()
        await asyncio.sleep(0.1)
        return await extend(extension)

    monkeypatch.setattr(async_kit.meter, "extend_async", slowly)

    async def read() -> None:
        async for _ in await chat(async_kit):
            pass

    task = asyncio.create_task(read())
    await asked.wait()
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.to_thread(books.wait_until_settled)
    entry = books.entry()
    assert (entry["estimated"], tokens(entry)) == (False, USED)
    books.assert_balanced()


def test_a_stream_that_is_left_is_drained_on_its_lease(kit: AIKit, books: Books, simulator: Simulator) -> None:
    simulator.fault(chunk_delay=0.003)
    cap = lease(books, APIS["chat"].usd_for(TOO_LITTLE))
    with never_above(books, cap):
        stream = chat(kit)
        next(stream)
        stream.close()
        assert_cut(books, cap)
    wait_until_idle(simulator)


def test_a_model_that_thinks_unseen_holds_all_that_it_may_come_to(
    kit: AIKit, books: Books, simulator: Simulator
) -> None:
    lease(books, "1")
    for model in ("gpt-5-mini", "gpt-4o-mini"):
        for _ in chat(kit, model=model):
            pass
    kit.flush()
    held = {entry["model"]: entry["held_output"] for entry in books.entries()}
    assert held["gpt-5-mini"] == LIMIT
    assert held["gpt-4o-mini"] < LIMIT


def test_a_closed_kit_grants_no_more(kit: AIKit, books: Books, simulator: Simulator) -> None:
    simulator.fault(chunk_delay=0.003)
    cap = lease(books, "1")
    stream = chat(kit)
    next(stream)
    assert kit.close()
    with pytest.raises(openai.APIError) as raised:
        list(stream)
    assert raised.value.code == "METERING_UNAVAILABLE"
    assert_cut(books, cap, "unfinished")


def test_a_cut_stream_is_charged_for_what_was_seen_of_it(kit: AIKit, books: Books, simulator: Simulator) -> None:
    simulator.fault(cut_after=40)
    lease(books, "1")
    seen = 0
    with contextlib.suppress(openai.APIError):
        for event in chat(kit):
            seen += len(text_of(event))
    time.sleep(0.01)
    books.wait_until_settled()
    entry = books.entry()
    assert entry["estimated"]
    assert entry["nano"] >= seen * 600 > 0
    books.assert_balanced()
