"""What has moved lately: breakers, and labels of prompts. Lines below their tables, the newest first. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from aikit.console.breaker_words import move_word, state_word
from aikit.console.model import BreakersPage, PromptsPage, Snapshot
from aikit.console.table import Tone
from aikit.console.words import Style, cells, clock, visible

MOST_NAME = 40

Line = tuple[tuple[str, Tone], ...]


def move_lines(snapshot: Snapshot, style: Style) -> tuple[Line, ...]:
    """When, what, from where to where, by whom and why; nothing on tabs without moves."""
    page = snapshot.page
    if isinstance(page, BreakersPage):
        return tuple(_of_breakers(page, snapshot, style))
    if isinstance(page, PromptsPage):
        return tuple(_of_labels(page, snapshot, style))
    return ()


def _of_breakers(page: BreakersPage, snapshot: Snapshot, style: Style) -> Iterator[Line]:
    from aikit.breaker.model import State

    longest = _longest([each.name for each in page.moves])
    for name, move in [(each.name, each.move) for each in page.moves]:
        was, state = state_word(State(move.was), style), state_word(State(move.state), style)
        at = clock(move.at, snapshot.at, style, exact=True)
        yield (
            (f"{at:<11} ", "dim"),
            (f"{padded(name, longest)}  ", ""),
            was,
            (f" {style.arrow} ", "dim"),
            state,
            (f"  {move_word(move, style)}", "dim"),
        )


def _of_labels(page: PromptsPage, snapshot: Snapshot, style: Style) -> Iterator[Line]:
    longest = _longest([f"{move.name}@{move.label}" for move in page.moves])
    for move in page.moves:
        was = style.unknown if move.was is None else f"v{move.was}"
        how = "rolled back" if move.kind == "rollback" else "promoted"
        why = f": {move.why}" if move.why else ""
        forced = " without its gate" if move.forced else ""
        yield (
            (f"{clock(move.at, snapshot.at, style, exact=True):<11} ", "dim"),
            (f"{padded(f'{move.name}@{move.label}', longest)}  ", ""),
            (f"{was} {style.arrow} v{move.version}", "strong"),
            (f"  {how}{forced} by {visible(move.who + why)}", "warn" if move.forced else "dim"),
        )


def padded(name: str, width: int) -> str:
    """The name in so many cells at least."""
    shown = visible(name)
    return shown + " " * (width - cells(shown))


def _longest(names: list[str]) -> int:
    return min(MOST_NAME, max([cells(visible(name)) for name in names], default=0))
