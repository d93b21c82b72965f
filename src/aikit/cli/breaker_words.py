"""How a breaker stands, in words, glyphs, cells and JSON."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from aikit.breaker.model import Breaker, Reason, State
from aikit.cli.output import UNKNOWN, when

if TYPE_CHECKING:
    from aikit.ledger.breakers import BreakerRow, Move

WORDS = {
    State.CLOSED: "● closed",
    State.OPEN: "○ OPEN",
    State.HALF_OPEN: "◐ half-open",
    State.FORCED_OPEN: "■ forced open",
    State.FORCED_CLOSED: "■ forced closed",
}
COLOURS = {
    "● closed": "green",
    "○ OPEN": "red",
    "◐ half-open": "yellow",
    "■ forced open": "magenta",
    "■ forced closed": "magenta",
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
OTHER_REASONS = {"probe": "to see whether it is back"}


def is_shut(breaker: Breaker) -> bool:
    """Calls are refused."""
    return breaker.state in (State.OPEN, State.FORCED_OPEN)


def cells(row: BreakerRow) -> list[str]:
    """Of a list: name, state, why, since, calls, failed, slow."""
    breaker = row.breaker
    seen = [f"{count:,}" for count in (row.seen.calls, row.seen.failed, row.seen.slow)]
    return [breaker.name, _state(row), _why(row), _since(breaker), *seen]


def pairs(row: BreakerRow) -> list[tuple[str, str]]:
    """The same one below the other, and what else there is to know."""
    breaker, seen = row.breaker, row.seen
    found = [("State", _state(row)), ("Why", _why(row)), ("Since (UTC)", _since(breaker))]
    if breaker.until is not None:
        found.append(("Until (UTC)", when(breaker.until)))
    if breaker.state is State.HALF_OPEN:
        found.append(("Probes", f"{row.under_way} under way, {breaker.successes} went well"))
    if breaker.trips:
        found.append(("Opened", f"{breaker.trips} times in a row" if breaker.trips > 1 else "once"))
    found.append(("Last minute", f"{seen.calls:,} calls, {seen.failed:,} failed, {seen.slow:,} slow"))
    return found


def data(row: BreakerRow) -> dict[str, Any]:
    """The same in JSON. `since` is null for one that has never moved, `model` for a provider as a whole."""
    breaker, seen, by = row.breaker, row.seen, row.forced_by
    return {
        "breaker": breaker.name,
        "provider": breaker.provider,
        "model": breaker.model or None,
        "state": breaker.state,
        "reason": breaker.reason,
        "since": breaker.since if breaker.reason else None,
        "until": breaker.until,
        "openings": breaker.trips,
        "probes": row.under_way,
        "successes": breaker.successes,
        "calls": seen.calls,
        "failed": seen.failed,
        "slow": seen.slow,
        "who": by.who if by else None,
        "why": by.why if by else None,
    }


def move_cells(move: Move) -> list[str]:
    """Of a list: when, from, to, why."""
    until = f" until {when(move.until)}" if move.until else ""
    return [when(move.at), WORDS[State(move.was)], f"{WORDS[State(move.state)]}{until}", _why_moved(move)]


def move_data(move: Move) -> dict[str, Any]:
    """The same in JSON."""
    return {name: getattr(move, name) for name in move.__dataclass_fields__}


def lasting(time: timedelta) -> str:
    """`41s`, `9m 41s`, `1h 5m`, `2d 3h`."""
    left = max(0, round(time.total_seconds()))
    sizes = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
    parts = []
    for unit, size in sizes:
        count, left = divmod(left, size)
        parts.append((count, unit))
    first = next((n for n, (count, _) in enumerate(parts) if count), len(parts) - 1)
    shown = parts[first : first + 2]
    return " ".join([f"{count}{unit}" for n, (count, unit) in enumerate(shown) if count or n == 0])


def _state(row: BreakerRow) -> str:
    word = WORDS[row.breaker.state]
    return f"{word} {lasting(row.left)}" if row.left is not None else word


def _why(row: BreakerRow) -> str:
    if row.forced_by is not None:
        return _why_moved(row.forced_by)
    return REASONS[row.breaker.reason] if row.breaker.reason else UNKNOWN


def _why_moved(move: Move) -> str:
    if move.who is not None:
        return f"{move.who}: {move.why}" if move.why else f"by {move.who}"
    if move.reason in OTHER_REASONS:
        return OTHER_REASONS[move.reason]
    return REASONS[Reason(move.reason)] if move.reason else UNKNOWN


def _since(breaker: Breaker) -> str:
    return when(breaker.since) if breaker.reason else UNKNOWN
