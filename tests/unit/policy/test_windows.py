from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.policy.windows import EPOCH, bounds
from aikit.types import Window

RESETTING = [w for w in Window if w not in (Window.CALL, Window.TOTAL)]
times = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "now", "start", "end"),
    [
        (Window.MINUTE, "2026-11-21T10:30:59", "2026-11-21T10:30", "2026-11-21T10:31"),
        (Window.HOUR, "2026-11-21T10:30:59", "2026-11-21T10:00", "2026-11-21T11:00"),
        (Window.DAY, "2026-11-21T23:59:59", "2026-11-21", "2026-11-22"),
        (Window.DAY, "2026-11-22T00:00:00", "2026-11-22", "2026-11-23"),
        (Window.WEEK, "2026-11-22T12:00:00", "2026-11-16", "2026-11-23"),
        (Window.WEEK, "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        (Window.MONTH, "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        (Window.MONTH, "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_windows_start_where_the_calendar_says(window: Window, now: str, start: str, end: str) -> None:
    assert bounds(window, utc(now)) == (utc(start), utc(end))


@given(times, st.sampled_from(RESETTING))
def test_every_moment_lies_in_its_window_and_windows_meet_without_a_gap(now: datetime, window: Window) -> None:
    start, end = bounds(window, now)
    assert end is not None
    assert start <= now < end
    assert bounds(window, start) == (start, end)
    assert bounds(window, end)[0] == end
    assert bounds(window, end - timedelta(microseconds=1)) == (start, end)


@given(times)
def test_the_total_never_resets(now: datetime) -> None:
    assert bounds(Window.TOTAL, now) == (EPOCH, None)
