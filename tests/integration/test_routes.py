"""Routes end to end: what fails is gone around, each try is an attempt of the same call, and the books balance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography.fernet import Fernet

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings, load
from aikit.errors import AIError, BreakerOpen, ConfigError, PolicyDenied, SpendCapExceeded
from aikit.kit import AIKit
from aikit.routing.retries import FLOOR
from aikit.safe import Safe
from aikit.sim import Simulator
from support.kits import KEYS, TENANT, Books, settings_for, write_config

CLAUDE, MINI, FLASH = "anthropic/claude-haiku-4-5", "openai/gpt-4o-mini", "gemini/gemini-2.5-flash"
HAIKU = "claude-haiku-4-5"
ROUTES = f"""
    [routes]
    chat = ["{CLAUDE}", "{MINI}"]
    three = ["{CLAUDE}", "{MINI}", "{FLASH}"]
    alone = ["{CLAUDE}"]
    [routes.cheaper]
    models = ["{CLAUDE}", "{MINI}"]
    downgrade = true
    [routes.weighted]
    models = ["{CLAUDE}", "{MINI}"]
    weights = [0, 1]
    [routes.hasty]
    models = ["{CLAUDE}", "{MINI}"]
    deadline = 1.5
"""
ONLY = """
    [tenants.acme]
    models = {{ allow = ["{}"] }}
    limits = [{{ cap_usd = "1000", window = "month" }}]
