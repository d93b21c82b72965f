"""The newest changes: who did what to what, from what to what."""

from __future__ import annotations

from aikit.console import words
from aikit.console.details.changes import short
from aikit.console.model import AuditPage, Snapshot
from aikit.console.table import Cell, Column, Row, Table
from aikit.console.tables import cells, empty
from aikit.console.words import Style
from aikit.ledger.audit import AuditRow

COLUMNS = (
    Column("Time", downwards=True),
    Column("Who", from_width=80),
    Column("Action"),
    Column("Subject"),
    Column("Change", from_width=100),
    Column("Why", from_width=120),
    Column("Seq", right=True, from_width=140, downwards=True),
)


NO_CREDITS = 1 << 62
"""So many nano-USD a credit, that no amount comes to whole ones: dollars are told, and not once more in credits."""


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, AuditPage)
    return Table(
        columns=COLUMNS,
        rows=tuple([_row(row, snapshot, style) for row in page.rows]),
        empty=empty.words(snapshot, "Nothing has been changed yet."),
        note=empty.searched(page.searched),
    )


def _row(row: AuditRow, snapshot: Snapshot, style: Style) -> Row:
    return Row(
        key=str(row.seq),
        cells=(
            cells.at(row.at, snapshot.at, style, exact=True),
            cells.name(row.who, style),
            cells.name(row.action, style),
            cells.name(row.subject, style),
            _change(row, style),
            cells.name(row.why, style),
            Cell(str(row.seq), row.seq, "dim"),
        ),
        copied=str(row.seq),
    )


def _change(row: AuditRow, style: Style) -> Cell:
    said = words.visible(short(row, NO_CREDITS)).replace("→", style.arrow)
    return cells.name(said, style)
