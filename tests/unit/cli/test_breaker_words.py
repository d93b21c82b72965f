"""How breakers, and the times for which they are forced, read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from aikit.breaker.model import Breaker, Reason, Seen, State
from aikit.cli.breaker_words import COLOURS, OTHER_REASONS, REASONS, WORDS, cells, lasting, pairs
from aikit.durations import duration
from aikit.ledger.breakers import BreakerRow, Move

NOW = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
FORCED = Move(NOW, "closed", "forced_open", "operator", None, "ann@ops", "their status page")


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("30s", timedelta(seconds=30)),
        ("10m", timedelta(minutes=10)),
        (" 2 H ", timedelta(hours=2)),
        ("1d", timedelta(days=1)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_duration_is_read(text: str, time: timedelta) -> None:
    assert duration(text) == time


@pytest.mark.parametrize("text", ["", "10", "m", "-1m", "1.5h", "1h30m", "ten minutes", "٣m", "999999999s"])
def test_what_is_no_duration_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match="write 30s, 10m, 2h or 1d"):
        duration(text)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-1, "0s"),
        (0, "0s"),
        (41.4, "41s"),
        (60, "1m"),
        (581, "9m 41s"),
        (3_900, "1h 5m"),
        (7_203, "2h"),
        (183_600, "2d 3h"),
    ],
)
def test_a_time_is_told_in_its_two_largest_units(seconds: float, words: str) -> None:
    assert lasting(timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("row", "state", "why"),
    [
        (Breaker("openai", "m", State.CLOSED, NOW), "● closed", "—"),
        (Breaker("openai", "m", State.CLOSED, NOW, reason=Reason.RECOVERED), "● closed", "recovered"),
        (
            Breaker("openai", "m", State.OPEN, NOW, NOW + timedelta(seconds=41), Reason.QUOTA),
            "○ OPEN 41s",
            "out of quota",
        ),
        (Breaker("openai", "m", State.HALF_OPEN, NOW, reason=Reason.SLOW_CALLS), "◐ half-open", "too slow"),
        (Breaker("openai", "m", State.FORCED_OPEN, NOW, reason=Reason.OPERATOR), "■ forced open", "by hand"),
    ],
)
def test_a_state_is_a_glyph_and_a_word(row: Breaker, state: str, why: str) -> None:
    assert cells(BreakerRow(row, NOW, Seen()))[:3] == ["openai/m", state, why]


def test_what_is_forced_says_by_whom_and_why() -> None:
    forced = Breaker("openai", "", State.FORCED_OPEN, NOW, NOW + timedelta(minutes=10), Reason.OPERATOR)
    row = BreakerRow(forced, NOW, Seen(12, 3, 1), FORCED)
    assert dict(pairs(row)) == {
        "State": "■ forced open 10m",
        "Why": "ann@ops: their status page",
        "Since (UTC)": "2026-11-21 15:00:00",
        "Until (UTC)": "2026-11-21 15:10:00",
        "Last minute": "12 calls, 3 failed, 1 slow",
    }


def test_every_state_and_reason_has_its_words() -> None:
    assert WORDS.keys() == set(State) and COLOURS.keys() == set(WORDS.values())
    assert REASONS.keys() == set(Reason) and not OTHER_REASONS.keys() & set(Reason)
