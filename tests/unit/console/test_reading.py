"""What the reads decide without a database: points of a plot, the worse of two breakers, when a cap is reached."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aikit.breaker.model import State
from aikit.console.model import Period
from aikit.console.reading.caps import nearest, reached_at
from aikit.console.reading.live import ended
from aikit.console.reading.overview import priced, worse
from aikit.console.reading.plot import hourly
from aikit.console.reading.sweep import NOTHING_COUNTED, plus
from aikit.types import Action, Limit, Metric, Window

NOW = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)


def limit(cap: int = 1000, window: Window = Window.DAY, subject: str = "", **rest: object) -> Limit:
    return Limit(Metric.CREDITS, window, cap, "tenant:acme", subject=subject, **rest)  # type: ignore[arg-type]


def test_hours_that_are_not_read_yet_are_unknown_and_those_without_calls_are_zero() -> None:
    hours = {MIDNIGHT + 13 * HOUR: (70, 2, 1), MIDNIGHT + 14 * HOUR: (5, 1, 0)}
    plot = hourly(Period.TODAY, NOW, MIDNIGHT, hours, MIDNIGHT + 12 * HOUR)
    assert plot.step == 3600
    assert [(point.nano, point.calls, point.refused) for point in plot.points] == [
        *[(None, None, None)] * 12,
        (0, 0, 0),
        (70, 2, 1),
        (5, 1, 0),
    ]


def test_a_day_is_unknown_until_its_first_hour_is_read() -> None:
    since = MIDNIGHT - timedelta(days=2)
    hours = {since + 30 * HOUR: (1, 1, 0), MIDNIGHT: (10, 1, 1), MIDNIGHT + HOUR: (20, 1, 0)}
    plot = hourly(Period.WEEK, NOW, since, hours, since + 29 * HOUR)
    assert [(point.at, point.nano) for point in plot.points] == [
        (since, None),
        (since + timedelta(days=1), None),
        (MIDNIGHT, 30),
    ]


@pytest.mark.parametrize(("minute", "hour"), [(0, 13), (9, 13), (10, 14), (59, 14)])
def test_an_hour_is_over_ten_minutes_after_its_end(minute: int, hour: int) -> None:
    assert ended(NOW.replace(minute=minute)) == MIDNIGHT + hour * HOUR


def test_of_two_breakers_the_worse_counts() -> None:
    assert worse(None, None) is State.CLOSED
    assert worse(State.HALF_OPEN, State.OPEN) is State.OPEN
    assert worse(State.FORCED_CLOSED, None) is State.FORCED_CLOSED
    assert worse(State.FORCED_OPEN, State.OPEN) is State.FORCED_OPEN


def test_what_has_no_price_at_all_has_cost_nobody_knows_what() -> None:
    only_unpriced = (3, 0, 0, 0, 0, 0, 0, 0, 3)
    assert priced(only_unpriced) is None
    assert priced(plus(only_unpriced, (1, 0, 0, 0, 0, 0, 40, 0, 0))) == 40
    assert priced(NOTHING_COUNTED) == 0, "what was refused costs nothing"


@pytest.mark.parametrize(
    ("used", "rate", "after"),
    [(1000, 0, 0), (1200, None, 0), (900, 100, 1), (900, 0, None), (900, None, None), (0, 100, None), (990, -5, None)],
)
def test_a_cap_is_reached_at_this_rate_within_its_window_or_not(used: int, rate: int | None, after: int | None) -> None:
    expected = None if after is None else NOW + after * HOUR
    assert reached_at(limit(), used, rate, NOW) == expected


def test_only_caps_on_money_over_time_that_block_are_near() -> None:
    whole, chat = limit(), limit(window=Window.MONTH, subject="feature=chat")
    others = [
        limit(subject="feature=search"),
        limit(subject="user=ann"),
        limit(window=Window.CALL),
        limit(window=Window.MINUTE),
        limit(action=Action.WARN),
        Limit(Metric.TOKENS, Window.DAY, 5, "default"),
    ]
    assert nearest([whole, chat, *others], "chat") == [whole, chat]
