"""/v1/policies and PUT /v1/limits: who may spend what, stated as a policy file states it, from the next call on."""

from __future__ import annotations

import tomllib
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from aikit.errors import ConfigError, RequestInvalid, Unauthorized
from aikit.ledger.changing import changing
from aikit.ledger.policies import PolicySet, StoredPolicy, put, read_policies, read_policy, remove_policy
from aikit.ledger.tenants import set_limit
from aikit.policy.file.kinds import Place, Problem, Wrong, path_text
from aikit.policy.file.limits import LIMIT
from aikit.policy.file.policies import NAMED
from aikit.policy.file.writing import write_policies
from aikit.policy.model import Policy, StatedLimit
from aikit.serve.answers import Answer
from aikit.serve.control.fields import Name
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.listing import Listed
from aikit.serve.control.whose import Place as Scoped
from aikit.serve.control.whose import own
from aikit.serve.endpoints import Asking, Endpoint, Query, Said, not_found
from aikit.serve.model import Key, Right

PART_OF = {"plans": "plan", "features": "feature", "tenants": "tenant", "users": "user", "environments": "environment"}


class PolicyBody(BaseModel):
    """A policy as an element of `[[policies]]` in a policy file: `scope`, and what it states."""

    model_config = ConfigDict(extra="allow", frozen=True)

    scope: dict[str, str] = Field(description="Which calls it is for: tenant, plan, feature, user, environment.")


class LimitBody(BaseModel):
    """A limit as a policy file states it."""

    model_config = ConfigDict(extra="allow", frozen=True)


class Whose(Query):
    """Only an operator's key names a tenant."""

    tenant: Name | None = None


class PolicySaid(Said):
    """A policy in force. `policy` is what PUT takes."""

    name: str
    by_hand: bool = Field(description="Set by a command or here, not applied from a file.")
    since: int = Field(description="The version of the policies that it is in force since.")
    policy: dict[str, Any]


class SetSaid(Said):
    """`version` is that of the policies in force now."""

    name: str
    version: int
    changed: bool


class RemovedSaid(Said):
    """It is in force no more."""

    name: str
    removed: bool


class LimitSetSaid(Said):
    """The limit is in force. `replaced`: there was another one for the same."""

    tenant: str
    metric: str
    window: str
    replaced: bool


SHOWN, LIST = Listed("policy.show", PolicySaid, one=True), Listed("policy.list", PolicySaid)
SET, REMOVED = Listed("policy.set", SetSaid, one=True), Listed("policy.remove", RemovedSaid, one=True)
LIMIT_SET = Listed("limit.set", LimitSetSaid, one=True)
NAMED_PATH: dict[str, Any] = {"name": {"type": "string"}}
RULE = """
A tenant's admin key has policies whose scope is that tenant, called by their scope (`tenant:acme`,
`user:u1 tenant:acme`) or `tenant:acme/…`; an operator's key has any.
"""


