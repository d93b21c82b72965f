"""An outage, as four processes of twenty callers live through it: its timeline, and the books after it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from faults.outage import A, B, Timeline, Times, drill
from support.crew import Crew
from support.kits import Books
from support.outage_picture import draw

OPEN_SECONDS = 2
SETTLING = 0.5
"""Seconds in which what was admitted just before a move may still begin: a move's time is before its commit."""
FIGURES = f"[breaker]\nopen_seconds = {OPEN_SECONDS}\n"


@pytest.fixture
def timeline(crew: Crew, tmp_path: Path, books: Books) -> Timeline:
    return drill(crew, tmp_path, books, Times(fails=1.5, recovers=5.0, ends=10.5), more=FIGURES)


def test_an_outage_is_gone_around_and_ended_by_single_probes(timeline: Timeline, books: Books) -> None:
    start, times = timeline.start, timeline.times
    moves = [(move["was"], move["state"]) for move in timeline.moves]
    assert moves == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]
    opened, probed, opened_again, probed_again, closed = [move["at"] - start for move in timeline.moves]
    assert times.fails < opened < times.fails + 2
    assert OPEN_SECONDS <= probed - opened < OPEN_SECONDS + 1
    assert 2 * OPEN_SECONDS <= probed_again - opened_again < 2 * OPEN_SECONDS + 1
    assert opened_again < times.recovers < probed_again < closed < times.ends

    # every call is answered: by A before and after, by B in between
    assert Counter(call.get("error") for call in timeline.calls) == {None: len(timeline.calls)}
    assert len(timeline.calls) > 300
    assert {call["tried"][0][1] for call in timeline.calls if call["at"] < start + times.fails} == {"OK"}
    meanwhile = [call for call in timeline.calls if opened + SETTLING < call["began"] - start < probed - SETTLING]
    assert {tuple(map(tuple, call["tried"])) for call in meanwhile} == {((A, "BREAKER_OPEN"), (B, "OK"))}
    assert len({call["process"] for call in meanwhile}) == 4
    late = [call for call in timeline.calls if call["began"] - start > closed + SETTLING]
    assert {call["tried"][0][1] for call in late} == {"OK"} and len({call["process"] for call in late}) == 4

    # once it is open nothing goes to A but probes, one at a time
    for since, until in timeline.spans("open"):
        assert timeline.of("anthropic", since + SETTLING, until - SETTLING) == []
    for since, until in timeline.spans("half_open"):
        probes = [one for one in timeline.of("anthropic", since - SETTLING, until) if one["began"] >= since - 0.05]
        assert all(first["ended"] <= second["began"] + 0.02 for first, second in pairwise(probes))
        assert 1 <= len(probes) <= 2

    # each call is charged once, by who served it, for what that one billed
    books.assert_balanced()
    assert timeline.charged_otherwise() == {}
    for provider, billed in timeline.billed.items():
        mine = [one for one in timeline.of(provider) if one["ending"] == "settled"]
        assert {name: sum(one[name] for one in mine) for name in billed} == billed
    assert {one["ending"] for one in timeline.attempts} == {"settled", "voided"}

    picture = draw(timeline)
    assert picture.startswith("<svg") and picture.count('class="open"') == 2
