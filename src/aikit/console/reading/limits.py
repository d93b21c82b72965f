"""The limits that are nearest to their caps."""

from __future__ import annotations

from aikit.console.filtering import Filter
from aikit.console.model import MOST_ROWS, LimitsPage
from aikit.console.reading.line import Tick
from aikit.ledger.limits import LimitRow, list_limits


def read_limits(tick: Tick, wanted: Filter) -> LimitsPage:
    """What the filter lets through."""
    rows = [row for row in list_limits(tick.connection, nearest=True) if wanted.fits(fields_of(row))]
    return LimitsPage(tuple(rows[:MOST_ROWS]), len(rows))


def fields_of(row: LimitRow) -> dict[str, str]:
    """A limit as the filter sees it."""
    found = {
        "tenant": row.tenant,
        "metric": row.metric.value,
        "window": row.window.value,
        "source": row.source,
        "subject": row.counts,
    }
    return {name: value for name, value in found.items() if value}
