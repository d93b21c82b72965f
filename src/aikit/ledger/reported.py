"""Which attempt stands for usage that is reported by a key of the caller's own: always the same one, for a day."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from aikit.ledger.tables import idempotency_keys

KEPT = sa.text("interval '24 hours'")


class Claimed(NamedTuple):
    """The attempt that a key stands for, and the SHA-256 of the report that it was first given with."""

    attempt: UUID
    request_hash: bytes


def claim(connection: sa.Connection, tenant: str, key: str, attempt: UUID, request_hash: bytes) -> Claimed:
    """Let a key stand for an attempt, unless it stands for one already; in a transaction of the caller's.

    Whoever finds it taken and nothing in the ledger posts under the attempt that it stands for: the one who took it may
    have died in between, and an attempt is posted once.
    """
    own = idempotency_keys.c
    fresh = insert(idempotency_keys).values(
        tenant=tenant, key=key, attempt=attempt, request_hash=request_hash, expires_at=sa.func.now() + KEPT
    )
    renewed = {name: fresh.excluded[name] for name in ("attempt", "request_hash", "expires_at")}
    cleared = {"status": None, "media_type": None, "body": None}
    taking = fresh.on_conflict_do_update(
        index_elements=["tenant", "key"], set_=renewed | cleared, where=own.expires_at <= sa.func.now()
    ).returning(own.attempt, own.request_hash)
    standing = sa.select(own.attempt, own.request_hash).where(own.tenant == tenant, own.key == key)
    row = connection.execute(taking).one_or_none() or connection.execute(standing).one()
    return Claimed(row.attempt, bytes(row.request_hash))
