"""The rows of each tab: a snapshot in, a table out. Pure; each module is one tab."""

from __future__ import annotations

from aikit.console.model import Snapshot, Tab
from aikit.console.table import Table
from aikit.console.words import Style


def table_of(snapshot: Snapshot, style: Style) -> Table:
    """The table of the tab that was read."""
    match snapshot.query.tab:
        case Tab.OVERVIEW:
            from aikit.console.tables.overview import table
        case Tab.CALLS:
            from aikit.console.tables.calls import table
        case Tab.LIMITS:
            from aikit.console.tables.limits import table
        case Tab.BREAKERS:
            from aikit.console.tables.breakers import table
        case Tab.PROMPTS:
            from aikit.console.tables.prompts import table
        case Tab.EVALS:
            from aikit.console.tables.evals import table
        case Tab.AUDIT:
            from aikit.console.tables.audit import table
    return table(snapshot, style)
