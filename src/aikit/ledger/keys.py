"""Keys of the server: made, listed, rotated and revoked. A secret is shown once, when it is made, and kept nowhere.

What is kept is its BLAKE2b-256, keyed with the database's own secret. A slow hash, as for passwords, would gain
nothing: it slows down guessing, and 256 random bits can't be guessed at any speed. The key of the hash makes a copied
column worth nothing without the database's secret.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import audit
from aikit.ledger.key_checks import checked_name, checked_rate, checked_rights
from aikit.ledger.plans import check_tenant
from aikit.ledger.reading import Readable, aware, check_tags, database_time, reading
from aikit.ledger.tables import api_keys, state
from aikit.types import Environment

OVERLAP = timedelta(hours=24)
"""How long a rotated key goes on to work, as a rule."""
SECRET = re.compile(r"aik_(?:live|test)_[A-Za-z0-9_-]{43}")
"""The shape of a secret: what does not look like this is no key, and nobody need be asked."""
SECRET_BYTES = 32


class KeyState(StrEnum):
    """Where a key stands."""

    ACTIVE = "active"
    ROTATED = "rotated"
    """Another one was made for it; it works until its time is over."""
    EXPIRED = "expired"
    """Its time is over."""
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key. `tenant` None: an operator's, for all tenants. `per_minute` and `expires_at` None: without bounds.

    `replaces` is the id of the key that this one was made for; `until` is when it ends because it was replaced itself.
    """

    id: str
    name: str | None
    last4: str
    tenant: str | None
    environment: str
    user: str | None
    feature: str | None
    rights: tuple[str, ...]
    per_minute: int | None
    expires_at: datetime | None
    created_at: datetime
    created_by: str
    revoked_at: datetime | None
    revoked_by: str | None
    revoked_why: str | None
    replaces: str | None
    until: datetime | None
    state: KeyState

    @property
    def works(self) -> bool:
        return self.state in (KeyState.ACTIVE, KeyState.ROTATED)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was made now. Its secret is told this once."""

    row: KeyRow
    secret: str

    def __repr__(self) -> str:
        return f"NewKey(row={self.row!r}, secret=…)"


def hash_of(secret: str, salt: bytes) -> bytes:
    """What is kept of a key's secret; `salt` is the secret of the database."""
    return hashlib.blake2b(secret.encode(), digest_size=32, key=salt[:64], person=b"aikit api key").digest()


def create_key(
    database: Database,
    *,
    tenant: str | None,
    environment: str,
    rights: Iterable[str],
    user: str | None = None,
    feature: str | None = None,
    name: str | None = None,
    per_minute: int | None = None,
    expires_at: datetime | None = None,
    who: str | None = None,
    why: str | None = None,
) -> NewKey:
    """Make a key of a tenant, or of an operator (`tenant` None), who manages and sees all tenants and calls no models.

    Raises ConfigError for an unknown tenant, tags, rights or bounds that can't be used, and a time that is over.
    """
    check_tags(tenant=tenant, environment=environment, user=user, feature=feature)
    values = {
        "name": checked_name(name),
        "tenant": tenant,
        "environment": environment,
        "user_id": user,
        "feature": feature,
        "rights": checked_rights(rights, tenant, user or feature),
        "per_minute": checked_rate(per_minute),
        "expires_at": expires_at and aware("expires_at", expires_at),
    }
    with database.engine().begin() as connection:
        if tenant is not None:
            check_tenant(connection, tenant)
        if expires_at is not None and expires_at <= database_time(connection):
            raise ConfigError(f"{expires_at.isoformat()} is over.", remedy="Let it expire later.")
        made = _make(connection, values, who)
        _record(connection, "key.create", made.row, who, why)
        return made


def list_keys(
    database: Readable, *, tenant: str | None = None, environment: str | None = None, all: bool = False
) -> list[KeyRow]:
    """The keys that work, the newest first; with `all`, those that do no more, too. Of one tenant, or of everybody."""
    check_tags(tenant=tenant, environment=environment)
    query = sa.select(*_columns()).order_by(api_keys.c.created_at.desc(), api_keys.c.id)
    if tenant is not None:
        query = query.where(api_keys.c.tenant == tenant)
    if environment is not None:
        query = query.where(api_keys.c.environment == environment)
    with reading(database) as connection:
        rows = [_row(found) for found in connection.execute(query)]
    return [row for row in rows if all or row.works]


def get_key(database: Readable, id: str, *, tenant: str | None = None) -> KeyRow:
    """One key by its id; with a `tenant`, only one of its. Raises ConfigError (KEY_UNKNOWN) if there is none."""
    with reading(database) as connection:
        return _found(connection, id, tenant)


