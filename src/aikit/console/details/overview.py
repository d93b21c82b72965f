"""A row of the overview in full: the calls of one tenant and feature to one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aikit.console.model import OverviewRow

SEPARATOR = "\x1f"
"""Between the parts of a key; no tag can contain it."""


def overview_key(row: OverviewRow) -> str:
    """What tells a row from all others."""
    return SEPARATOR.join((row.tenant, row.feature, row.provider, row.model))
