"""Versions of prompts: which labels they have, what their eval gate said, and how they do in calls."""

from __future__ import annotations

from aikit.console import words
from aikit.console.model import PromptRow, PromptsPage, Snapshot
from aikit.console.table import Cell, Column, Row, Table, Tone
from aikit.console.tables import cells, empty
from aikit.console.words import Style

COLUMNS = (
    Column("Prompt"),
    Column("Labels"),
    Column("Published", from_width=80, downwards=True),
    Column("By", from_width=120),
    Column("Gate"),
    Column("Calls", right=True, from_width=80, downwards=True),
    Column("Err", right=True, from_width=100, downwards=True),
    Column("p50", right=True, from_width=110, downwards=True),
    Column("p95", right=True, from_width=100, downwards=True),
    Column("Cost", right=True, downwards=True),
)
GATES: dict[bool | None, tuple[str, str, str, Tone, int | None]] = {
    True: ("✓", "+", "passed", "good", 1),
    False: ("✗", "x", "FAILED", "bad", 0),
    None: ("", "", "", "dim", None),
}


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, PromptsPage)
    return Table(
        columns=COLUMNS,
        rows=tuple([_row(row, snapshot, style) for row in page.rows]),
        more=max(0, page.total - len(page.rows)),
        empty=empty.words(
            snapshot, "No prompts yet. aikit prompt new NAME makes one, aikit prompt publish NAME sends it."
        ),
        note=_note(page, snapshot, style),
    )


def _row(row: PromptRow, snapshot: Snapshot, style: Style) -> Row:
    return Row(
        key=row.id,
        cells=(
            Cell(words.visible(row.id), (row.name.casefold(), row.version)),
            cells.name(", ".join(row.labels), style, "strong"),
            cells.at(row.published_at, snapshot.at, style),
            cells.name(row.published_by, style),
            _gate(row.gate, style),
            cells.count(row.calls, style),
            cells.errors(row.failed, row.calls, style),
            cells.took(row.p50_ms, style),
            cells.took(row.p95_ms, style),
            cells.usd(row.nano, style),
        ),
        copied=words.visible(row.id),
    )


def _gate(gate: bool | None, style: Style) -> Cell:
    glyph, plain, word, tone, order = GATES[gate]
    return Cell(f"{style.of(glyph, plain)} {word}" if word else style.unknown, order, tone)


def _note(page: PromptsPage, snapshot: Snapshot, style: Style) -> str:
    """Since when calls are counted."""
    since = f"calls since {words.clock(page.since, snapshot.at, style)} UTC"
    return since if page.read >= 1 else f"{since}, of which {words.percent(page.read, style)} is read yet"
