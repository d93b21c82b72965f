"""/v1/keys: the keys of the server. A secret is told once, in the answer that makes it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import Field

from aikit.errors import ConfigError
from aikit.ledger.key_checks import MOST_PER_MINUTE
from aikit.ledger.keys import (
    OVERLAP,
    KeyRow,
    NewKey,
    create_key,
    get_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from aikit.serve.answers import Answer
from aikit.serve.control.fields import Environment, Moment, Name, Time, Word
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.listing import Listed
from aikit.serve.control.whose import Place, for_another, own
from aikit.serve.endpoints import Asking, Body, Endpoint, Query, Said, not_found
from aikit.serve.model import Key, Right
from aikit.types import TAG_LENGTH

RightName = Literal["complete", "evaluate", "usage:read", "admin"]
ID: dict[str, Any] = {"id": {"type": "string"}}
assert set(RightName.__args__) == {str(right) for right in Right}  # type: ignore[attr-defined]


class NewKeyAsked(Body):
    """A key. A tenant's admin key makes keys of its tenant and environment, and for whom it is for itself."""

    rights: list[RightName] = Field(min_length=1)
    tenant: Name | None = Field(None, description="Only for an operator's key; null makes another operator's.")
    environment: Environment | None = Field(None, description="Only for an operator's key; default: its own.")
    user: Name | None = None
    feature: Name | None = None
    name: Word | None = None
    per_minute: Annotated[int, Field(ge=1, le=MOST_PER_MINUTE)] | None = None
    expires_at: Moment | None = None
    why: Word | None = None


class Rotated(Body):
    """For how long the old key works on."""

    overlap_seconds: int = Field(int(OVERLAP.total_seconds()), ge=0, le=365 * 86_400)
    why: Word | None = None


class Which(Query):
    """Whose keys."""

    tenant: Annotated[str, Field(min_length=1, max_length=TAG_LENGTH)] | None = Field(
        None, description="Only for an operator's key."
    )
    all: bool = Field(False, description="Those that work no more, too.")


class Why(Query):
    """Kept in the audit."""

    why: Word | None = None


class KeySaid(Said):
    """A key, without its secret."""

    id: str
    name: str | None
    last4: str
    tenant: str | None
    environment: str
    user: str | None
    feature: str | None
    rights: list[str]
    per_minute: int | None
    state: str
    expires_at: Time | None
    created_at: Time
    created_by: str
    revoked_at: Time | None
    revoked_by: str | None
    revoked_why: str | None
    replaces: str | None
    until: Time | None


class MadeSaid(KeySaid):
    """A key that was made now. Its secret is told this once."""

    secret: str


class RevokedSaid(Said):
    """`revoked` false: it had been before."""

    id: str
    revoked: bool


LIST, MADE, REVOKED = (
    Listed("key.list", KeySaid),
    Listed("key.create", MadeSaid, one=True),
    Listed("key.revoke", RevokedSaid, one=True),
)


class Keys:
    """Manages keys, in the name of a key."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        admin, tag = Right.ADMIN, "Admin"
        return (
            Endpoint("GET", "/v1/keys", admin, "The keys", self.list, answer=LIST, query=Which, tag=tag),
            Endpoint("POST", "/v1/keys", admin, "Make a key; its secret is told this once", self.create, answer=MADE,
                     body=NewKeyAsked, status=201, errors=(404,), tag=tag,
                     example={"rights": ["complete"], "user": "u-17", "per_minute": 600}),
            Endpoint("POST", "/v1/keys/{id}/rotate", admin, "Make a key in place of another", self.rotate, answer=MADE,
                     body=Rotated, body_needed=False, status=201, errors=(404, 409), tag=tag, params=ID,
                     example={"overlap_seconds": 3600}),
            Endpoint("DELETE", "/v1/keys/{id}", admin, "End a key: the next request with it is refused", self.revoke,
                     answer=REVOKED, query=Why, errors=(404,), tag=tag, params=ID),
        )  # fmt: skip

    async def list(self, asking: Asking) -> Answer:
        key, asked = _key(asking), asking.query
        if key.tenant is None:
            rows = await self._ledger.do(lambda: list_keys(self._ledger.database, tenant=asked.tenant, all=asked.all))
        else:
            tenant = own("tenant", key.tenant, asked.tenant)
            place = Place(str(tenant), key.environment)
            rows = await self._ledger.look(
                place, lambda c: list_keys(c, tenant=tenant, environment=key.environment, all=asked.all)
            )
        shown = [row for row in rows if _manages(key, row)]
        return LIST.answer([_data(row) for row in shown], {"keys": len(shown)})

    async def create(self, asking: Asking) -> Answer:
        key, asked = _key(asking), asking.body
        if key.tenant is not None:
            for name, mine, wanted in (("tenant", key.tenant, asked.tenant),
                                       ("environment", key.environment, asked.environment)):  # fmt: skip
                if wanted not in (None, mine):
                    raise for_another(name)
        made = await self._ledger.do(
            lambda: create_key(
                self._ledger.database,
                tenant=asked.tenant if key.tenant is None else key.tenant,
                environment=asked.environment or key.environment,
                rights=asked.rights,
                user=own("user", key.user, asked.user),
                feature=own("feature", key.feature, asked.feature),
                name=asked.name,
                per_minute=asked.per_minute,
                expires_at=asked.expires_at,
                who=key.id,
                why=asked.why,
            )
        )
        return _made(made)

    async def rotate(self, asking: Asking) -> Answer:
        key, asked = _key(asking), asking.body
        id = await self._managed(asking)
        overlap = timedelta(seconds=asked.overlap_seconds)
        made = await self._ledger.do(
            lambda: rotate_key(self._ledger.database, id, overlap=overlap, tenant=key.tenant, who=key.id, why=asked.why)
        )
        return _made(made)

    async def revoke(self, asking: Asking) -> Answer:
        key, why = _key(asking), asking.query.why
        id = await self._managed(asking)
        revoked = await self._ledger.do(
            lambda: revoke_key(self._ledger.database, id, tenant=key.tenant, who=key.id, why=why)
        )
        return REVOKED.answer({"id": id, "revoked": revoked})

    async def _managed(self, asking: Asking) -> str:
        """The id in the path, of a key that this key manages. Raises RequestInvalid (404) for any other."""
        key, id = _key(asking), asking.params["id"]
        if not id.isprintable():
            raise not_found("key", id)
        try:
            if key.tenant is None:
                row = await self._ledger.do(lambda: get_key(self._ledger.database, id))
            else:
                tenant = key.tenant
                row = await self._ledger.look(Place(tenant, key.environment), lambda c: get_key(c, id, tenant=tenant))
        except ConfigError:
            raise not_found("key", id) from None
        if not _manages(key, row):
            raise not_found("key", id)
        return id


def _key(asking: Asking) -> Key:
    assert asking.exchanged.key is not None
    return asking.exchanged.key


def _manages(key: Key, row: KeyRow) -> bool:
    """An operator's key manages all; a tenant's those of its place, and of its user or feature if it is bound."""
    if key.tenant is None:
        return True
    mine = row.tenant == key.tenant and row.environment == key.environment
    return mine and (key.user is None or row.user == key.user) and (key.feature is None or row.feature == key.feature)


def _made(made: NewKey) -> Answer:
    return MADE.answer(_data(made.row) | {"secret": made.secret}, status=201)


def _data(row: KeyRow) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in KeySaid.model_fields}
    return found | {"rights": list(row.rights), "state": str(row.state)}
