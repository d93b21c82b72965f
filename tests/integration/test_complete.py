"""`complete` and `stream`: one interface over three providers, metered, with errors that say which way it failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import aikit
from aikit.async_kit import AsyncAIKit
from aikit.config import Settings, load
from aikit.errors import (
    AIError,
    AIKitError,
    ConfigError,
    MeteringUnavailable,
    PolicyDenied,
    PriceUnknown,
    RequestInvalid,
    SpendCapExceeded,
)
from aikit.kit import AIKit
from aikit.money import usd
from aikit.refusal import native_body
from aikit.sim import Simulator
from aikit.types import Usage
from support.kits import KEYS, TENANT, Books, settings_for, write_config

MODELS = ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5", "gemini/gemini-2.5-flash"]
SAYS = 'Say it. [[sim: {"text": "Four little words here", "usage": {"input": 1000, "output": 200}}]]'
# In nano-USD a token: 150 and 600; 1,000 and 5,000; 300 and 2,500.
COSTS = {
    "openai/gpt-4o-mini": Decimal("0.00027"),
    "anthropic/claude-haiku-4-5": Decimal("0.002"),
    "gemini/gemini-2.5-flash": Decimal("0.0008"),
}

each_model = pytest.mark.parametrize("model", MODELS)


def assert_reply(reply: aikit.Reply, model: str, books: Books) -> None:
    assert reply.text == "Four little words here"
    assert f"{reply.provider}/{reply.model}" == model
    assert (reply.usage, reply.cost_usd, reply.estimated) == (Usage(input=1000, output=200), COSTS[model], False)
    entry = books.entry()
    assert (usd(entry["nano"]), entry["attempt"], entry["call"]) == (reply.cost_usd, reply.decision.id, reply.call_id)
    books.assert_balanced()


@each_model
def test_a_reply_says_what_it_came_to(kit: AIKit, books: Books, model: str) -> None:
    reply = kit.complete(SAYS, model=model, tenant=TENANT, max_tokens=300)
    kit.flush()
    assert_reply(reply, model, books)
    assert reply.raw


@each_model
def test_a_streamed_reply_says_what_it_came_to(kit: AIKit, books: Books, model: str) -> None:
    stream = kit.stream(SAYS, model=model, tenant=TENANT, max_tokens=300)
    assert "".join(stream) == "Four little words here"
    kit.flush()
    assert_reply(stream.reply, model, books)


@each_model
async def test_an_async_reply_says_what_it_came_to(async_kit: AsyncAIKit, books: Books, model: str) -> None:
    reply = await async_kit.complete(SAYS, model=model, tenant=TENANT, max_tokens=300)
    async_kit.flush()
    assert_reply(reply, model, books)


@each_model
async def test_an_async_streamed_reply_says_what_it_came_to(async_kit: AsyncAIKit, books: Books, model: str) -> None:
    stream = await async_kit.stream(SAYS, model=model, tenant=TENANT, max_tokens=300)
    assert "".join([piece async for piece in stream]) == "Four little words here"
    async_kit.flush()
    assert_reply(stream.reply, model, books)


def test_tags_come_from_the_call_before_the_context(kit: AIKit, books: Books) -> None:
    with aikit.tags(tenant="other", user="u1", feature="f1"):
        kit.complete("Hi", model=MODELS[0], tenant=TENANT, user="u2")
    kit.flush()
    entry = books.entry()
    assert (entry["tenant"], entry["user_id"], entry["feature"]) == (TENANT, "u2", "f1")


def test_the_first_configured_provider_is_chosen(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    file = write_config(tmp_path, simulator.url, books.dsn)
    orders = {
        ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"): "openai",
        ("ANTHROPIC_API_KEY", "GEMINI_API_KEY"): "anthropic",
        ("GEMINI_API_KEY",): "gemini",
    }
    for keys, chosen in orders.items():
        with AIKit.open(load(file, dict.fromkeys(keys, "k"))) as kit:
            assert kit.available_providers()[0] == chosen
            assert kit.is_configured()
            assert kit.complete("Hi", tenant=TENANT).provider == chosen


def test_a_bare_model_goes_to_the_provider_that_has_it(kit: AIKit) -> None:
    assert kit.complete("Hi", model="claude-haiku-4-5", tenant=TENANT).provider == "anthropic"
    assert kit.complete("Hi", model="gemini-2.5-flash", tenant=TENANT).provider == "gemini"


def test_a_model_that_nobody_has_is_refused_with_a_remedy(kit: AIKit, simulator: Simulator) -> None:
    with pytest.raises(ConfigError, match="model-of-my-own") as refused:
        kit.complete("Hi", model="model-of-my-own", tenant=TENANT)
    assert "PROVIDER/model-of-my-own" in refused.value.remedy
    with pytest.raises(PriceUnknown) as unknown:
        kit.complete("Hi", model="openai/model-of-my-own", tenant=TENANT)
    assert unknown.value.status == 403
    assert simulator.served()["totals"]["requests"] == 0


def test_without_any_provider_there_is_none_to_ask(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    with AIKit.open(load(write_config(tmp_path, simulator.url, books.dsn), {})) as kit:
        assert (kit.is_configured(), kit.available_providers()) == (False, [])
        for model in (None, "openai/gpt-4o-mini"):
            with pytest.raises(AIError) as refused:
                kit.complete("Hi", model=model, tenant=TENANT)
            assert (refused.value.code, refused.value.retryable) == ("PROVIDER_NOT_CONFIGURED", False)
            assert "OPENAI_API_KEY" in refused.value.remedy


OLLAMA = """
    [providers.local]
    kind = "openai"
    base_url = "{url}/v1"
    model = "llama3.3"
    [prices."local/llama3.3"]
    input = "0.40"
    output = "1.60"
