"""Where a window starts and ends: computed from the clock, so nothing has to run for a reset to happen.

A day starts at 00:00, a week on Monday 00:00, a month on the 1st, in UTC or in another time zone, and at an anchor if
there is one. `total` starts at the epoch and never ends. Minutes and hours slide: they count a part of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from aikit.types import Window

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

SLIDING: Mapping[Window, timedelta] = {Window.MINUTE: timedelta(minutes=1), Window.HOUR: timedelta(hours=1)}
"""The windows that slide, and how long they are."""

NOT_PLACES = ("localtime", "posixrules", "Factory", "posix/", "right/")
"""How files among the time zones begin that are another thing on another machine, or count leap seconds."""


def bounds(window: Window, now: datetime, zone: str = "UTC", anchor: int = 0) -> tuple[datetime, datetime | None]:
    """The start (included) and the end (excluded), in UTC, of the window that `now`, an aware UTC time, lies in.

    In the local time of `zone` a day starts at the hour `anchor`, a week at 00:00 on the weekday `anchor` (0 is
    Monday), a month at 00:00 on the day `anchor` + 1. Windows follow each other without a gap, so that a day has 23 or
    25 hours where clocks change. Raises `zoneinfo.ZoneInfoNotFoundError` for a zone that `check_zone` refuses.
    """
    if window is Window.TOTAL or window is Window.CALL:
        return EPOCH, None
    if window is Window.MINUTE or window is Window.HOUR:
        minute = now.replace(second=0, microsecond=0)
        start = minute if window is Window.MINUTE else minute.replace(minute=0)
        return start, start + SLIDING[window]
    if zone == "UTC":
        start = _floor(window, now, anchor)
        return start, _next(window, start)
    return _local_bounds(window, now, ZoneInfo(zone), anchor)


def check_zone(name: str) -> None:
    """Raises ValueError if this machine has no time zone of that name, or it is not the same on all machines."""
    try:
        known = name == "UTC" or bool(not name.startswith(NOT_PLACES) and ZoneInfo(name))
    except (LookupError, ValueError, OSError):
        known = False
    if not known:
        raise ValueError(f"no time zone is called {name!r}; write it like Europe/Zurich or UTC")


def carried(previous: int, elapsed_us: int, length_us: int) -> int:
    """What a sliding window still counts of `previous`, the count of the window before, rounded up.

    The window is `length_us` long, of which `elapsed_us` have gone by; both in microseconds.
    """
    return -(-previous * (length_us - elapsed_us) // length_us)


def wait_us(cap: int, size: int, current: int, previous: int, left_us: int, length_us: int) -> int | None:
    """The fewest microseconds after which `size` fits under `cap` in a sliding window, if nothing else happens.

    `current` is what is used and held in the window of the present moment, `previous` the whole count of the window
    before. Of the present one's `length_us` there are `left_us` to go. None if `size` alone is above the cap.
    """
    room = cap - size
    if room < 0:
        return None
    if current <= room:
        return _until_carried(room - current, previous, left_us, length_us)
    return left_us + _until_carried(room, current, length_us, length_us)


def _until_carried(most: int, previous: int, left_us: int, length_us: int) -> int:
    """How long until no more than `most` is carried of `previous`: `previous * (left - wait) <= most * length`."""
    return max(0, left_us - most * length_us // previous) if previous > 0 else 0


def _floor(window: Window, moment: datetime, anchor: int) -> datetime:
    """The last start of a window at or before `moment`, by the calendar alone."""
    if window is Window.DAY:
        moment -= timedelta(hours=anchor)
        return moment.replace(hour=anchor, minute=0, second=0, microsecond=0)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if window is Window.WEEK:
        return midnight - timedelta(days=(midnight.weekday() - anchor) % 7)
    return (midnight - timedelta(days=anchor)).replace(day=anchor + 1)


def _next(window: Window, start: datetime) -> datetime:
    """The start after `start`, by the calendar alone."""
    if window is Window.DAY:
        return start + timedelta(days=1)
    if window is Window.WEEK:
        return start + timedelta(weeks=1)
    return (start + timedelta(days=32 - start.day)).replace(day=start.day)


def _local_bounds(window: Window, now: datetime, zone: ZoneInfo, anchor: int) -> tuple[datetime, datetime]:
    """The window by the clocks of a zone.

    Clocks never jumped by more than a day, so what the calendar says a day earlier has surely started; from there on,
    only the moments are compared. A window that no moment lies in, as the day that Samoa left out, is passed over.
    """
    local = now.astimezone(zone).replace(tzinfo=None)
    start = _floor(window, local - timedelta(days=1), anchor)
    while (end := _moment(following := _next(window, start), zone)) <= now:
        start = following
    return _moment(start, zone), end


def _moment(local: datetime, zone: ZoneInfo) -> datetime:
    """When clocks show `local`: the first time if twice; if never, when they would have without the jump (RFC 5545)."""
    return local.replace(tzinfo=zone).astimezone(UTC)
