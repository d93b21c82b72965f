"""Every limit in force, those that are nearest to their cap first."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from aikit.console import words
from aikit.console.model import LimitsPage, Snapshot
from aikit.console.row_keys import limit_key
from aikit.console.table import Cell, Column, Row, Table
from aikit.console.tables import cells, empty
from aikit.console.words import Style
from aikit.ledger.limits import LimitRow
from aikit.types import Action, Metric, Window

COLUMNS = (
    Column("Who"),
    Column("Limit"),
    Column("Of cap", fixed=cells.SHARE, downwards=True),
    Column("Used", right=True, from_width=70, downwards=True),
    Column("Held", right=True, from_width=110, downwards=True),
    Column("Cap", right=True, downwards=True),
    Column("Soft cap", right=True, from_width=120, downwards=True),
    Column("At cap", from_width=140),
    Column("Resets in", right=True, from_width=80),
    Column("Set by", from_width=100),
)
METRICS, WINDOWS = list(Metric), list(Window)


def table(snapshot: Snapshot, style: Style) -> Table:
    page = snapshot.page
    assert isinstance(page, LimitsPage)
    none_yet = "There is no limit yet. Set one: aikit limit set --tenant NAME --window day --usd 25"
    return Table(
        columns=COLUMNS,
        rows=tuple([_row(row, snapshot.at, style) for row in page.rows]),
        more=max(0, page.total - len(page.rows)),
        empty=empty.words(snapshot, none_yet),
    )


def _row(row: LimitRow, now: datetime, style: Style) -> Row:
    soft = Fraction(row.soft_cap, row.cap) if row.soft_cap is not None and row.cap else None
    single = row.window is Window.CALL
    counts = "each call" if single and not row.counts else row.counts
    used, held = (None, None) if single else (row.used, row.held)
    return Row(
        key=limit_key(row),
        cells=(
            cells.text(words.who(row.tenant, counts, style)),
            _name(row),
            cells.of_cap(row.share, soft, style),
            _amount(used, row, style),
            _amount(held, row, style),
            _amount(row.cap, row, style),
            _amount(row.soft_cap, row, style),
            cells.text("refuses" if row.action is Action.BLOCK else "warns"),
            _resets(row, now, style),
            cells.text(words.visible(row.source)),
        ),
        copied=words.visible(row.tenant),
    )


def _name(row: LimitRow) -> Cell:
    """`credits/day`, `requests/minute (warn)`, `concurrency`; sorted by metric, then by window."""
    name = str(row.metric) if row.metric is Metric.CONCURRENCY else f"{row.metric}/{row.window}"
    warns = " (warn)" if row.action is Action.WARN else ""
    return Cell(f"{name}{warns}", (METRICS.index(row.metric), WINDOWS.index(row.window), warns))


def _amount(value: int | None, row: LimitRow, style: Style) -> Cell:
    """Of one metric they are sorted together."""
    key = None if value is None else (METRICS.index(row.metric), value)
    return Cell(words.amount(value, row.metric, style), key, "dim" if value is None else "")


def _resets(row: LimitRow, now: datetime, style: Style) -> Cell:
    if row.resets_at is None:
        return Cell("never" if row.window is Window.TOTAL and row.metric is not Metric.CONCURRENCY else "", None, "dim")
    return Cell(words.lasting(row.resets_at - now), row.resets_at)
