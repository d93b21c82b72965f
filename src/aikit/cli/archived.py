"""Says of what is not in the ledger any more which file holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from aikit.cli.output import note, when

if TYPE_CHECKING:
    from datetime import datetime

    from aikit.database.connect import Database


def note_archives(database: Database, id: UUID) -> bool:
    """Tell on stderr which files may hold an attempt or a call; whether there are any."""
    from aikit.ledger.archived import archives_of

    found = archives_of(database, id)
    if found:
        note(f"{id} is of a time that was pruned from the ledger. If it was there, it is in")
        for archive in found:
            note(f"  {archive.file} ({archive.rows:,} {archive.relation}, pruned {when(archive.at)} UTC)")
    return bool(found)


def note_pruned(database: Database, since: datetime | None) -> None:
    """Tell on stderr that a list that begins at `since` lacks what was pruned, if it does."""
    from aikit.ledger.archived import pruned_until

    if since is not None and (until := pruned_until(database)) is not None and since < until:
        note(f"What was made before {until:%Y-%m-%d} was pruned from the ledger and is in files: `aikit audit list`.")