"""
SAYS = 'Say it. [[sim: {"text": "Four little words here", "usage": {"input": 1000, "output": 200}}]]'


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, books: Books) -> Settings:
    return settings_for(tmp_path, simulator, books.dsn, ROUTES)


@pytest.fixture
def kit(settings: Settings) -> Iterator[AIKit]:
    with AIKit.open(settings) as kit:
        yield kit


@pytest_asyncio.fixture
async def async_kit(settings: Settings) -> AsyncIterator[AsyncAIKit]:
    async with await asyncio.to_thread(AsyncAIKit.open, settings) as kit:
        yield kit


def tried(reply: Any) -> list[tuple[str, str]]:
    return [(one.model, one.code) for one in reply.tried]


def assert_one_call(books: Books, reply: Any, endings: list[str]) -> None:
    """All tries are attempts of one call, each with its own ending, under the ids that the reply gives them."""
    entries = books.entries()
    assert [entry["ending"] for entry in entries] == endings
    assert {entry["call"] for entry in entries} == {reply.call_id}
    assert [entry["attempt"] for entry in entries] == [one.attempt for one in reply.tried]
    books.assert_balanced()


def test_a_failing_provider_is_gone_around(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(model=HAIKU, status=529)
    reply = kit.complete(SAYS, model="routes.chat", tenant=TENANT, max_tokens=300)
    kit.flush()
    assert (reply.text, reply.provider, reply.model) == ("Four little words here", "openai", "gpt-4o-mini")
    assert tried(reply) == [(CLAUDE, "OVERLOADED"), (MINI, "OK")]
    assert_one_call(books, reply, ["voided", "settled"])
    assert [entry["nano"] for entry in books.entries()] == [0, 270_000]


async def test_a_failing_provider_is_gone_around_by_coroutines(
    async_kit: AsyncAIKit, simulator: Simulator, books: Books
) -> None:
    simulator.fault(model=HAIKU, status=503)
    replies = await asyncio.gather(
        *[async_kit.complete(SAYS, model="routes.chat", tenant=TENANT, max_tokens=300) for _ in range(4)]
    )
    async_kit.flush()
    assert {reply.model for reply in replies} == {"gpt-4o-mini"}
    assert len({entry["call"] for entry in books.entries()}) == 4
    books.assert_balanced()


def test_the_first_model_serves_while_it_can(kit: AIKit, simulator: Simulator, books: Books) -> None:
    reply = kit.complete(SAYS, model="routes.chat", tenant=TENANT)
    kit.flush()
    assert (reply.model, tried(reply)) == (HAIKU, [(CLAUDE, "OK")])
    assert_one_call(books, reply, ["settled"])


def test_a_connection_that_is_lost_is_charged_as_presumed_and_gone_around(
    kit: AIKit, simulator: Simulator, books: Books
) -> None:
    simulator.fault(model=HAIKU, close_before_response=True)
    reply = kit.complete(SAYS, model="routes.chat", tenant=TENANT)
    kit.flush()
    assert tried(reply) == [(CLAUDE, "CONNECTION_FAILED"), (MINI, "OK")]
    assert_one_call(books, reply, ["presumed_spent", "settled"])


def test_a_slow_provider_is_left_at_its_timeout(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(model=HAIKU, hang=True)
    reply = kit.complete(SAYS, model="routes.chat", tenant=TENANT, timeout=0.2)
    kit.flush()
    assert tried(reply) == [(CLAUDE, "TIMEOUT"), (MINI, "OK")]
    assert_one_call(books, reply, ["presumed_spent", "settled"])


def test_the_deadline_bounds_the_whole_call(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(hang=True)
    began = time.monotonic()
    with pytest.raises(AIError) as late:
        kit.complete("Hi", model="routes.three", tenant=TENANT, timeout=0.6, deadline=1)
    assert 0.9 < time.monotonic() - began < 3
    assert (late.value.code, late.value.facts["notRetried"]) == ("TIMEOUT", "deadline")
    assert [one["model"] for one in late.value.facts["tried"]] == [CLAUDE, MINI]
    kit.flush()
    books.assert_balanced()


def test_a_wait_that_does_not_fit_into_the_deadline_is_not_begun(
    kit: AIKit, simulator: Simulator, books: Books
) -> None:
    simulator.fault(status=429, retry_after=30)
    began = time.monotonic()
    with pytest.raises(AIError) as limited:
        kit.complete("Hi", model="routes.hasty", tenant=TENANT)
    assert time.monotonic() - began < 1.5
    assert (limited.value.code, limited.value.retry_after) == ("RATE_LIMITED", 30)
    assert limited.value.facts["notRetried"] == "deadline"


def test_a_lone_model_is_asked_again_after_the_wait_that_it_asks_for(
    kit: AIKit, simulator: Simulator, books: Books
) -> None:
    simulator.fault(model=HAIKU, status=429, retry_after=1, count=1)
    began = time.monotonic()
    reply = kit.complete(SAYS, model="routes.alone", tenant=TENANT)
    assert time.monotonic() - began >= 1
    kit.flush()
    assert tried(reply) == [(CLAUDE, "RATE_LIMITED"), (CLAUDE, "OK")]
    assert_one_call(books, reply, ["voided", "settled"])


def test_a_model_is_asked_again_if_the_call_says_so(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(status=500, count=2)
    reply = kit.complete(SAYS, model=MINI, tenant=TENANT, attempts=3)
    kit.flush()
    assert tried(reply) == [(MINI, "PROVIDER_ERROR")] * 2 + [(MINI, "OK")]
    assert_one_call(books, reply, ["voided", "voided", "settled"])


def test_without_a_route_nothing_is_sent_twice(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(status=500)
    with pytest.raises(AIError) as failed:
        kit.complete("Hi", model=MINI, tenant=TENANT)
    assert failed.value.facts == {}
    assert simulator.served()["totals"]["requests"] == 1


def test_an_outage_is_not_multiplied_by_retries(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(status=500)

    def call() -> Any:
        with pytest.raises(AIError) as failed:
            kit.complete("Hi", model=MINI, tenant=TENANT, attempts=3, deadline=30)
        return failed.value.facts["notRetried"]

    assert [call(), call()] == ["attempts", "retry_budget"]
    assert simulator.served()["totals"]["requests"] == 2 + FLOOR
    kit.flush()
    books.assert_balanced()


def test_threads_share_the_retry_budget(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(status=500)

    def call(_: int) -> None:
        with pytest.raises((AIError, BreakerOpen)):
            kit.complete("Hi", model=MINI, tenant=TENANT, attempts=3, deadline=30)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(16)))
    assert simulator.served()["totals"]["requests"] <= 16 + FLOOR
    kit.flush()
    books.assert_balanced()


def test_a_model_that_policy_denies_is_passed_over(kit: AIKit, simulator: Simulator, books: Books) -> None:
    books.policy(
        f'[tenants.{TENANT}]\nmodels = {{ allow = ["openai/*"] }}\nlimits = [{{ cap_usd = "1000", window = "month" }}]'
    )
    reply = kit.complete(SAYS, model="routes.chat", tenant=TENANT)
    kit.flush()
    assert tried(reply) == [(CLAUDE, "MODEL_NOT_ALLOWED"), (MINI, "OK")]
    assert [one.attempt for one in reply.tried] == [books.refusals()[0]["attempt"], books.entry()["attempt"]]
    assert books.refusals()[0]["call"] == books.entry()["call"]
    assert simulator.served()["totals"]["requests"] == 1


def test_a_route_that_is_denied_altogether_is_refused(kit: AIKit, simulator: Simulator, books: Books) -> None:
    books.policy(
        f'[tenants.{TENANT}]\nmodels = {{ allow = ["gemini/*"] }}\nlimits = [{{ cap_usd = "1000", window = "month" }}]'
    )
    with pytest.raises(PolicyDenied) as refused:
        kit.complete(SAYS, model="routes.chat", tenant=TENANT)
    assert refused.value.code == "MODEL_NOT_ALLOWED"
    assert [one["model"] for one in refused.value.facts["tried"]] == [CLAUDE, MINI]
    assert simulator.served()["totals"]["requests"] == 0


def test_an_unknown_price_is_passed_over(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    more = f'[routes]\nnew = ["openai/model-of-my-own", "{CLAUDE}"]'
    with AIKit.open(settings_for(tmp_path, simulator, books.dsn, more)) as kit:
        reply = kit.complete(SAYS, model="routes.new", tenant=TENANT)
    assert tried(reply) == [("openai/model-of-my-own", "PRICE_UNKNOWN"), (CLAUDE, "OK")]


def test_a_provider_without_a_key_is_passed_over(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    keys = {name: key for name, key in KEYS.items() if name != "ANTHROPIC_API_KEY"}
    with AIKit.open(load(write_config(tmp_path, simulator.url, books.dsn, ROUTES), keys)) as kit:
        reply = kit.complete(SAYS, model="routes.chat", tenant=TENANT)
    assert tried(reply) == [(CLAUDE, "PROVIDER_NOT_CONFIGURED"), (MINI, "OK")]
    assert reply.tried[0].attempt is None


def test_a_cap_that_only_a_cheaper_model_fits(kit: AIKit, simulator: Simulator, books: Books) -> None:
    books.limit(usd="0.001")
    for ask in (kit.complete, kit.stream):
        with pytest.raises(SpendCapExceeded):
            ask("Hi", model="routes.chat", tenant=TENANT, max_tokens=1000)
    reply = kit.complete("Hi", model="routes.cheaper", tenant=TENANT, max_tokens=1000)
    kit.flush()
    assert tried(reply) == [(CLAUDE, "MONTHLY_BUDGET_EXCEEDED"), (MINI, "OK")]
    books.assert_balanced()


def test_what_another_model_does_not_help_against_is_raised(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(model=HAIKU, status=401)
    with pytest.raises(AIError) as failed:
        kit.complete("Hi", model="routes.chat", tenant=TENANT)
    assert failed.value.code == "AUTHENTICATION_FAILED"
    assert simulator.served()["totals"]["requests"] == 1


def test_an_open_breaker_is_gone_around_without_asking(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(model=HAIKU, status=500, count=5)
    for _ in range(5):
        assert kit.complete("Hi", model="routes.chat", tenant=TENANT).model == "gpt-4o-mini"
        kit.flush()
    before = simulator.served()["totals"]["requests"]
    reply = kit.complete("Hi", model="routes.chat", tenant=TENANT)
    assert tried(reply) == [(CLAUDE, "BREAKER_OPEN"), (MINI, "OK")]
    assert simulator.served()["totals"]["requests"] == before + 1
    kit.flush()
    books.assert_balanced()


def test_the_weights_say_who_goes_first(kit: AIKit, simulator: Simulator) -> None:
    assert {kit.complete("Hi", model="routes.weighted", tenant=TENANT).model for _ in range(5)} == {"gpt-4o-mini"}
    simulator.fault(model="gpt-4o-mini", status=529, count=1)
    assert kit.complete("Hi", model="routes.weighted", tenant=TENANT).model == HAIKU


def test_an_unknown_route_is_a_mistake(kit: AIKit) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        kit.complete("Hi", model="routes.nowhere", tenant=TENANT)


# Streams

BEFORE_THE_FIRST_TOKEN: list[tuple[dict[str, Any], str]] = [
    ({"status": 529}, "OVERLOADED"),
    ({"close_before_response": True}, "CONNECTION_FAILED"),
    ({"cut_after": 1}, "CONNECTION_FAILED"),
    ({"error_after": 1}, "OVERLOADED"),
]


@pytest.mark.parametrize(("fault", "code"), BEFORE_THE_FIRST_TOKEN, ids=[str(one) for one, _ in BEFORE_THE_FIRST_TOKEN])
def test_a_stream_is_gone_around_before_its_first_token(
    kit: AIKit, simulator: Simulator, books: Books, fault: dict[str, Any], code: str
) -> None:
    simulator.fault(model=HAIKU, **fault)
    stream = kit.stream(SAYS, model="routes.chat", tenant=TENANT, max_tokens=300)
    assert [one.code for one in stream.tried] == [code, "OK"]
    assert "".join(stream) == "Four little words here"
    kit.flush()
    books.wait_until_settled(2)
    assert tried(stream.reply) == [(CLAUDE, code), (MINI, "OK")]
    assert (stream.reply.text, stream.reply.model) == ("Four little words here", "gpt-4o-mini")
    assert {entry["call"] for entry in books.entries()} == {stream.reply.call_id}
    books.assert_balanced()


@pytest.mark.parametrize(("fault", "code"), BEFORE_THE_FIRST_TOKEN, ids=[str(one) for one, _ in BEFORE_THE_FIRST_TOKEN])
async def test_an_async_stream_is_gone_around_before_its_first_token(
    async_kit: AsyncAIKit, simulator: Simulator, books: Books, fault: dict[str, Any], code: str
) -> None:
    simulator.fault(model=HAIKU, **fault)
    stream = await async_kit.stream(SAYS, model="routes.chat", tenant=TENANT, max_tokens=300)
    assert "".join([text async for text in stream]) == "Four little words here"
    async_kit.flush()
    await asyncio.to_thread(books.wait_until_settled, 2)
    assert tried(stream.reply) == [(CLAUDE, code), (MINI, "OK")]
    assert {entry["call"] for entry in books.entries()} == {stream.reply.call_id}
    books.assert_balanced()


@pytest.mark.parametrize("fault", [{"cut_after": 4}, {"error_after": 4}], ids=str)
def test_a_stream_is_not_gone_around_after_its_first_token(
    kit: AIKit, simulator: Simulator, books: Books, fault: dict[str, Any]
) -> None:
    simulator.fault(model=HAIKU, chunk_delay=0.05, **fault)
    stream = kit.stream(SAYS, model="routes.chat", tenant=TENANT)
    with pytest.raises(AIError) as failed:
        "".join(stream)
    assert failed.value.retryable
    assert simulator.served()["totals"]["requests"] == 1
    kit.flush()
    books.wait_until_settled()
    assert stream.reply.text
    books.assert_balanced()


async def test_an_async_stream_is_not_gone_around_after_its_first_token(
    async_kit: AsyncAIKit, simulator: Simulator, books: Books
) -> None:
    simulator.fault(model=HAIKU, chunk_delay=0.05, cut_after=4)
    stream = await async_kit.stream(SAYS, model="routes.chat", tenant=TENANT)
    with pytest.raises(AIError):
        [piece async for piece in stream]
    assert simulator.served()["totals"]["requests"] == 1
    async_kit.flush()
    await asyncio.to_thread(books.wait_until_settled)
    assert stream.reply.text
    books.assert_balanced()


def test_the_first_piece_comes_as_soon_as_it_is_there(kit: AIKit, simulator: Simulator) -> None:
    simulator.fault(chunk_delay=0.3)
    began = time.monotonic()
    with kit.stream(SAYS, model="routes.chat", tenant=TENANT) as stream:
        assert next(iter(stream))
        assert time.monotonic() - began < 2


def test_a_stream_that_is_left_after_its_first_piece_is_accounted_for(
    kit: AIKit, simulator: Simulator, books: Books
) -> None:
    with kit.stream(SAYS, model="routes.chat", tenant=TENANT):
        pass
    books.wait_until_settled()
    books.assert_balanced()


def test_a_caller_who_is_cancelled_is_not_tried_again(settings: Settings, simulator: Simulator, books: Books) -> None:
    async def cancelled() -> None:
        async with await asyncio.to_thread(AsyncAIKit.open, settings) as kit:
            simulator.fault(model=HAIKU, hang=True)
            task = asyncio.create_task(kit.complete("Hi", model="routes.chat", tenant=TENANT))
            while not simulator.served()["in_flight"]:
                assert not task.done(), task
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(cancelled())
    assert [entry["ending"] for entry in books.entries()] == ["presumed_spent"]
    books.assert_balanced()


# Idempotency keys


@pytest.fixture
def keeping(settings: Settings) -> Settings:
    return replace(settings, safe=Safe([Fernet.generate_key().decode()]))


def test_a_retry_of_the_same_model_uses_the_same_key(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(status=500, count=1)
    reply = kit.complete(SAYS, model="routes.alone", tenant=TENANT, idempotency_key="order-17")
    kit.flush()
    assert tried(reply) == [(CLAUDE, "PROVIDER_ERROR"), (CLAUDE, "OK")]
    assert [row["key"] for row in books.rows("SELECT key FROM aikit.idempotency_keys")] == ["order-17"]
    books.assert_balanced()


def test_a_repeated_call_gets_the_first_answer(keeping: Settings, simulator: Simulator, books: Books) -> None:
    with AIKit.open(keeping) as kit:
        replies = [kit.complete(SAYS, model="routes.chat", tenant=TENANT, idempotency_key="order-17") for _ in range(2)]
    assert replies[0].text == replies[1].text
    assert simulator.served()["totals"]["requests"] == 1
    books.assert_balanced()


def test_another_model_is_asked_with_a_key_of_its_own(kit: AIKit, simulator: Simulator, books: Books) -> None:
    simulator.fault(model=HAIKU, status=529)
    kit.complete(SAYS, model="routes.chat", tenant=TENANT, idempotency_key="order-17")
    kit.flush()
    keys = {row["key"] for row in books.rows("SELECT key FROM aikit.idempotency_keys")}
    assert f"order-17@{MINI}" in keys
    assert "order-17" not in keys
    books.assert_balanced()


def test_what_may_have_been_billed_is_not_sent_again_under_its_key(
    kit: AIKit, simulator: Simulator, books: Books
) -> None:
    simulator.fault(model=HAIKU, close_before_response=True, count=1)
    with pytest.raises(AIError) as lost:
        kit.complete(SAYS, model="routes.alone", tenant=TENANT, idempotency_key="order-17")
    assert lost.value.code == "CONNECTION_FAILED"
    assert [one["code"] for one in lost.value.facts["tried"]] == ["CONNECTION_FAILED", "IDEMPOTENCY_CONFLICT"]
    assert simulator.served()["totals"]["requests"] == 1
