from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aikit.policy.windows import EPOCH, SLIDING, bounds, carried, check_zone, wait_us
from aikit.types import Window

RESETTING = [w for w in Window if w not in (Window.CALL, Window.TOTAL)]
ANCHORS = {Window.DAY: 24, Window.WEEK: 7, Window.MONTH: 28}
ZONES = [
    "UTC",
    "Europe/Zurich",
    "America/New_York",
    "America/Havana",  # clocks change at midnight
    "America/St_Johns",  # they did at one minute past
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Gaza",
    "Australia/Lord_Howe",  # by half an hour
    "Pacific/Apia",  # left out 30 December 2011
    "Pacific/Kwajalein",
    "Africa/Casablanca",
]
JUMPS = [
    "1993-08-21T12:00",
    "2010-03-14T03:31",
    "2010-11-07T02:31",
    "2011-04-01T00:01",
    "2011-12-30T10:00",
    "2026-03-08T05:00",
    "2026-03-29T01:00",
    "2026-10-03T15:30",
    "2026-10-25T01:00",
    "2026-11-01T04:00",
]
MICROSECOND = timedelta(microseconds=1)

times = st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))
zones = st.sampled_from(ZONES)


@st.composite
def calendars(draw: st.DrawFn) -> tuple[Window, str, int]:
    window = draw(st.sampled_from(RESETTING))
    return window, draw(zones), draw(st.integers(0, ANCHORS.get(window, 1) - 1))


@st.composite
def near_jumps(draw: st.DrawFn) -> datetime:
    """Moments of the days and nights in which clocks change."""
    night = draw(st.sampled_from(JUMPS))
    return utc(night) + timedelta(microseconds=draw(st.integers(-3 * 86_400_000_000, 3 * 86_400_000_000)))


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


@pytest.mark.parametrize(
    ("window", "anchor", "now", "start", "end"),
    [
        (Window.DAY, 6, "2026-11-21T05:59:59", "2026-11-20T06:00", "2026-11-21T06:00"),
        (Window.DAY, 23, "2026-11-21T23:00:00", "2026-11-21T23:00", "2026-11-22T23:00"),
        (Window.WEEK, 6, "2026-11-21T12:00:00", "2026-11-15", "2026-11-22"),
        (Window.WEEK, 2, "2026-11-18T00:00:00", "2026-11-18", "2026-11-25"),
        (Window.MONTH, 14, "2026-01-14T23:59:59", "2025-12-15", "2026-01-15"),
        (Window.MONTH, 27, "2026-02-28T00:00:00", "2026-02-28", "2026-03-28"),
    ],
)
def test_windows_start_at_their_anchor(window: Window, anchor: int, now: str, start: str, end: str) -> None:
    assert bounds(window, utc(now), anchor=anchor) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("window", "zone", "anchor", "now", "start", "end"),
    [
        (Window.DAY, "Europe/Zurich", 0, "2026-07-01T22:30", "2026-07-01T22:00", "2026-07-02T22:00"),
        (Window.DAY, "Asia/Kathmandu", 6, "2026-07-01T00:15", "2026-07-01T00:15", "2026-07-02T00:15"),
        (Window.WEEK, "America/New_York", 0, "2026-07-06T03:59", "2026-06-29T04:00", "2026-07-06T04:00"),
        (Window.MONTH, "Asia/Kolkata", 0, "2026-06-30T18:30", "2026-06-30T18:30", "2026-07-31T18:30"),
        (Window.MONTH, "Europe/Zurich", 14, "2026-04-01T00:00", "2026-03-14T23:00", "2026-04-14T22:00"),
    ],
)
def test_windows_start_where_the_clocks_of_their_zone_say(
    window: Window, zone: str, anchor: int, now: str, start: str, end: str
) -> None:
    assert bounds(window, utc(now), zone, anchor) == (utc(start), utc(end))


