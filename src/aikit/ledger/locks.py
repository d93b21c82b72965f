"""The advisory locks of a database: one number for each kind of work that is done by one at a time.

The SQL files name some of them by their numbers: a number, once given, is never given to another kind.
"""

from __future__ import annotations

from uuid import UUID

FAMILY = 7206071
MIGRATING = 7206072
"""One migration at a time. It is a key of one number, so it is not of the family."""

POSTING = (FAMILY, 1)
"""Every batch of every meter shares it; who holds it alone changes policies between batches."""
AUDITING = (FAMILY, 2)
"""One row at a time is added to the audit's chain."""
PROMPTS = (FAMILY, 3)
"""Prompts are published and their labels moved, one change at a time."""
OPENING_MONTHS = (FAMILY, 4)
"""`aikit.open_month` makes what is missing."""
PRUNING = (FAMILY, 5)
FIRST_START = (FAMILY, 6)
"""Of servers that start at once, one makes the first key."""
EXPIRING = (FAMILY, 7)
"""One process at a time presumes spent what holds have stood for too long."""

REPORTING = 7206073


def reporting(attempt: UUID) -> tuple[int, int]:
    """One process at a time posts what is reported of this attempt."""
    return REPORTING, int.from_bytes(attempt.bytes[-4:], signed=True)