class Policies:
    """Manages policies, in the name of a key."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._credit = ledger.kit.nano_per_credit

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        admin, tag, path = Right.ADMIN, "Admin", "/v1/policies/{name...}"
        budget = {"scope": {"tenant": "acme"}, "limits": [{"window": "month", "cap_usd": "25.00"}]}
        return (
            Endpoint("GET", "/v1/policies", admin, "The policies in force", self.list, answer=LIST, tag=tag, text=RULE),
            Endpoint("GET", path, admin, "One policy", self.show, answer=SHOWN, errors=(404,), tag=tag, text=RULE,
                     params=NAMED_PATH),
            Endpoint("PUT", path, admin, "Put a policy in force", self.set, answer=SET, body=PolicyBody,
                     errors=(404, 409), tag=tag, text=RULE, params=NAMED_PATH, example=budget),
            Endpoint("DELETE", path, admin, "Remove a policy", self.remove, answer=REMOVED, errors=(404, 409), tag=tag,
                     text=RULE, params=NAMED_PATH),
            Endpoint("PUT", "/v1/limits", admin, "Cap what a tenant may use", self.limit, answer=LIMIT_SET,
                     body=LimitBody, query=Whose, errors=(404,), tag=tag,
                     text="In place of a limit of the same metric, window, action and subject, if there is one.",
                     example={"window": "month", "cap_usd": "25.00"}),
        )  # fmt: skip

    async def list(self, asking: Asking) -> Answer:
        key = _key(asking)
        found = await self._read(key)
        shown = [stored for stored in found.policies if _has(key, stored.policy)]
        return LIST.answer([self._said(stored) for stored in shown], {"version": found.version})

    async def show(self, asking: Asking) -> Answer:
        key, name = _key(asking), _name(asking)
        found = await self._read(key)
        stored = next((one for one in found.policies if one.policy.name == name and _has(key, one.policy)), None)
        if stored is None:
            raise not_found("policy", name)
        return SHOWN.answer(self._said(stored), {"version": found.version})

    async def set(self, asking: Asking) -> Answer:
        key, name = _key(asking), _name(asking)
        policy = policy_of(name, asking.body, self._credit)
        _check(key, policy)

        def change() -> Answer:
            with changing(self._ledger.database, key.id, None) as under_way:
                stored = read_policy(under_way.connection, name)
                if stored is not None and not _has(key, stored.policy):
                    raise _not_yours(key)
                applied = put(under_way, policy)
            return SET.answer({"name": name, "version": applied.version, "changed": bool(applied.changes)})

        return await self._ledger.do(change)

    async def remove(self, asking: Asking) -> Answer:
        key, name = _key(asking), _name(asking)

        found = await self._read(key)
        if not any(one.policy.name == name and _has(key, one.policy) for one in found.policies):
            raise not_found("policy", name)
        await self._ledger.do(lambda: remove_policy(self._ledger.database, name, who=key.id))
        return REMOVED.answer({"name": name, "removed": True})

    async def limit(self, asking: Asking) -> Answer:
        key = _key(asking)
        tenant = own("tenant", key.tenant, asking.query.tenant)
        if tenant is None:
            raise RequestInvalid(
                "The key is an operator's, for all tenants.", facts={"field": "tenant"}, remedy="Name one: ?tenant=…"
            )
        if key.user is not None or key.feature is not None:
            raise _not_yours(key)
        limit = limit_of(asking.body, self._credit)
        before = await self._ledger.do(lambda: set_limit(self._ledger.database, tenant, limit, who=key.id))
        return LIMIT_SET.answer({
            "tenant": tenant,
            "metric": str(limit.metric),
            "window": str(limit.window),
            "replaced": before is not None,
        })  # fmt: skip

    async def _read(self, key: Key) -> PolicySet:
        """The policies in force: an operator's key sees all, a tenant's through its own eyes."""
        if key.tenant is None:
            return await self._ledger.do(lambda: read_policies(self._ledger.database))
        return await self._ledger.look(Scoped(key.tenant, key.environment), read_policies)

    def _said(self, stored: StoredPolicy) -> dict[str, Any]:
        policy = stored.policy
        return {
            "name": policy.name,
            "by_hand": stored.by_hand,
            "since": stored.since,
            "policy": stated(policy, self._credit),
        }


def policy_of(name: str, body: BaseModel, nano_per_credit: int) -> Policy:
    """The policy that a body states. Raises RequestInvalid with every problem, by field."""
    place = Place(nano_per_credit=nano_per_credit)
    said = body.model_dump()
    if said.get("name", name) != name:
        raise _other_name()
    try:
        NAMED.read(said | {"name": name}, place)
    except Wrong as wrong:
        place.report(wrong)
    if place.problems or name not in place.policies:
        raise _unusable(place.problems)
    return place.policies[name][1]


def _other_name() -> RequestInvalid:
    told = {"field": "name"}
    return RequestInvalid("The body has another name than the path.", facts=told, remedy="Leave it out.")


def limit_of(body: BaseModel, nano_per_credit: int) -> StatedLimit:
    """The limit that a body states. Raises RequestInvalid."""
    place = Place(nano_per_credit=nano_per_credit)
    limit: StatedLimit | None = None
    try:
        limit = LIMIT.read(body.model_dump(), place)
    except Wrong as wrong:
        place.report(wrong)
    if place.problems or limit is None:
        raise _unusable(place.problems)
    return limit


def stated(policy: Policy, nano_per_credit: int) -> dict[str, Any]:
    """The policy as a policy file has it."""
    written = tomllib.loads(write_policies([policy], nano_per_credit=nano_per_credit))
    if "policies" in written:
        (table,) = written["policies"]
        return dict(table)
    ((section, inside),) = written.items()
    if section == "default":
        return {"scope": {}, **inside}
    ((value, table),) = inside.items()
    return {"scope": {PART_OF[section]: value}, **table}


def _key(asking: Asking) -> Key:
    assert asking.exchanged.key is not None
    return asking.exchanged.key


def _name(asking: Asking) -> str:
    name = asking.params["name"]
    if not name.isprintable() or len(name) > 1000:
        raise not_found("policy", name)
    return name


def _has(key: Key, policy: Policy) -> bool:
    """Whether this key may see and change it."""
    if key.tenant is None:
        return True
    scope = policy.scope
    of_user, of_feature = key.user in (None, scope.user), key.feature in (None, scope.feature)
    return scope.tenant == key.tenant and of_user and of_feature


def _check(key: Key, policy: Policy) -> None:
    """Raises Unauthorized (403) for a policy that this key may not put in force."""
    named = policy.name == policy.scope.label or policy.name.startswith(f"tenant:{key.tenant}/")
    if not _has(key, policy) or (key.tenant is not None and not named):
        raise _not_yours(key)


def _not_yours(key: Key) -> Unauthorized:
    return Unauthorized(
        "The key does not permit this policy.",
        code="POLICY_NOT_YOURS",
        status=403,
        remedy=f"Its scope is the key's tenant ({key.tenant}), its name that of its scope, or tenant:{key.tenant}/…",
    )


def _unusable(problems: list[Problem]) -> ConfigError | RequestInvalid:
    told = [f"{path_text(one.path) or 'policy'} {one.what}. {one.remedy}" for one in problems] or ["It can't be read."]
    field = path_text(problems[0].path) if problems else "body"
    return RequestInvalid(
        f"The body can't be used: {told[0]}"[:500],
        facts={"field": field, "problems": [one[:500] for one in told[:20]]},
        remedy="The fields are those of a policy file: docs/reference/policies.md.",
    )
