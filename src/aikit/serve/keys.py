"""Keys are looked up anew for every request, many at once in one statement: a revoked key is refused by the next one.

Nothing is remembered beyond the statement under way but a tenant's key to a provider, for two seconds, and what a
process has taken of a key's minute.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from aikit.database.connect import Database
from aikit.errors import MeteringUnavailable, RateLimited, Unauthorized
from aikit.ledger.keys import SECRET, hash_of
from aikit.safe import VARIABLE, Safe
from aikit.serve.line import LedgerAway, Line, Row, array
from aikit.serve.model import Key, Right
from aikit.serve.permits import Allowed, Permits, Taken, Use
from aikit.serve.sharing import Sharing

log = logging.getLogger("aikit.serve")

SECONDS = 1.5
"""How long the ledger has to answer."""
REMEMBERED = 2.0
"""Seconds that a tenant's key to a provider is remembered."""
STATEMENTS = {
    "keys": """
        SELECT hash, id, tenant, environment, user_id, feature, array_to_string(rights, ' '), per_minute,
               extract(epoch FROM expires_at),
               CASE WHEN revoked_at IS NOT NULL THEN 'revoked'
                    WHEN least(expires_at, until) <= now() THEN 'expired' ELSE 'active' END,
               extract(epoch FROM now())
        FROM aikit.api_keys WHERE hash = ANY($1::bytea[])""",
    "take": """
        SELECT key, granted, extract(epoch FROM minute)::bigint, seconds_left
        FROM aikit.take_requests($1::text[], $2::integer[], $3::integer[])""",
    "provider": """
        SELECT w.place, p.sealed FROM unnest($1::text[], $2::text[], $3::text[])
            WITH ORDINALITY w (tenant, environment, provider, place)
        JOIN aikit.provider_keys p USING (tenant, environment, provider)""",
}


class Found(NamedTuple):
    """A key as the ledger has it: whether it works, and whether it was used too often this minute."""

    key: Key
    state: str
    retry_after: float | None = None


