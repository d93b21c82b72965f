"""The rows of each tab: a snapshot in, a table out. Pure; each module is one tab."""

from __future__ import annotations

from aikit.console.model import Snapshot, Tab
from aikit.console.table import Table
from aikit.console.words import Style


def table_of(snapshot: Snapshot, style: Style) -> Table:
    """The table of the tab that was read."""
    from aikit.console.tables import audit, breakers, calls, evals, limits, overview, prompts

    makers = {
        Tab.OVERVIEW: overview.table,
        Tab.CALLS: calls.table,
        Tab.LIMITS: limits.table,
        Tab.BREAKERS: breakers.table,
        Tab.PROMPTS: prompts.table,
        Tab.EVALS: evals.table,
        Tab.AUDIT: audit.table,
    }
    return makers[snapshot.query.tab](snapshot, style)
