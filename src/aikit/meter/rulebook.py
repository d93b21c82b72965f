"""The rules of callers as a process remembers them: read once a policy version, resolved once a caller."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from aikit.meter.queries import EVERYWHERE, TENANTS, USER_PLANS
from aikit.policy.model import Caller, Policy, Rules
from aikit.policy.record import from_body
from aikit.policy.resolve import resolve
from aikit.pricing.price import Price
from aikit.types import Call

CACHE = 100_000

Key = tuple[str, str | None, str | None, str | None]
"""Tenant, environment, user, feature."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as policies see it. `users_on_plans`: some of its users are on a plan of their own."""

    plan: str | None
    users_on_plans: bool
    policies: tuple[Policy, ...]


class Rulebook:
    """Answers from memory; `load` reads what is not there. Not for several threads at once."""

    def __init__(self) -> None:
        self.prices: dict[str, Price] = {}
        """The prices that policies set for models without one, by id. They outlive `clear`."""
        self.clear()

    def clear(self) -> None:
        """Forget everything: the policies are at another version."""
        self._everywhere: tuple[Policy, ...] | None = None
        self._tenants: dict[str, Tenant | None] = {}
        self._plans: dict[tuple[str, str], str | None] = {}
        self._rules: dict[Key, Rules | None] = {}

    def find(self, calls: Iterable[Call]) -> list[Rules | None] | None:
        """The rules for each call, None for an unknown tenant. None altogether if something must be loaded first."""
        found = []
        for call in calls:
            tags = call.tags
            key = (call.tenant, tags.environment, tags.user, tags.feature)
            try:
                rules = self._rules[key]
            except KeyError:
                if not self._knows(key):
                    return None
                rules = self._resolve(key)
            found.append(rules)
        return found

    def load(self, connection: psycopg.Connection[Any], calls: Sequence[Call]) -> list[Rules | None]:
        """Read what these calls need, and answer. Raises psycopg.Error."""
        if max(len(self._rules), len(self._tenants), len(self._plans)) > CACHE:
            self.clear()
        if self._everywhere is None:
            self._everywhere = tuple([from_body(body) for (body,) in connection.execute(EVERYWHERE)])
        names = {call.tenant for call in calls} - self._tenants.keys()
        if names:
            tenants: dict[str, Tenant | None] = dict.fromkeys(names)
            for tenant, plan, users, bodies in connection.execute(TENANTS, (list(names),)):
                tenants[tenant] = Tenant(plan, users, tuple([from_body(body) for body in bodies or ()]))
            self._tenants.update(tenants)
        pairs = {(call.tenant, call.tags.user) for call in calls}
        wanted = [(tenant, user) for tenant, user in pairs if user and self._asks(tenant, user)]
        if wanted:
            plans: dict[tuple[str, str], str | None] = dict.fromkeys(wanted)
            columns = [tenant for tenant, _ in wanted], [user for _, user in wanted]
            plans.update({(tenant, user): plan for tenant, user, plan in connection.execute(USER_PLANS, columns)})
            self._plans.update(plans)
        found = self.find(calls)
        assert found is not None
        return found

    def _knows(self, key: Key) -> bool:
        tenant, _, user, _ = key
        return self._everywhere is not None and tenant in self._tenants and not (user and self._asks(tenant, user))

    def _asks(self, tenant: str, user: str) -> bool:
        """Whether the user may be on a plan that has not been read."""
        known = self._tenants[tenant]
        return known is not None and known.users_on_plans and (tenant, user) not in self._plans

    def _resolve(self, key: Key) -> Rules | None:
        name, environment, user, feature = key
        tenant = self._tenants[name]
        rules = None
        if tenant is not None:
            plan = self._plans.get((name, user)) if user else None
            caller = Caller(name, user, feature, environment and str(environment), tenant.plan, plan)
            rules = resolve((*(self._everywhere or ()), *tenant.policies), caller)
            if rules.unpriced is not None:
                self.prices[rules.unpriced.id] = rules.unpriced
        self._rules[key] = rules
        return rules
