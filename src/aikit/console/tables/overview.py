"""Who calls which model, what it costs, and how much of the cap is gone: the dearest first."""

from __future__ import annotations

from aikit.breaker.model import State
from aikit.console import words
from aikit.console.breaker_words import breaker_word, state_word
from aikit.console.model import Overview, OverviewRow, Snapshot
from aikit.console.row_keys import overview_key
from aikit.console.table import Cell, Column, Row, Table
from aikit.console.tables import cells, empty
from aikit.console.words import Style
from aikit.ledger.breakers import BreakerRow

COLUMNS = (
    Column("Who"),
    Column("Model"),
    Column("Calls", right=True, from_width=80, downwards=True),
    Column("Refused", right=True, from_width=110, downwards=True),
    Column("Err", right=True, from_width=90, downwards=True),
    Column("In", right=True, from_width=100, downwards=True),
    Column("Cache", right=True, from_width=150, downwards=True),
    Column("Out", right=True, from_width=100, downwards=True),
    Column("p50/p95", right=True, from_width=130, downwards=True),
    Column("Cost", right=True, downwards=True),
    Column("Of cap", fixed=cells.SHARE, downwards=True),
    Column("Breaker", from_width=70),
)
SEVERITY = (State.FORCED_OPEN, State.OPEN, State.HALF_OPEN, State.FORCED_CLOSED, State.CLOSED)
"""Sorted by it, what needs a look comes first."""


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, Overview)
    known = {row.breaker.key: row for row in page.breakers}
    rows = tuple([_row(row, known.get((row.provider, row.model)), style) for row in page.rows])
    return Table(
        columns=COLUMNS,
        rows=rows,
        more=max(0, page.total - len(rows)),
        empty=empty.words(snapshot, f"No calls since {_since(snapshot, page, style)}. aikit demo makes some."),
        note=_note(snapshot, page, style),
    )


def _row(row: OverviewRow, breaker: BreakerRow | None, style: Style) -> Row:
    model = f"{row.provider}/{row.model}"
    return Row(
        key=overview_key(row),
        cells=(
            cells.text(words.who(row.tenant, row.feature, style)),
            cells.text(words.visible(model)),
            cells.count(row.calls, style),
            cells.count(row.refused, style)._replace(tone="warn" if row.refused else "dim"),
            cells.errors(row.failed, row.calls, style),
            cells.count(row.input, style),
            cells.count(row.cached, style),
            cells.count(row.output, style),
            _latency(row, style),
            cells.usd(row.nano, style),
            cells.of_cap(row.share, row.soft_share, style),
            _breaker(row, breaker, style),
        ),
        copied=words.visible(_as_filter(row)),
    )


def _latency(row: OverviewRow, style: Style) -> Cell:
    if row.p50_ms is None and row.p95_ms is None:
        return Cell(style.unknown, None, "dim")
    return Cell(f"{words.took(row.p50_ms, style)}/{words.took(row.p95_ms, style)}", row.p95_ms)


def _breaker(row: OverviewRow, breaker: BreakerRow | None, style: Style) -> Cell:
    """With how long it stays so, if that breaker was read as well and stands as the row says."""
    if breaker is not None and breaker.breaker.state is row.breaker:
        shown, tone = breaker_word(breaker, style)
    else:
        shown, tone = state_word(row.breaker, style)
    return Cell(shown, SEVERITY.index(row.breaker), tone)


def _as_filter(row: OverviewRow) -> str:
    """What shows just these calls on every tab."""
    from shlex import quote

    parts = [("tenant", row.tenant), ("feature", row.feature), ("model", row.model)]
    return " ".join([quote(f"{name}:{value}") for name, value in parts if value])


def _since(snapshot: Snapshot, page: Overview, style: Style) -> str:
    return f"{words.clock(page.since, snapshot.at, style)} UTC"


def _note(snapshot: Snapshot, page: Overview, style: Style) -> str:
    since = f"since {_since(snapshot, page, style)}"
    return since if page.read >= 1 else f"{since}, of which {words.percent(page.read, style)} is read yet"
