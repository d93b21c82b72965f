"""How a breaker stands, in a glyph and a word, with what its colour says as well."""

from __future__ import annotations

from aikit.breaker.model import TUNING, Reason, State
from aikit.console.table import Tone
from aikit.console.words import Style, lasting, visible
from aikit.ledger.breakers import BreakerRow, Move

WORDS: dict[State, tuple[str, str, str, Tone]] = {
    State.CLOSED: ("●", "*", "closed", "good"),
    State.OPEN: ("○", "o", "OPEN", "bad"),
    State.HALF_OPEN: ("◐", "~", "half-open", "warn"),
    State.FORCED_OPEN: ("■", "#", "forced open", "bad"),
    State.FORCED_CLOSED: ("■", "#", "forced closed", "warn"),
}
REASONS = {
    Reason.CONSECUTIVE_FAILURES: "failures in a row",
    Reason.FAILURE_RATE: "too many failures",
    Reason.SLOW_CALLS: "too slow",
    Reason.QUOTA: "out of quota",
    Reason.PROBE_FAILED: "a probe failed",
    Reason.RECOVERED: "recovered",
    Reason.OPERATOR: "by hand",
}
PROBE = "probe"
"""The reason of a move to half-open."""


def state_word(state: State, style: Style) -> tuple[str, Tone]:
    """`● closed`, and its tone."""
    glyph, plain, word, tone = WORDS[state]
    return f"{style.of(glyph, plain)} {word}", tone


def breaker_word(row: BreakerRow, style: Style) -> tuple[str, Tone]:
    """`◐ half-open 1/1` (probes under way, and how many may be), `○ OPEN 41s` (until the next probe), and its tone."""
    word, tone = state_word(row.breaker.state, style)
    if row.breaker.state is State.HALF_OPEN:
        return f"{word} {row.under_way}/{TUNING.probes}", tone
    return (f"{word} {lasting(row.left)}" if row.left is not None else word), tone


def reason_word(row: BreakerRow, style: Style) -> str:
    """Why it is where it is."""
    if row.forced_by is not None:
        return visible(row.forced_by.why) if row.forced_by.why else REASONS[Reason.OPERATOR]
    return REASONS[row.breaker.reason] if row.breaker.reason else style.unknown


def move_word(move: Move, style: Style) -> str:
    """Why it moved."""
    if move.who is not None:
        return visible(f"{move.who}: {move.why}" if move.why else f"by {move.who}")
    if move.reason == PROBE:
        return "to see whether it is back"
    known = {str(reason): word for reason, word in REASONS.items()}
    return known.get(move.reason, visible(move.reason)) if move.reason else style.unknown
