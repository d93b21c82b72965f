"""A limit in full: what it counts, where it stands, which policy states it, and who changed that."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aikit.ledger.limits import LimitRow

SEPARATOR = "\x1f"
"""Between the parts of a key; no tag and no name of a policy can contain it."""


def limit_key(row: LimitRow) -> str:
    """What tells a limit from all others, whatever its caps are and wherever it stands."""
    return SEPARATOR.join((row.tenant, row.source, row.metric, row.window, row.action, row.counts))