"""


def test_a_server_of_ones_own_is_a_provider_with_its_own_name_and_price(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    settings = settings_for(tmp_path, simulator, books.dsn, OLLAMA.format(url=simulator.url))
    with AIKit.open(settings) as kit:
        # 1,000 × 400 + 200 × 1,600
        assert kit.complete(SAYS, model="local/llama3.3", tenant=TENANT, max_tokens=300).cost_usd == Decimal("0.00072")
        client = kit.openai(tenant=TENANT, provider="local")
        client.chat.completions.create(model="llama3.3", messages=[{"role": "user", "content": SAYS}])
    assert [(e["provider"], e["model"], e["nano"]) for e in books.entries()] == [("local", "llama3.3", 720_000)] * 2
    books.assert_balanced()


def test_a_server_without_a_key_is_the_last_resort(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    file = write_config(tmp_path, simulator.url, books.dsn, OLLAMA.format(url=simulator.url))
    with AIKit.open(load(file, {})) as kit:
        assert kit.available_providers() == ["local"]
        assert kit.complete("Hi", tenant=TENANT).provider == "local"


ERRORS = [
    ({"status": 401}, "AUTHENTICATION_FAILED", False),
    ({"status": 403}, "AUTHENTICATION_FAILED", False),
    ({"status": 404}, "MODEL_NOT_FOUND", False),
    ({"status": 400}, "BAD_REQUEST", False),
    ({"status": 429}, "RATE_LIMITED", True),
    ({"status": 500}, "PROVIDER_ERROR", True),
    ({"status": 503}, "OVERLOADED", True),
    ({"status": 529}, "OVERLOADED", True),
    ({"status": 504}, "TIMEOUT", True),
    ({"status": 429, "code": "insufficient_quota"}, "INSUFFICIENT_QUOTA", False),
    ({"status": 400, "code": "context_length_exceeded"}, "CONTEXT_LENGTH_EXCEEDED", False),
    ({"status": 400, "code": "content_filter"}, "CONTENT_FILTERED", False),
    ({"hang": True}, "TIMEOUT", True),
    ({"close_before_response": True}, "CONNECTION_FAILED", True),
]


@pytest.mark.parametrize(("fault", "code", "retryable"), ERRORS, ids=[json.dumps(fault) for fault, *_ in ERRORS])
def test_an_error_of_the_provider_has_our_code(
    kit: AIKit, simulator: Simulator, books: Books, fault: dict[str, Any], code: str, retryable: bool
) -> None:
    simulator.fault(**fault)
    for ask in (kit.complete, kit.stream):
        with pytest.raises(AIError) as failed:
            ask("Hi", model=MODELS[0], tenant=TENANT, timeout=0.2)
        assert (failed.value.code, failed.value.retryable, failed.value.provider) == (code, retryable, "openai")
        assert "key-of-openai" not in str(failed.value)
    kit.flush()
    books.assert_balanced()


@each_model
async def test_an_error_inside_a_stream_is_raised_with_our_code(
    async_kit: AsyncAIKit, simulator: Simulator, books: Books, model: str
) -> None:
    simulator.fault(error_after=3)
    stream = await async_kit.stream("Hi", model=model, tenant=TENANT)
    with pytest.raises(AIError):
        async for _ in stream:
            pass
    async_kit.flush()
    assert books.entry()["estimated"]
    books.assert_balanced()


@each_model
def test_a_stream_that_is_cut_is_raised_as_a_lost_connection(
    kit: AIKit, simulator: Simulator, books: Books, model: str
) -> None:
    simulator.fault(cut_after=3)
    stream = kit.stream("Hi", model=model, tenant=TENANT)
    with pytest.raises(AIError) as failed:
        list(stream)
    assert failed.value.code == "CONNECTION_FAILED"
    kit.flush()
    assert stream.reply.estimated
    assert stream.reply.cost_usd == usd(books.entry()["held_nano"])
    books.assert_balanced()


def test_a_stream_that_is_left_early_is_accounted_for(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(chunk_delay=0.02)
    with kit.stream("Hi", model=MODELS[0], tenant=TENANT) as stream:
        first = next(iter(stream))
    with pytest.raises(AIKitError, match="still read on"):
        stream.reply
    books.wait_until_settled()
    assert stream.reply.text == first
    assert not stream.reply.estimated
    books.assert_balanced()


def test_a_stream_has_no_reply_before_it_is_over(kit: AIKit) -> None:
    with kit.stream("Hi", model=MODELS[0], tenant=TENANT) as stream:
        with pytest.raises(AIKitError, match="not over"):
            stream.reply
        list(stream)
        assert stream.reply.text


Ask = Callable[..., Any]


def asks(kit: AIKit) -> Iterator[Ask]:
    yield kit.complete
    yield kit.stream


def test_a_refusal_carries_its_decision(kit: AIKit, books: Books, simulator: Simulator) -> None:
    books.limit(usd="0.0001")
    for ask in asks(kit):
        with pytest.raises(SpendCapExceeded) as refused:
            ask("Hi", model=MODELS[0], tenant=TENANT)
        error = refused.value
        assert (error.status, error.code, error.retryable) == (402, "MONTHLY_BUDGET_EXCEEDED", False)
        assert error.decision is not None and error.decision.failing[0].cap == 100_000
        body = native_body(error)
        assert (body["error"], body["tenant"], body["capCredits"]) == ("spend_cap_exceeded", TENANT, 1)
        assert body["decisionId"] == str(error.decision.id)
    assert simulator.served()["totals"]["requests"] == 0
    kit.flush()
    assert len(books.refusals()) == 2


async def test_an_async_refusal_carries_its_decision(async_kit: AsyncAIKit, books: Books) -> None:
    books.limit(usd="0.0001")
    for ask in (async_kit.complete, async_kit.stream):
        with pytest.raises(SpendCapExceeded) as refused:
            await ask("Hi", model=MODELS[1], tenant=TENANT)
        assert refused.value.decision is not None


def test_what_would_still_fit_does_fit(kit: AIKit, books: Books) -> None:
    books.limit(usd="0.0005")
    with pytest.raises(SpendCapExceeded) as refused:
        kit.complete("Hi", model=MODELS[0], tenant=TENANT, max_tokens=4_000)
    most = refused.value.facts["maxAffordableOutputTokens"]
    assert 0 < most < 4_000
    kit.complete("Hi", model=MODELS[0], tenant=TENANT, max_tokens=most)


def test_other_refusals_have_their_own_errors(kit: AIKit, books: Books, simulator: Simulator) -> None:
    for ask in asks(kit):
        with pytest.raises(PolicyDenied) as refused:
            ask("Hi", model=MODELS[0])
        assert refused.value.code == "TENANT_REQUIRED"
        with pytest.raises(PolicyDenied) as refused:
            ask("Hi", model=MODELS[0], tenant="nobody")
        assert refused.value.code == "TENANT_UNKNOWN"
        with pytest.raises(RequestInvalid) as invalid:
            ask("Hi", model=MODELS[0], tenant=TENANT, max_tokens=-1)
        assert "-1" in str(invalid.value)
    assert simulator.served()["totals"]["requests"] == 0


def test_a_closed_kit_sends_nothing(settings: Settings, books: Books, simulator: Simulator) -> None:
    kit = AIKit.open(settings)
    kit.complete("Hi", model=MODELS[0], tenant=TENANT)
    assert kit.close()
    for ask in asks(kit):
        with pytest.raises(MeteringUnavailable, match="closed"):
            ask("Hi", model=MODELS[0], tenant=TENANT)
    assert simulator.served()["totals"]["requests"] == 1


def test_an_async_kit_serves_one_event_loop_after_another(settings: Settings, books: Books) -> None:
    kit = AsyncAIKit.open(settings)

    async def ask() -> str:
        return (await kit.complete(SAYS, model=MODELS[0], tenant=TENANT)).text

    for _ in range(3):
        assert asyncio.run(ask()) == "Four little words here"
    assert asyncio.run(kit.close())
    assert len(books.entries()) == 3
    books.assert_balanced()


def test_keys_do_not_show(kit: AIKit) -> None:
    assert not any(key in repr(kit.settings) for key in KEYS.values())
