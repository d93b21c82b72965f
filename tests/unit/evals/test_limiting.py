"""As many calls at once as a provider bears: halved when it is overrun, one more after each good round."""

from __future__ import annotations

import asyncio

import pytest

from aikit.errors import AIError, BreakerOpen, PolicyDenied, RateLimited, SpendCapExceeded
from aikit.evals.limiting import SILENCE, UNREACHED, Gauge, Limiter, overrun


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def busiest(gauge: Gauge, calls: int) -> int:
    """How many of these were under way together."""
    most = 0

    async def call() -> None:
        nonlocal most
        async with gauge.place():
            most = max(most, gauge.busy)
            await asyncio.sleep(0)

    await asyncio.gather(*[call() for _ in range(calls)])
    assert gauge.busy == 0
    return most


async def test_as_many_are_under_way_as_allowed_and_no_more() -> None:
    assert await busiest(Gauge(5), 40) == 5


async def test_an_overrun_halves_it_once_for_all_that_were_under_way() -> None:
    clock = Clock()
    gauge = Gauge(8, clock)
    began = clock.now
    clock.now += 0.2
    for _ in range(8):
        gauge.overrun(0.0, began)
    assert gauge.allowed == 4
    assert await busiest(gauge, 20) == 4
    clock.now += 1
    gauge.overrun(0.0, clock.now)
    gauge.overrun(0.0, clock.now - 0.5)
    assert gauge.allowed == 2


async def test_it_never_falls_below_one() -> None:
    clock = Clock()
    gauge = Gauge(3, clock)
    for _ in range(5):
        clock.now += 1
        gauge.overrun(0.0, clock.now)
    assert gauge.allowed == 1
    assert await busiest(gauge, 5) == 1


async def test_each_good_round_raises_it_by_one_up_to_the_limit() -> None:
    clock = Clock()
    gauge = Gauge(8, clock)
    gauge.overrun(0.0, clock.now)
    for expected in (5, 6, 7, 8, 8):
        for _ in range(int(gauge.allowed)):
            gauge.served()
        assert round(gauge.allowed, 6) == expected


async def test_nobody_begins_before_the_time_that_the_provider_names() -> None:
    gauge = Gauge(4)
    loop = asyncio.get_running_loop()
    async with gauge.place() as since:
        gauge.overrun(0.15, since)
    begun = loop.time()
    async with gauge.place():
        assert 0.14 <= loop.time() - begun < 5


async def test_pauses_double_while_nothing_is_served() -> None:
    clock = Clock()
    gauge = Gauge(8, clock)
    pauses = []
    for _ in range(3):
        clock.now = max(clock.now, gauge.paused_until) + 1
        gauge.overrun(None, clock.now)
        pauses.append(gauge.paused_until - clock.now)
    gauge.served()
    clock.now = gauge.paused_until + 1
    gauge.overrun(None, clock.now)
    assert [*pauses, gauge.paused_until - clock.now] == [0.5, 1.0, 2.0, 0.5]


async def test_a_caller_that_gives_up_waiting_does_not_hold_up_the_others() -> None:
    gauge = Gauge(1)
    async with gauge.place():
        waiting = [asyncio.ensure_future(busiest(gauge, 1)) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting[1:])


def test_each_provider_has_its_own() -> None:
    limiter = Limiter(4)
    assert limiter.of("openai/gpt-4o") is limiter.of("openai/gpt-4o-mini")
    assert limiter.of("openai/gpt-4o") is not limiter.of("anthropic/claude-haiku-4-5")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (AIError(provider="p", code="RATE_LIMITED"), True),
        (AIError(provider="p", code="OVERLOADED"), True),
        (AIError(provider="p", code="TIMEOUT"), False),
        (BreakerOpen(retry_after=3.0), True),
        (RateLimited(retry_after=1.0), True),
        (SpendCapExceeded(retryable=True, retry_after=1.0), True),
        (SpendCapExceeded(), False),
        (PolicyDenied(), False),
    ],
)
def test_what_says_that_there_were_too_many_calls(error: AIError, said: bool) -> None:
    assert overrun(error) is said


def failed(code: str) -> AIError:
    return AIError("x", provider="openai", code=code)


def test_a_provider_that_can_not_be_reached_is_given_up() -> None:
    gauge = Gauge(8)
    assert [gauge.away(failed("CONNECTION_FAILED")) is None for _ in range(UNREACHED)] == [True] * 4 + [False]
    gauge.served()
    assert gauge.away(failed("CONNECTION_FAILED")) is None


def test_a_breaker_that_is_open_because_nothing_could_be_reached_is_not_waited_for() -> None:
    gauge, refused = Gauge(8), failed("CONNECTION_FAILED")
    assert gauge.away(BreakerOpen(retry_after=15)) is None
    gauge.away(refused)
    assert gauge.away(BreakerOpen(retry_after=15)) is refused


def test_nobody_waits_for_a_provider_that_says_nothing_but_that_there_is_too_much_for_too_long() -> None:
    now = [0.0]
    gauge = Gauge(8, lambda: now[0])
    busy = failed("OVERLOADED")
    now[0] = SILENCE
    assert gauge.away(busy) is None
    now[0] = SILENCE + 1
    assert gauge.away(busy) is busy
    gauge.served()
    assert gauge.away(busy) is None
    assert gauge.away(failed("BAD_REQUEST")) is None
