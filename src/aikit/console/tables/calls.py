"""The newest attempts: settled, refused or still running."""

from __future__ import annotations

from aikit.console import words
from aikit.console.model import CallsPage, Snapshot
from aikit.console.table import Cell, Column, Row, Table, Tone
from aikit.console.tables import cells, empty
from aikit.console.words import Style
from aikit.ledger.calls import CallRow, State

COLUMNS = (
    Column("Time", downwards=True),
    Column("Id", from_width=150, fixed=8),
    Column("Who"),
    Column("Model", from_width=80),
    Column("State"),
    Column("Why", from_width=100),
    Column("Tokens", right=True, from_width=130, downwards=True),
    Column("Cost", right=True, downwards=True),
    Column("Took", right=True, from_width=115, downwards=True),
    Column("Prompt", from_width=140),
)
SHORT = 8
"""Digits at the end of an id, which are random."""
STATES: dict[State, tuple[str, str, str, Tone]] = {
    State.REFUSED: ("✗", "x", "refused", "bad"),
    State.RUNNING: ("▸", ">", "running", "good"),
    State.PRESUMED_SPENT: ("?", "?", "presumed spent", "warn"),
    State.VOIDED: ("○", "o", "voided", "dim"),
    State.SETTLED: ("✓", "+", "settled", ""),
}
"""In the order of sorting: what needs a look first."""
ALLOWED = "ALLOWED"
"""The reason code of nothing special."""


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, CallsPage)
    return Table(
        columns=COLUMNS,
        rows=tuple([_row(row, snapshot, style) for row in page.rows]),
        empty=empty.words(snapshot, "No calls yet. aikit demo makes some."),
        note=empty.searched(page.searched),
    )


def _row(row: CallRow, snapshot: Snapshot, style: Style) -> Row:
    return Row(
        key=str(row.attempt),
        cells=(
            cells.at(row.at, snapshot.at, style, exact=True),
            cells.text(row.attempt.hex[-SHORT:]),
            cells.text(words.who(row.tenant, row.feature, style)),
            cells.text(words.visible(f"{row.provider}/{row.model}")),
            _state(row, style),
            _why(row, style),
            cells.count(row.tokens, style),
            cells.usd(row.nano, style),
            cells.took(row.duration_ms, style),
            cells.name(row.prompt, style),
        ),
        copied=str(row.attempt),
    )


def _state(row: CallRow, style: Style) -> Cell:
    glyph, plain, word, tone = STATES[row.state]
    return Cell(f"{style.of(glyph, plain)} {word}", list(STATES).index(row.state), tone)


def _why(row: CallRow, style: Style) -> Cell:
    """`DAILY_BUDGET_EXCEEDED`, `OVERLOADED, estimated`, `would be MINUTE_REQUEST_LIMIT_EXCEEDED`."""
    found = [
        row.reason_code if row.reason_code != ALLOWED else None,
        row.error,
        "estimated" if row.estimated else None,
        f"would be {row.would_refuse}" if row.would_refuse else None,
        "corrected" if row.corrected else None,
        f"{row.findings} found" if row.findings else None,
    ]
    said = [words.visible(each) for each in found if each]
    if not said:
        return Cell("", None)
    return cells.text(", ".join(said), "warn" if row.state is not State.REFUSED else "bad")
