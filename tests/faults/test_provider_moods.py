"""Providers that flap, are slow, are busy or out of money: what `docs/reference/breakers.md` says of them, measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from aikit.errors import AIError, BreakerOpen
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import TENANT, Books, settings_for

MODEL = "openai/gpt-4o-mini"
MOVES = """
    SELECT was, state, reason, extract(epoch FROM at)::float8 AS at FROM aikit.breaker_moves
    WHERE model = 'gpt-4o-mini' ORDER BY seq"""
Opened = Callable[[str], AIKit]


@pytest.fixture
def open_kit(tmp_path: Path, simulator: Simulator, books: Books) -> Iterator[Opened]:
    """A kit whose configuration says this of breakers. The books must be right at the end."""
    kits: list[AIKit] = []

    def opened(figures: str) -> AIKit:
        kits.append(AIKit.open(settings_for(tmp_path, simulator, books.dsn, f"[breaker]\n{figures}")))
        return kits[-1]

    yield opened
    for kit in kits:
        kit.close()
    books.assert_balanced()


def call(kit: AIKit, model: str = MODEL) -> str:
    """What came of it: OK, or the code of the error."""
    try:
        kit.complete("Say it.", model=model, tenant=TENANT, max_tokens=20)
    except (AIError, BreakerOpen) as error:
        return error.code
    finally:
        kit.flush()
    return "OK"


def stream(kit: AIKit) -> str:
    """The same, streamed."""
    try:
        assert "".join(kit.stream("Say it.", model=MODEL, tenant=TENANT, max_tokens=20))
    except BreakerOpen as error:
        return error.code
    finally:
        kit.flush()
    return "OK"


def refused(kit: AIKit, model: str = MODEL) -> BreakerOpen:
    with pytest.raises(BreakerOpen) as raised:
        kit.complete("Say it.", model=model, tenant=TENANT, max_tokens=20)
    return raised.value


def seconds_until_asked_again(kit: AIKit, ask: Callable[[AIKit], str] = call) -> float:
    """Until a call is let through, from now on."""
    began = time.monotonic()
    while ask(kit) == "BREAKER_OPEN":
        assert time.monotonic() - began < 60
        time.sleep(0.02)
    return time.monotonic() - began


def moves(books: Books) -> list[tuple[str, str]]:
    return [(move["state"], move["reason"]) for move in books.rows(MOVES)]


def test_a_busy_provider_is_left_alone_for_the_seven_seconds_that_it_asks_for(
    open_kit: Opened, simulator: Simulator, books: Books
) -> None:
    kit = open_kit("")
    simulator.fault(status=429, retry_after=7, count=5)
    assert [call(kit) for _ in range(5)] == ["RATE_LIMITED"] * 5
    error = refused(kit)
    assert error.status == 503 and error.retry_after is not None and 5 < error.retry_after <= 7
    assert 6 < seconds_until_asked_again(kit) < 8
    assert [call(kit), call(kit)] == ["OK", "OK"]
    assert moves(books) == [("open", "consecutive_failures"), ("half_open", "probe"), ("closed", "recovered")]
    assert simulator.served()["totals"]["requests"] == 5 + 3


def test_an_sdk_is_told_when_it_may_come_back(open_kit: Opened, simulator: Simulator) -> None:
    import openai

    kit = open_kit("")
    simulator.fault(status=429, retry_after=7, count=5)
    client = kit.openai(tenant=TENANT, max_retries=0)
    ask: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Say it."}]}
    for _ in range(5):
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(**ask)
        kit.flush()
    with pytest.raises(openai.InternalServerError) as raised:
        client.chat.completions.create(**ask)
    assert raised.value.status_code == 503
    assert 5 <= int(raised.value.response.headers["retry-after"]) <= 7


def test_a_flapping_provider_is_open_for_longer_each_time_and_anew_once_it_was_well(
    open_kit: Opened, simulator: Simulator, books: Books
) -> None:
    kit = open_kit("open_seconds = 1\nlongest_seconds = 2")
    for _ in range(2):
        simulator.fault(status=500)
        assert [call(kit) for _ in range(5)] == ["PROVIDER_ERROR"] * 5
        assert 0.5 < seconds_until_asked_again(kit) < 1.9  # the probe that ends the wait fails
        assert 1.5 < seconds_until_asked_again(kit) < 2.9
        assert 1.5 < seconds_until_asked_again(kit) < 2.9
        simulator.reset()
        assert 1.5 < seconds_until_asked_again(kit) < 2.9
        assert call(kit) == "OK"
    states = [state for state, _ in moves(books)]
    assert states == 2 * ["open", *3 * ["half_open", "open"], "half_open", "closed"]


def test_every_other_call_failing_opens_it_at_the_tenth(open_kit: Opened, simulator: Simulator, books: Books) -> None:
    kit = open_kit("")
    for n in range(10):
        if n % 2:
            simulator.fault(status=500, count=1)
        assert call(kit) == ("PROVIDER_ERROR" if n % 2 else "OK")
    assert refused(kit).code == "BREAKER_OPEN"
    assert moves(books) == [("open", "failure_rate")]


def test_a_slow_provider_is_left_alone_until_its_probes_are_quick(
    open_kit: Opened, simulator: Simulator, books: Books
) -> None:
    kit = open_kit("slow_seconds = 1\nopen_seconds = 1")
    simulator.fault(delay=1.2)
    with ThreadPoolExecutor(10) as callers:
        assert list(callers.map(lambda _: stream(kit), range(10))) == ["OK"] * 10
    assert moves(books) == [("open", "slow_calls")]
    seconds_until_asked_again(kit, stream)  # and that was slow, too
    assert moves(books)[1:] == [("half_open", "probe"), ("open", "slow_calls")]
    simulator.reset()
    assert 1.5 < seconds_until_asked_again(kit, stream) < 2.9
    assert stream(kit) == "OK"
    assert moves(books)[3:] == [("half_open", "probe"), ("closed", "recovered")]


def test_an_answer_that_is_not_streamed_may_take_its_time(open_kit: Opened, simulator: Simulator, books: Books) -> None:
    kit = open_kit("slow_seconds = 1")
    simulator.fault(delay=1.2)
    with ThreadPoolExecutor(10) as callers:
        assert list(callers.map(lambda _: call(kit), range(10))) == ["OK"] * 10
    assert moves(books) == []


def test_an_empty_account_opens_the_provider_and_not_only_the_model(open_kit: Opened, simulator: Simulator) -> None:
    kit = open_kit("")
    simulator.fault(status=429, code="insufficient_quota", count=1)
    assert call(kit) == "INSUFFICIENT_QUOTA"
    error = refused(kit, "openai/gpt-5-mini")
    assert error.facts["breaker"] == "openai"
    assert error.retry_after is not None and 1_700 < error.retry_after <= 1_800
    assert call(kit, "anthropic/claude-haiku-4-5") == "OK"


def test_callers_mistakes_never_open_it(open_kit: Opened, simulator: Simulator, books: Books) -> None:
    kit = open_kit("")
    simulator.fault(status=400, count=20)
    assert {call(kit) for _ in range(20)} == {"BAD_REQUEST"}
    assert call(kit) == "OK"
    assert moves(books) == []