@pytest.mark.parametrize(
    ("zone", "anchor", "now", "start", "hours"),
    [
        ("Europe/Zurich", 0, "2026-03-29T12:00", "2026-03-28T23:00", 23),
        ("Europe/Zurich", 0, "2026-10-25T12:00", "2026-10-24T22:00", 25),
        ("Europe/Zurich", 2, "2026-03-29T12:00", "2026-03-29T01:00", 23),  # 02:00 is left out: it starts at 03:00
        ("Europe/Zurich", 2, "2026-10-25T00:30", "2026-10-25T00:00", 25),  # 02:00 comes twice: it starts at the first
        ("Europe/Zurich", 2, "2026-10-25T01:30", "2026-10-25T00:00", 25),
        ("America/Havana", 0, "2026-03-08T12:00", "2026-03-08T05:00", 23),  # midnight is left out
        ("America/Havana", 0, "2026-11-01T05:30", "2026-11-01T04:00", 25),  # midnight comes twice
        ("Australia/Lord_Howe", 0, "2026-10-03T20:00", "2026-10-03T13:30", 23.5),
        ("Pacific/Apia", 0, "2011-12-30T09:59", "2011-12-29T10:00", 24),
        ("Pacific/Apia", 0, "2011-12-30T10:00", "2011-12-30T10:00", 24),  # the 31st follows the 29th
    ],
)
def test_a_day_is_as_long_as_the_clocks_make_it(zone: str, anchor: int, now: str, start: str, hours: float) -> None:
    assert bounds(Window.DAY, utc(now), zone, anchor) == (utc(start), utc(start) + timedelta(hours=hours))


@example((Window.DAY, "Pacific/Apia", 6), utc("2011-12-30T12:00"))
@given(calendars(), times | near_jumps())
def test_every_moment_lies_in_its_window_and_windows_meet_without_a_gap(
    calendar: tuple[Window, str, int], now: datetime
) -> None:
    window, zone, anchor = calendar
    start, end = bounds(window, now, zone, anchor)
    assert end is not None
    assert start <= now < end
    assert start.tzinfo is UTC and end.tzinfo is UTC
    assert start.microsecond == 0
    assert bounds(window, start, zone, anchor) == (start, end)
    assert bounds(window, end, zone, anchor)[0] == end
    assert bounds(window, end - MICROSECOND, zone, anchor) == (start, end)


@given(st.sampled_from(list(ANCHORS)), zones, times, st.data())
def test_where_clocks_do_not_jump_at_it_a_window_starts_at_its_anchor_by_the_clock(
    window: Window, zone: str, now: datetime, data: st.DataObject
) -> None:
    anchor = data.draw(st.integers(0, ANCHORS[window] - 1))
    start, _ = bounds(window, now, zone, anchor)
    local = start.astimezone(ZoneInfo(zone))
    if (start - timedelta(days=1)).astimezone(ZoneInfo(zone)).utcoffset() != local.utcoffset():
        return  # a jump may have hit the start itself; the tables above are for those
    assert (local.minute, local.second) == (0, 0)
    assert local.hour == (anchor if window is Window.DAY else 0)
    assert window is not Window.WEEK or local.weekday() == anchor
    assert window is not Window.MONTH or local.day == anchor + 1


@given(times, st.sampled_from(list(SLIDING)), zones)
def test_minutes_and_hours_are_the_same_in_every_zone(now: datetime, window: Window, zone: str) -> None:
    start, end = bounds(window, now, zone, 3)
    assert (start, end) == bounds(window, now)
    assert end is not None and end - start == SLIDING[window]


@given(times, st.sampled_from([Window.TOTAL, Window.CALL]))
def test_the_total_never_resets(now: datetime, window: Window) -> None:
    assert bounds(window, now, "Europe/Zurich", 3) == (EPOCH, None)


