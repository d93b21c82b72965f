"""Breakers: what each does to calls, what was seen in the last minute, and what comes next."""

from __future__ import annotations

from aikit.breaker.model import State
from aikit.console import words
from aikit.console.breaker_words import breaker_word, reason_word
from aikit.console.model import BreakersPage, Snapshot
from aikit.console.table import Cell, Column, Row, Table
from aikit.console.tables import cells, empty
from aikit.console.tables.overview import SEVERITY
from aikit.console.words import Style
from aikit.ledger.breakers import BreakerRow

COLUMNS = (
    Column("Breaker"),
    Column("State"),
    Column("Calls", right=True, from_width=70, downwards=True),
    Column("Failed", right=True, downwards=True),
    Column("Err", right=True, from_width=80, downwards=True),
    Column("Run", right=True, from_width=120, downwards=True),
    Column("Next", from_width=100),
    Column("Why", from_width=80),
    Column("Who", from_width=120),
    Column("Since", from_width=140, downwards=True),
)


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, BreakersPage)
    return Table(
        columns=COLUMNS,
        rows=tuple([_row(row, snapshot, style) for row in page.rows]),
        empty=empty.words(snapshot, "All are closed: none has ever opened, and nothing was called in the last minute."),
        note="calls of the last minute",
    )


def _row(row: BreakerRow, snapshot: Snapshot, style: Style) -> Row:
    breaker, seen, by = row.breaker, row.seen, row.forced_by
    state, tone = breaker_word(row, style)
    why = reason_word(row, style)
    moved = breaker.since if breaker.reason is not None else None
    return Row(
        key=breaker.name,
        cells=(
            cells.text(words.visible(breaker.name)),
            Cell(state, SEVERITY.index(breaker.state), tone),
            cells.count(seen.calls, style),
            cells.count(seen.failed, style),
            cells.errors(seen.failed, seen.calls, style),
            cells.count(seen.run, style),
            _next(row, style),
            Cell(why, None if why == style.unknown else why.casefold(), "dim" if why == style.unknown else ""),
            cells.name(by.who if by else None, style),
            cells.at(moved, snapshot.at, style, exact=True),
        ),
        copied=words.visible(breaker.name),
    )


def _next(row: BreakerRow, style: Style) -> Cell:
    """What comes when its time is over."""
    time = None if row.left is None else words.lasting(row.left)
    match row.breaker.state:
        case State.OPEN | State.FORCED_OPEN if time is not None:
            said = f"probe in {time}"
        case State.FORCED_CLOSED if time is not None:
            said = f"its own rules in {time}"
        case State.FORCED_OPEN | State.FORCED_CLOSED:
            return Cell("until it is reset", None)
        case State.HALF_OPEN:
            well = row.breaker.successes
            return Cell(f"{well} went well" if well else "awaits a probe", None)
        case _:
            return Cell("", None)
    return Cell(said, row.left)
