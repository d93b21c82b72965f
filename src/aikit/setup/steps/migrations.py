"""The schema of the ledger: as this version needs it."""

from __future__ import annotations

from aikit.database.connect import open_database
from aikit.errors import Exit
from aikit.ledger.opening import migrate
from aikit.ledger.version import HEAD
from aikit.setup.looking import Found, look
from aikit.setup.model import Check, Place, Progress, Row
from aikit.setup.steps.base import Looking, broken, missing, ok

UPGRADE = "aikit db upgrade"


class Migrations(Looking):
    """Whether the schema is there and up to date."""

    name = "migrations"
    title = "schema"
    needs = ("database",)

    def look(self, place: Place) -> Check:
        found = look(place)
        facts = {"current": found.schema, "head": HEAD}
        if not found.made:
            return missing("none yet", UPGRADE, Exit.DATABASE, **facts)
        if not found.running:
            return missing("not known while the server is stopped", UPGRADE, Exit.DATABASE, **facts)
        if found.current:
            return ok(f"schema {HEAD}", **facts)
        if found.schema is not None and found.schema > HEAD:
            return broken(
                f"{found.where} is at {found.schema}, ahead of this aikit, which knows {HEAD}.",
                "Upgrade aikit: pip install --upgrade aikit",
                Exit.DATABASE,
                **facts,
            )
        why = f"behind: {found.schema}, this aikit needs {HEAD}" if found.schema else "none yet"
        if not _may_migrate(found):
            assert found.rights is not None
            return broken(
                f"The schema is {why}, and the role {found.rights.role} may not change it.",
                f"As {found.rights.owner}: {UPGRADE}",
                Exit.DATABASE,
                **facts,
            )
        return missing(why, UPGRADE, Exit.DATABASE, **facts)

    def describe(self, place: Place) -> list[Row]:
        found = self.check(place)
        will = "" if found.ok else f"will upgrade it to {HEAD}" if found.facts.get("current") else f"will make {HEAD}"
        return [Row("schema", found.why, "", will)]

    def apply(self, place: Place, progress: Progress) -> None:
        """Raises DatabaseError."""
        progress(f"upgrading to {HEAD}")
        migrate(open_database(place.settings))


def _may_migrate(found: Found) -> bool:
    rights = found.rights
    return rights is None or (rights.create if rights.owner is None else rights.owns)
