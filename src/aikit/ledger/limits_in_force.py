"""Which limits a tenant has, and which of its open counters belong to each. Pure.

Limits are resolved as the meter does it, for a caller of each scope that a policy is stated for. What a scope leaves
open, EACH stands for: a limit that counts it one by one is then found once, whoever calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from aikit.policy.model import Caller, Policy, slot_name
from aikit.policy.resolve import limits_for
from aikit.policy.subject import Subject, subject_of
from aikit.types import Limit

EACH = "\x1e"
"""Every user or feature that no policy names; no tag is like it."""


class Asked(NamedTuple):
    """Whose limits are asked for; None for those of all."""

    user: str | None
    feature: str | None
    environment: str | None


class Slot(NamedTuple):
    """One of the counters of a subject. `plan` is the subject's user's own."""

    subject: str
    name: str
    start: datetime
    used: int
    held: int
    previous: int
    plan: str | None = None


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant and what is stated for its calls, by the name of the policy.

    `users` and `features` are those with a name in it or among what was asked for, `plan_of` the plans of such users,
    `user_plans` those that any users of the tenant are on by themselves.
    """

    name: str
    plan: str | None
    policies: Mapping[str, Policy]
    users: frozenset[str | None]
    features: frozenset[str | None]
    user_plans: frozenset[str]
    plan_of: Mapping[str, str]


Counted = tuple[Limit, Slot | None]
"""A limit and its slot, None if that is not open."""


def in_force(tenant: Tenant, asked: Asked, slots: Iterable[Slot]) -> list[tuple[Limit, list[Counted]]]:
    """The limits of a tenant. With one that counts each user or feature by itself come all that are counted so far."""
    known = {(slot.subject, slot.name): slot for slot in slots}
    resolved: dict[Caller, tuple[Limit, ...]] = {}

    def limits_of(caller: Caller) -> tuple[Limit, ...]:
        if caller not in resolved:
            resolved[caller] = limits_for(tenant.policies.values(), caller)
        return resolved[caller]

    stated = [limit for caller in _callers(tenant, asked) for limit in limits_of(caller)]
    limits = dict.fromkeys([_of_each(limit, tenant, asked) for limit in stated])
    groups: dict[Limit, list[Counted]] = {limit: [] for limit in limits if EACH in limit.subject}
    for slot in known.values() if groups else ():
        caller, subject = _caller_of(slot, tenant)
        for limit in limits_of(caller):
            if limit.subject == subject and slot_of(limit) == slot.name:
                group = groups.get(_of_each(limit, tenant, asked))
                if group is not None:
                    group.append((replace(limit, subject=slot.subject), slot))
    return [
        (limit, groups[limit] if limit in groups else [(limit, known.get((limit.subject, slot_of(limit))))])
        for limit in limits
    ]


def slot_of(limit: Limit) -> str:
    """The name of the slot that counts a limit."""
    return slot_name(limit.metric, limit.window, limit.zone, limit.anchor)


def _callers(tenant: Tenant, asked: Asked) -> set[Caller]:
    """A caller for each scope that is stated; where it names no user, one on each plan that a user may be on."""
    callers = set()
    for policy in tenant.policies.values():
        scope = Asked(policy.scope.user, policy.scope.feature, policy.scope.environment)
        if all(named in (None, wanted) for named, wanted in zip(scope, asked, strict=True) if wanted is not None):
            user = asked.user or scope.user or EACH
            feature, environment = asked.feature or scope.feature or EACH, asked.environment or scope.environment
            plans = {None, *tenant.user_plans} if user == EACH else {tenant.plan_of.get(user)}
            callers |= {Caller(tenant.name, user, feature, environment, tenant.plan, plan) for plan in plans}
    return callers


def _caller_of(slot: Slot, tenant: Tenant) -> tuple[Caller, str]:
    """A caller whose attempts the slot counts, and the subject of those of its limits that the slot is for."""
    environment, feature, user = subject_of(slot.subject)
    as_user = user if user and user in tenant.users else EACH
    as_feature = feature if feature and feature in tenant.features else EACH
    plan = slot.plan if as_user == EACH else tenant.plan_of.get(as_user)
    subject = Subject(environment, None if feature is None else as_feature, None if user is None else as_user)
    return Caller(tenant.name, as_user, as_feature, environment, tenant.plan, plan), subject.key


def _of_each(limit: Limit, tenant: Tenant, asked: Asked) -> Limit:
    """The limit, with EACH for the users and the features that it counts one by one."""
    environment, feature, user = subject_of(limit.subject)
    if feature is None and user is None:
        return limit
    scope = tenant.policies[limit.source].scope
    if user is not None and scope.user is None and asked.user is None:
        user = EACH
    if feature is not None and scope.feature is None and asked.feature is None:
        feature = EACH
    return replace(limit, subject=Subject(environment, feature, user).key)