class LedgerKeyRing:
    """The keys of the ledger. Of one process and one event loop: it has a connection of its own."""

    def __init__(self, database: Database, salt: bytes, safe: Safe | None, *, seconds: float = SECONDS) -> None:
        """`salt` is the database's secret (`ledger.opening.prepare`); `safe` opens tenants' keys to providers.

        `seconds` is how long the ledger has to answer before a request is refused with 503.
        """
        self._salt = salt
        self._safe = safe
        self._line = Line(database, "keys", STATEMENTS, seconds)
        self._keys: Sharing[bytes, Found | None] = Sharing(self._look_up)
        self._sealed: Sharing[tuple[str, str, str], bytes | None] = Sharing(self._look_up_sealed)
        self._permits = Permits()
        self._remembered: dict[tuple[str, str, str], tuple[float, str | None]] = {}

    async def find(self, secret: str) -> Key:
        """The key, as it stands in the ledger at this moment.

        Raises Unauthorized (401) for one that is malformed (nobody is asked), unknown, expired or revoked, RateLimited
        (429) for one that was used too often this minute, MeteringUnavailable (503) if the ledger can't be asked.
        """
        if SECRET.fullmatch(secret) is None:
            raise _unauthorized()
        try:
            found = await self._keys.get(hash_of(secret, self._salt))
        except LedgerAway as error:
            raise error.for_caller() from error
        if found is None:
            log.info("a key that is not known was refused")
            raise _unauthorized()
        if found.state != "active":
            log.info("key %s was refused: it is %s", found.key.id, found.state)
            raise _unauthorized()
        if found.retry_after is not None:
            raise RateLimited(
                f"The key {found.key.id} may be used {found.key.per_minute:,} times a minute.",
                code="MINUTE_REQUEST_LIMIT_EXCEEDED",
                reason="key",
                facts={"key": found.key.id, "per_minute": found.key.per_minute},
                remedy="Try again in the next minute.",
                retry_after=found.retry_after,
            )
        return found.key

    async def provider_key(self, tenant: str, environment: str, provider: str) -> str | None:
        """The tenant's own key to a provider; None: it has none.

        Raises MeteringUnavailable, for one that can't be decrypted, too: another key must not pay for it unseen.
        """
        wanted = (tenant, environment, provider)
        now = time.monotonic()
        if (known := self._remembered.get(wanted)) and now < known[0]:
            return known[1]
        try:
            sealed = await self._sealed.get(wanted)
        except LedgerAway as error:
            raise error.for_caller() from error
        self._remembered = {of: kept for of, kept in self._remembered.items() if now < kept[0]}
        opened = None if sealed is None else self._unsealed(sealed, wanted)
        self._remembered[wanted] = (now + REMEMBERED, opened)
        return opened

    async def close(self) -> None:
        await self._keys.close()
        await self._sealed.close()
        await self._line.close()

    async def _look_up(self, hashes: Sequence[bytes]) -> list[Found | None]:
        wanted = Counter(hashes)
        rows = await self._line.ask("keys", [array(list(wanted))])
        standing = {bytes.fromhex(_text(row[0]).removeprefix("\\x")): _standing(row) for row in rows}
        uses = [
            Use(of.key.id, wanted[hash], of.key.per_minute, int(of.second // 60))
            for hash, of in standing.items()
            if of.key.per_minute is not None and of.state == "active"
        ]
        allowed = await self._allowed(uses, max((of.second for of in standing.values()), default=0.0) % 60)
        return [_next(standing.get(hash), allowed) for hash in hashes]

    async def _allowed(self, uses: Sequence[Use], second: float) -> dict[str, Allowed]:
        """How many requests of each key may go ahead."""
        taken = {}
        if lacking := self._permits.lacking(uses):
            keys, counts, most = zip(*[(use.key, use.wanted, use.most) for use in lacking], strict=True)
            for row in await self._line.ask("take", [array(keys), array(counts), array(most)]):
                key, granted, minute, left = map(_text, row)
                taken[key] = Taken(key, int(granted), int(minute) // 60, float(left))
        return self._permits.use(uses, taken, second)

    async def _look_up_sealed(self, wanted: Sequence[tuple[str, str, str]]) -> list[bytes | None]:
        rows = await self._line.ask("provider", [array(list(values)) for values in zip(*wanted, strict=True)])
        found = {int(_text(place)): bytes.fromhex(_text(sealed).removeprefix("\\x")) for place, sealed in rows}
        return [found.get(place) for place in range(1, len(wanted) + 1)]

    def _unsealed(self, sealed: bytes, of: tuple[str, str, str]) -> str:
        opened = None if self._safe is None else self._safe.open(sealed)
        if opened is None:
            tenant, environment, provider = of
            log.error("the key of %s (%s) to %s can't be decrypted", tenant, environment, provider)
            raise MeteringUnavailable(
                f"The key to {provider} that is stored for this tenant can't be decrypted, so nothing is sent.",
                code="PROVIDER_KEY_SEALED",
                retryable=False,
                facts={"tenant": tenant, "environment": environment, "provider": provider},
                remedy=f"Set {VARIABLE} to the key that it was stored with, or store it again: aikit key provider set.",
            )
        return opened.decode()


class Standing(NamedTuple):
    """A key, whether it works, and the ledger's clock when it said so, in epoch seconds."""

    key: Key
    state: str
    second: float


def _standing(row: Row) -> Standing:
    _, id, tenant, environment, user, feature, rights, per_minute, expires_at, state, second = row
    key = Key(
        id=_text(id),
        tenant=_maybe(tenant),
        environment=_text(environment),
        user=_maybe(user),
        feature=_maybe(feature),
        rights=frozenset([Right(right) for right in _text(rights).split()]),
        per_minute=int(per_minute) if per_minute else None,
        expires_at=datetime.fromtimestamp(float(expires_at), UTC) if expires_at else None,
    )
    return Standing(key, _text(state), float(_text(second)))


def _next(of: Standing | None, allowed: dict[str, Allowed]) -> Found | None:
    """What the next request with this key hears: as many go ahead as may."""
    if of is None:
        return None
    may = allowed.get(of.key.id)
    if may is None:
        return Found(of.key, of.state)
    allowed[of.key.id] = may._replace(requests=may.requests - 1)
    return Found(of.key, of.state, None if may.requests > 0 else may.retry_after)


def _unauthorized() -> Unauthorized:
    """The same for all, so that nobody learns which keys there are or were."""
    return Unauthorized(
        "This is no key that works.",
        remedy="Send one as `Authorization: Bearer aik_…`; `aikit key create` makes one.",
    )


def _text(value: bytes | None) -> str:
    assert value is not None
    return value.decode()


def _maybe(value: bytes | None) -> str | None:
    return None if value is None else value.decode()
