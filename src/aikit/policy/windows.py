"""Where a window starts and ends: computed from the clock, so nothing has to run for a reset to happen.

UTC: a day starts at 00:00, a week on Monday 00:00, a month on the 1st. `total` starts at the epoch and never ends.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from aikit.types import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def bounds(window: Window, now: datetime) -> tuple[datetime, datetime | None]:
    """The start (included) and the end (excluded) of the window that `now`, an aware UTC time, lies in."""
    if window is Window.TOTAL or window is Window.CALL:
        return EPOCH, None
    minute = now.replace(second=0, microsecond=0)
    if window is Window.MINUTE:
        return minute, minute + timedelta(minutes=1)
    hour = minute.replace(minute=0)
    if window is Window.HOUR:
        return hour, hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    if window is Window.DAY:
        return day, day + timedelta(days=1)
    if window is Window.WEEK:
        start = day - timedelta(days=day.weekday())
        return start, start + timedelta(weeks=1)
    start = day.replace(day=1)
    return start, (start + timedelta(days=32)).replace(day=1)
