"""What processes have seen together is what a plain count over all that happened says, but for a step at its edges."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from aikit.breaker.model import TUNING, Seen
from aikit.breaker.outcomes import STEP, Sighting, read_sighting, together, witness
from aikit.types import Health

START = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
WINDOW = TUNING.window.total_seconds()
BAD = (Health.FAILED, Health.QUOTA)


class Event(NamedTuple):
    """What a process saw, so many seconds after the start."""

    process: int
    at: float
    outcome: Health
    wait: float | None


def seconds(most: int) -> st.SearchStrategy[float]:
    """To the millisecond."""
    return st.integers(1, most * 1000).map(lambda milliseconds: milliseconds / 1000)


events = st.lists(
    st.builds(
        Event,
        st.integers(0, 3),
        seconds(200),
        st.sampled_from(Health),
        st.none() | seconds(100),
    ),
    max_size=80,
    unique_by=lambda event: event.at,
).map(lambda found: sorted(found, key=lambda event: event.at))


def sightings(happened: list[Event]) -> list[Sighting]:
    seen: dict[int, Sighting] = {}
    for event in happened:
        before = seen.get(event.process, Sighting())
        seen[event.process] = witness(before, event.outcome, START + timedelta(seconds=event.at), event.wait)
    return list(seen.values())


def count(happened: list[Event], since: float, until: float) -> tuple[int, int, int]:
    """Calls, failed and slow from then until then."""
    found = [event.outcome for event in happened if since <= event.at <= until and event.outcome is not Health.NEUTRAL]
    return len(found), sum(one in BAD for one in found), sum(one is Health.SLOW for one in found)


def seen_of(happened: list[Event], since: float, now: float) -> Seen:
    at = START + timedelta(seconds=now)
    return together(sightings(happened), START + timedelta(seconds=since), at)


@given(events, seconds(150), seconds(60))
def test_the_count_is_a_plain_one_but_for_a_step_at_either_edge(
    happened: list[Event], since: float, after: float
) -> None:
    now = max([since + after, *[event.at for event in happened]])
    seen = seen_of(happened, since, now)
    fewest = count(happened, max(since + STEP, now - WINDOW), now)
    most = count(happened, max(since, now - WINDOW - STEP), now)
    for least, found, greatest in zip(fewest, (seen.calls, seen.failed, seen.slow), most, strict=True):
        assert least <= found <= greatest


@given(events, seconds(150), seconds(60))
def test_a_run_of_failures_and_an_empty_account_are_told_exactly(
    happened: list[Event], since: float, after: float
) -> None:
    now = max([since + after, *[event.at for event in happened]])
    seen = seen_of(happened, since, now)
    start = max(since, now - WINDOW)
    fine = max([start, *[e.at for e in happened if e.outcome in (Health.OK, Health.SLOW)]])
    run = sum(event.at > fine and event.outcome in BAD for event in happened)
    assert (seen.run >= TUNING.consecutive) == (run >= TUNING.consecutive)
    assert seen.run == run or seen.run >= TUNING.consecutive
    assert seen.quota == any(event.outcome is Health.QUOTA and event.at > start for event in happened)


@given(events)
def test_a_provider_is_left_alone_for_as_long_as_it_last_asked_for_since_it_last_answered_well(
    happened: list[Event],
) -> None:
    now = max([0.0, *[event.at for event in happened]])
    fine = max([0.0, now - WINDOW, *[e.at for e in happened if e.outcome in (Health.OK, Health.SLOW)]])
    asked = [e.at + e.wait for e in happened if e.outcome in BAD and e.wait and e.at > fine and e.at + e.wait > now]
    seen = seen_of(happened, 0.0, now)
    if seen.retry_after is None:
        assert not asked
    else:
        assert (seen.retry_after - START).total_seconds() >= max(asked, default=now) - 0.001


@given(events, st.randoms(use_true_random=False))
def test_the_order_of_the_processes_says_nothing(happened: list[Event], chance: object) -> None:
    known = sightings(happened)
    at = START + timedelta(seconds=200)
    assert together(known, START, at) == together(list(reversed(known)), START, at)


@given(events, st.lists(st.floats(-0.5, 0), min_size=80, max_size=80))
def test_a_clock_that_trembles_loses_no_call(happened: list[Event], errors: list[float]) -> None:
    late = max([0.0, *[event.at for event in happened]]) - WINDOW + STEP
    trembling = [
        event._replace(at=max(0.0, event.at + error))
        for event, error in zip(happened, errors, strict=False)
        if event.at > late + 1
    ]
    now = START + timedelta(seconds=max([0.0, *[event.at for event in happened]]))
    calls = sum(event.outcome is not Health.NEUTRAL for event in trembling)
    assert together(sightings(trembling), START, now).calls == calls


def test_what_was_seen_before_the_clock_was_set_back_counts_no_more() -> None:
    seen = Sighting()
    for n in range(20):
        seen = witness(seen, Health.OK, START + timedelta(hours=1, seconds=n))
    back = START + timedelta(seconds=30)
    for _ in range(TUNING.consecutive):
        seen = witness(seen, Health.FAILED, back)
    found = together([seen], START, back)
    assert (found.calls, found.failed, found.run) == (TUNING.consecutive, TUNING.consecutive, TUNING.consecutive)


@given(events)
def test_what_a_process_reports_is_read_as_it_was(happened: list[Event]) -> None:
    for seen in sightings(happened):
        assert read_sighting(json.loads(json.dumps(seen))) == seen


def test_a_process_tells_little_however_much_it_sees() -> None:
    seen = Sighting()
    for n in range(5_000):
        seen = witness(seen, Health.FAILED if n % 3 else Health.OK, START + timedelta(seconds=n / 10), 1.0)
    assert len(seen.counts) <= WINDOW / STEP + 1 and len(seen.failed_at) <= TUNING.consecutive