def rotate_key(
    database: Database,
    id: str,
    *,
    overlap: timedelta = OVERLAP,
    tenant: str | None = None,
    who: str | None = None,
    why: str | None = None,
) -> NewKey:
    """Make a key that may do the same. The old one works on for the overlap; without any it ends now.

    With a `tenant`, only a key of its. Raises ConfigError for an id that is unknown, a key that works no more or was
    rotated before, and an overlap below zero.
    """
    if not timedelta(0) <= overlap <= timedelta(days=365):
        raise ConfigError("An overlap is between nothing and 365 days.", remedy="Give another overlap.")
    with database.engine().begin() as connection:
        old = _found(connection, id, tenant, lock=True)
        if old.state is not KeyState.ACTIVE:
            raise ConfigError(
                f"The key {id} is {old.state}, and can't be rotated.",
                code="KEY_NOT_ACTIVE",
                remedy="Rotate the key that was made for it, or create one: aikit key create.",
            )
        copied = ("name", "tenant", "environment", "feature", "per_minute", "expires_at")
        values = {name: getattr(old, name) for name in copied}
        values |= {"user_id": old.user, "rights": list(old.rights), "replaces": old.id}
        new = _make(connection, values, who)
        until = sa.update(api_keys).where(api_keys.c.id == id).values(until=sa.func.now() + overlap)
        connection.execute(until)
        _record(connection, "key.rotate", _found(connection, id, None), who, why, before=old, by=new.row.id)
        return new


def revoke_key(
    database: Database, id: str, *, tenant: str | None = None, who: str | None = None, why: str | None = None
) -> bool:
    """End a key: the next request with it is refused, everywhere. False: it had been revoked before.

    With a `tenant`, only a key of its. Raises ConfigError for an unknown id.
    """
    with database.engine().begin() as connection:
        before = _found(connection, id, tenant, lock=True)
        if before.state is KeyState.REVOKED:
            return False
        ended = {"revoked_at": sa.func.now(), "revoked_by": who or audit.actor(), "revoked_why": why}
        connection.execute(sa.update(api_keys).where(api_keys.c.id == id).values(**ended))
        _record(connection, "key.revoke", _found(connection, id, None), who, why, before=before)
        return True


def _make(connection: sa.Connection, values: dict[str, Any], who: str | None) -> NewKey:
    kind = "live" if values["environment"] == Environment.PROD else "test"
    secret = f"aik_{kind}_{secrets.token_urlsafe(SECRET_BYTES)}"
    id = "key_" + base64.b32encode(secrets.token_bytes(10)).decode().lower()
    salt = connection.execute(sa.select(state.c.secret)).scalar_one()
    own = {"id": id, "hash": hash_of(secret, salt), "last4": secret[-4:], "created_by": who or audit.actor()}
    connection.execute(sa.insert(api_keys).values(**values, **own, created_at=sa.func.now()))
    return NewKey(_found(connection, id, None), secret)


def _found(connection: sa.Connection, id: str, tenant: str | None, *, lock: bool = False) -> KeyRow:
    query = sa.select(*_columns()).where(api_keys.c.id == id)
    if tenant is not None:
        query = query.where(api_keys.c.tenant == tenant)
    found = connection.execute(query.with_for_update() if lock else query).first() if "\0" not in id else None
    if found is None:
        raise ConfigError(
            f"There is no key with the id {id[:80]!r}.", code="KEY_UNKNOWN", remedy="See them: aikit key list --all."
        )
    return _row(found)


def _columns() -> list[sa.ColumnElement[Any]]:
    kept: dict[str, sa.ColumnElement[Any]] = {c.name: c for c in api_keys.c if c is not api_keys.c.hash}
    kept["user"] = kept.pop("user_id").label("user")
    now = sa.func.now()
    kept["state"] = sa.case(
        (api_keys.c.revoked_at.is_not(None), KeyState.REVOKED.value),
        (sa.func.least(api_keys.c.expires_at, api_keys.c.until) <= now, KeyState.EXPIRED.value),
        (api_keys.c.until.is_not(None), KeyState.ROTATED.value),
        else_=KeyState.ACTIVE.value,
    ).label("state")
    return [kept[field.name] for field in fields(KeyRow)]


def _row(found: sa.Row[Any]) -> KeyRow:
    values = found._asdict()
    return KeyRow(**values | {"rights": tuple(values["rights"]), "state": KeyState(values["state"])})


def _record(
    connection: sa.Connection,
    action: str,
    row: KeyRow,
    who: str | None,
    why: str | None,
    *,
    before: KeyRow | None = None,
    by: str | None = None,
) -> None:
    audit.record(
        connection,
        who=who,
        action=action,
        subject=row.id,
        tenant=row.tenant,
        before=before and _told(before),
        after=_told(row) | ({"replaced_by": by} if by else {}),
        why=why,
    )


def _told(row: KeyRow) -> dict[str, Any]:
    """What the audit keeps: all that a key is, but no part of its secret."""
    untold = {"id", "last4", "created_at", "created_by", "revoked_by", "revoked_why", "state"}
    told = {field.name: getattr(row, field.name) for field in fields(row) if field.name not in untold}
    return {
        name: value.isoformat() if isinstance(value, datetime) else list(value) if name == "rights" else value
        for name, value in told.items()
        if value is not None
    }
