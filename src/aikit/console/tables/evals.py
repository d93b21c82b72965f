"""Stored runs of all suites, the newest first, and what their gates say."""

from __future__ import annotations

from aikit.console import words
from aikit.console.model import EvalRow, EvalsPage, Snapshot
from aikit.console.table import Cell, Column, Row, Table, Tone
from aikit.console.tables import cells, empty
from aikit.console.words import Style
from aikit.evals.model import Status

COLUMNS = (
    Column("Started", downwards=True),
    Column("Suite", from_width=80),
    Column("Subject"),
    Column("Gate"),
    Column("Scores"),
    Column("Cases", right=True, from_width=100, downwards=True),
    Column("Mode", from_width=110),
    Column("Cost", right=True, from_width=80, downwards=True),
    Column("Run", from_width=140),
)
GATES: dict[Status | None, tuple[str, str, str, Tone]] = {
    Status.FAIL: ("✗", "x", "FAIL", "bad"),
    Status.INCONCLUSIVE: ("?", "?", "inconclusive", "warn"),
    Status.WARN: ("!", "!", "warn", "warn"),
    Status.PASS: ("✓", "+", "pass", "good"),
    None: ("", "", "", "dim"),
}
"""In the order of sorting."""


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, EvalsPage)
    none_yet = "No runs yet. aikit eval makes one."
    if page.folder is None:
        none_yet = "There is no folder of evals here. aikit init makes one, or start aikit top where it is."
    return Table(
        columns=COLUMNS,
        rows=tuple([_row(row, snapshot, style) for row in page.rows]),
        empty=empty.words(snapshot, none_yet),
        note="" if page.folder is None else f"runs stored in {words.visible(page.folder)}",
    )


def _row(row: EvalRow, snapshot: Snapshot, style: Style) -> Row:
    return Row(
        key=row.id,
        cells=(
            cells.at(row.started_at, snapshot.at, style),
            cells.name(row.suite, style),
            cells.name(row.subject, style),
            _gate(row, style),
            _scores(row, style),
            cells.count(row.cases, style),
            cells.name(row.mode, style),
            cells.usd(row.spent, style),
            cells.name(row.id, style),
        ),
        copied=words.visible(row.id),
    )


def _gate(row: EvalRow, style: Style) -> Cell:
    """What it says, or why nobody can tell."""
    glyph, plain, word, tone = GATES[row.status]
    if row.status is None:
        return Cell(words.visible(row.why) if row.why else style.unknown, None, tone)
    return Cell(f"{style.of(glyph, plain)} {word}", list(GATES).index(row.status), tone)


def _scores(row: EvalRow, style: Style) -> Cell:
    """`faithfulness 0.71, length 0.99`; sorted by the first."""
    if not row.scores:
        return Cell(style.unknown, None, "dim")
    said = [f"{words.visible(name)} {_score(score, style)}" for name, score in row.scores]
    return Cell(", ".join(said), row.scores[0][1])


def _score(score: float | None, style: Style) -> str:
    """Two digits after the point, and never rounded up to a whole score that it is not."""
    if score is None:
        return style.unknown
    return "0.99" if 0.99 <= score < 1 else f"{score:.2f}"
