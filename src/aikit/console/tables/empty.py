"""What a table says when there is nothing in it: that nothing fits the filter, or what there is not yet."""

from __future__ import annotations

from aikit.console.model import Snapshot
from aikit.console.words import visible


def words(snapshot: Snapshot, otherwise: str) -> str:
    wanted = snapshot.query.filter
    return f"Nothing fits /{visible(wanted.text)}. Esc drops the filter." if wanted else otherwise


def searched(number: int | None) -> str:
    """How much was looked through for what fits a filter."""
    return "" if number is None else f"searched {number:,}"
