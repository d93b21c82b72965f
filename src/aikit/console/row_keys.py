"""What tells the rows of a table apart, and what Enter looks up: more than the name, where several share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aikit.console.model import OverviewRow
    from aikit.ledger.limits import LimitRow

SEPARATOR = "\x1f"
"""Between the parts of a key; no tag and no name of a policy can contain it. A model, which comes last, may."""


def limit_key(row: LimitRow) -> str:
    """What tells a limit from all others, whatever its caps are and wherever it stands."""
    return SEPARATOR.join((row.tenant, row.source, row.metric, row.window, row.action, row.counts))


def overview_key(row: OverviewRow) -> str:
    """What tells a row from all others."""
    return SEPARATOR.join((row.tenant, row.feature, row.provider, row.model))
