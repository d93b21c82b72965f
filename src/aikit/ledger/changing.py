"""A change of policies, plans or tenants: between two batches of every meter, as a new version, on the record.

What is replaced stays, in force until the new version, so that each version can be read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger import audit
from aikit.ledger.locks import POSTING
from aikit.ledger.tables import counters, holds, state


@dataclass(slots=True)
class Change:
    """A change under way. `version` is the one it makes, if it `record`s anything."""

    connection: sa.Connection
    version: int
    who: str | None
    why: str | None
    changed: bool = False

    def record(self, action: str, subject: str, *, tenant: str | None = None, before: Any, after: Any) -> None:
        """Put what was done on the record; without this there is no new version."""
        self.changed = True
        audit.record(
            self.connection,
            who=self.who,
            action=action,
            subject=subject,
            tenant=tenant,
            before=before,
            after=after,
            why=self.why,
            policy_version=self.version,
        )

    def reopen_counters(self, tenants: Iterable[str | None]) -> None:
        """Forget the counters of these tenants, None for all: what is counted is no longer the same.

        They are opened anew, from the ledger. Holds get a new generation, so that their processes learn of it.
        """
        wanted = set(tenants)
        for table, values in ((counters, None), (holds, {"subjects": [], "generation": holds.c.generation + 1})):
            concerned = sa.true() if None in wanted else table.c.tenant.in_(wanted)
            if values is None:
                self.connection.execute(sa.delete(table).where(concerned))
            else:
                self.connection.execute(sa.update(table).where(concerned).values(**values))


@contextmanager
def changing(database: Database, who: str | None, why: str | None) -> Iterator[Change]:
    """A transaction during which no batch is posted, and after which every process reads the policies again."""
    with database.engine().begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*POSTING)))
        version = connection.execute(sa.select(state.c.policy_version)).scalar_one()
        change = Change(connection, version + 1, who, why)
        yield change
        if change.changed:
            connection.execute(sa.update(state).values(policy_version=change.version))