@pytest.mark.parametrize("zone", ZONES)
def test_zones_are_known_by_name(zone: str) -> None:
    check_zone(zone)


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "Zurich", "Europe/Zürich", "../UTC", "/etc/hosts", "UTC\0", "localtime", "right/UTC", "Factory"],
)
def test_what_names_no_zone_or_not_the_same_everywhere_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone is called"):
        check_zone(name)


MINUTE = 60_000_000
lengths = st.sampled_from([MINUTE, 60 * MINUTE])
counts = st.integers(0, 40) | st.integers(0, 10**15)


@pytest.mark.parametrize(
    ("previous", "elapsed", "expected"),
    [(10, 0, 10), (10, MINUTE // 2, 5), (10, MINUTE // 2 + 1, 5), (10, MINUTE - 1, 1), (0, 0, 0), (1, MINUTE - 1, 1)],
)
def test_a_sliding_window_counts_the_part_of_the_one_before_that_it_still_covers(
    previous: int, elapsed: int, expected: int
) -> None:
    assert carried(previous, elapsed, MINUTE) == expected


@given(counts, st.integers(0, MINUTE), st.integers(0, MINUTE))
def test_what_is_carried_only_falls_and_is_never_understated(previous: int, one: int, other: int) -> None:
    early, late = sorted([one, other])
    assert previous >= carried(previous, early, MINUTE) >= carried(previous, late, MINUTE) >= 0
    assert carried(previous, early, MINUTE) * MINUTE >= previous * (MINUTE - early)


def admits(cap: int, size: int, current: int, previous: int, left: int, length: int, after: int) -> bool:
    """Whether an attempt is admitted `after` microseconds, as a decision would compute it then."""
    windows, elapsed = divmod(length - left + after, length)
    counted = [(current, previous), (0, current), (0, 0)][min(windows, 2)]
    return counted[0] + carried(counted[1], elapsed, length) + size <= cap


@example(10, 1, 10, 10, MINUTE, MINUTE)
@example(10, 10, 10, 0, MINUTE, MINUTE)
@example(10, 1, 0, 10, 1, MINUTE)
@given(counts, counts, counts, counts, st.integers(1, 60 * MINUTE), lengths)
def test_the_wait_is_enough_and_no_longer_than_needed(
    cap: int, size: int, current: int, previous: int, left: int, length: int
) -> None:
    left = min(left, length)
    wait = wait_us(cap, size, current, previous, left, length)
    if size > cap:
        assert wait is None
        return
    assert wait is not None and wait >= 0
    assert admits(cap, size, current, previous, left, length, wait)
    assert wait == 0 or not admits(cap, size, current, previous, left, length, wait - 1)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60), st.integers(1, MINUTE))
def test_once_it_fits_it_goes_on_to_fit(cap: int, current: int, previous: int, left: int) -> None:
    wait = wait_us(cap, 1, current, previous, left, MINUTE)
    assert wait is not None
    assert all(admits(cap, 1, current, previous, left, MINUTE, wait + later) for later in range(0, 2 * MINUTE, 999_983))


@given(st.integers(1, 30), st.lists(st.integers(0, 3 * MINUTE), max_size=90))
def test_a_burst_across_the_edge_of_two_minutes_does_not_double_the_rate(cap: int, moments: list[int]) -> None:
    admitted: list[int] = []
    for now in sorted(moments):
        start = now - now % MINUTE
        current = sum(start <= at for at in admitted)
        previous = sum(start - MINUTE <= at < start for at in admitted)
        if current + carried(previous, now - start, MINUTE) + 1 <= cap:
            admitted.append(now)
    edges = [sum(edge - MINUTE // 2 <= at < edge + MINUTE // 2 for at in admitted) for edge in (MINUTE, 2 * MINUTE)]
    assert max(edges) <= cap + cap // 2


def test_just_after_a_full_minute_the_wait_is_until_the_first_of_it_is_no_longer_carried() -> None:
    assert wait_us(10, 1, 0, 10, MINUTE - 1_000_000, MINUTE) == 5_000_000
