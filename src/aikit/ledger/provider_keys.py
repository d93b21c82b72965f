"""A tenant's own keys to providers: calls made in its name with the server's keys are paid by the tenant itself.

They are stored encrypted; whoever has the database alone has nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import audit
from aikit.ledger.plans import check_tenant
from aikit.ledger.reading import Readable, check_tags, reading
from aikit.ledger.tables import provider_keys
from aikit.safe import VARIABLE, Safe

PROVIDER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
LONGEST = 4_096
SHOWN_FROM = 20
"""The last four characters are kept for lists if the key is at least this long: of a short one they would tell much."""


@dataclass(frozen=True, slots=True)
class ProviderKeyRow:
    """A key of a tenant to a provider, but for the key itself. `last4` is empty for a short one."""

    tenant: str
    environment: str
    provider: str
    last4: str
    created_at: datetime
    created_by: str


def set_provider_key(
    database: Database,
    safe: Safe | None,
    *,
    tenant: str,
    environment: str,
    provider: str,
    key: str,
    who: str | None = None,
    why: str | None = None,
) -> bool:
    """Store a key, encrypted, in place of the one that was there. Processes use it within two seconds.

    Whether there was one. Raises ConfigError without a key to encrypt with, for an unknown tenant, a name that is no
    provider's, or a text that can't be a key; the text is not in it.
    """
    _check(tenant, environment, provider)
    if not key.strip() or len(key) > LONGEST or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"This can't be a key to {provider}: it must be 1 to {LONGEST:,} printable ASCII characters, no spaces.",
            remedy="Copy it again from the provider's console.",
        )
    if safe is None:
        raise ConfigError(
            "There is no key to encrypt with, and keys to providers are not stored readably.",
            code="NO_ENCRYPTION_KEY",
            remedy=f"Set {VARIABLE} for this command and the server: openssl rand -base64 32 | tr '+/' '-_'.",
        )
    at = {"tenant": tenant, "environment": environment, "provider": provider}
    last4 = key[-4:] if len(key) >= SHOWN_FROM else ""
    values = {"sealed": safe.seal(key.encode()), "last4": last4, "created_by": who or audit.actor()}
    with database.engine().begin() as connection:
        check_tenant(connection, tenant)
        before = connection.execute(sa.select(provider_keys.c.last4).where(_is(at)).with_for_update()).first()
        row = insert(provider_keys).values(**at, **values, created_at=sa.func.now())
        connection.execute(
            row.on_conflict_do_update(index_elements=list(at), set_=values | {"created_at": sa.func.now()})
        )
        _record(connection, "provider_key.set", at, who, why, before=before is not None, after=True)
        return before is not None


def list_provider_keys(
    database: Readable, *, tenant: str | None = None, environment: str | None = None
) -> list[ProviderKeyRow]:
    """Which keys there are, by tenant, environment and provider."""
    check_tags(tenant=tenant, environment=environment)
    columns = [column for column in provider_keys.c if column is not provider_keys.c.sealed]
    query = sa.select(*columns).order_by(*columns[:3])
    if tenant is not None:
        query = query.where(provider_keys.c.tenant == tenant)
    if environment is not None:
        query = query.where(provider_keys.c.environment == environment)
    with reading(database) as connection:
        return [ProviderKeyRow(**row._asdict()) for row in connection.execute(query)]


def remove_provider_key(
    database: Database,
    *,
    tenant: str,
    environment: str,
    provider: str,
    who: str | None = None,
    why: str | None = None,
) -> bool:
    """Forget a key: within two seconds calls are made with the server's own again. False: there was none."""
    _check(tenant, environment, provider)
    at = {"tenant": tenant, "environment": environment, "provider": provider}
    with database.engine().begin() as connection:
        gone = connection.execute(sa.delete(provider_keys).where(_is(at)).returning(provider_keys.c.tenant)).first()
        if gone is not None:
            _record(connection, "provider_key.remove", at, who, why, before=True, after=False)
        return gone is not None


def _check(tenant: str, environment: str, provider: str) -> None:
    check_tags(tenant=tenant, environment=environment)
    if PROVIDER.fullmatch(provider) is None:
        raise ConfigError(
            f"{provider[:80]!r} is not the name of a provider.", remedy="Write it as in aikit.toml, such as openai."
        )


def _is(at: dict[str, str]) -> sa.ColumnElement[bool]:
    return sa.and_(*[provider_keys.c[name] == value for name, value in at.items()])


def _record(
    connection: sa.Connection,
    action: str,
    at: dict[str, Any],
    who: str | None,
    why: str | None,
    *,
    before: bool,
    after: bool,
) -> None:
    """That it was done is on the record, and no part of the key."""
    subject = f"{at['provider']}:{at['environment']}"
    told = {"provider": at["provider"], "environment": at["environment"]}
    audit.record(
        connection,
        who=who,
        action=action,
        subject=subject,
        tenant=at["tenant"],
        before=told if before else None,
        after=told if after else None,
        why=why,
    )
