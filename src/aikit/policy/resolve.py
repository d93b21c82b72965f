"""What policies come to for one caller: which of them decides each field, and which limits apply. Pure.

The most specific policy that states a field decides it. Every limit applies that no limit of a more specific policy
overrides: one that counts the same, which is the same metric, window, action and subject. Each guard is as the most
specific policy states it that states that guard.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from aikit.policy.guards import applying_guards, guard_statements
from aikit.policy.model import (
    AI_ACCESS,
    BUILT_IN,
    MAX_OUTPUT_TOKENS,
    MAX_PROMPT_CHARACTERS,
    Caller,
    Each,
    Loops,
    Policy,
    Rules,
    Scope,
    StatedLimit,
    Velocity,
)
from aikit.policy.subject import Subject
from aikit.pricing.price import Price
from aikit.pricing.rates import Rate, complete
from aikit.types import Limit, LoopRule, VelocityRule, Window

FIELDS = (
    "allow",
    "deny",
    "entitlements",
    "requires",
    "max_output_tokens",
    "default_output_tokens",
    "max_prompt_characters",
    "unpriced",
    "clamp",
    "lease",
    "presume",
    "on_ledger_failure",
    "uncapped",
    "loops",
    "velocity",
)
"""What one policy decides, in the order in which it is shown; limits and guards come from all of them together."""

PRICE_VERSION = "policy"
CALENDAR = frozenset({Window.DAY, Window.WEEK, Window.MONTH})
"""The windows whose start depends on a time zone and an anchor."""


class Specificity(NamedTuple):
    """What of a caller a policy's scope names. The greater is the more specific: compared from the left."""

    user: bool
    feature: bool
    tenant: bool
    own_plan: bool
    tenants_plan: bool
    environment: bool


class Match(NamedTuple):
    """A policy that is for a caller. One for a plan that both the tenant and the user are on matches twice."""

    specificity: Specificity
    policy: Policy


Identity = tuple[str, str, str, str]
"""What a limit counts: subject, metric, window and action. Of two that count the same, one overrides the other."""


class Candidate(NamedTuple):
    """A limit of a policy that is for a caller; whether it applies depends on the others that count the same."""

    match: Match
    stated: StatedLimit
    subject: str

    @property
    def limit(self) -> Limit:
        """The limit as decisions read it."""
        return _limit(self.stated, self.match.policy.name, self.subject)


def resolve(policies: Iterable[Policy], caller: Caller) -> Rules:
    """The rules for a caller. The order of the policies does not matter; those for other callers are passed over.

    `sources` has every one of FIELDS, and "lacking" if something is: the policy that requires it, or the one of the
    plan that does not give access.
    """
    found = matches(policies, caller)
    sources = dict.fromkeys(FIELDS, BUILT_IN)
    said: dict[str, Any] = {}
    for field in FIELDS:
        states = stating(field, found, caller)
        if states:
            policy = states[0].policy
            sources[field], said[field] = policy.name, getattr(policy, field)
    most = said.get("max_output_tokens", MAX_OUTPUT_TOKENS)
    default = said.get("default_output_tokens", most + 1)
    if default > most:
        default, sources["default_output_tokens"] = most, sources["max_output_tokens"]
    lacking = _lacking(plan_of(caller), said.get("entitlements", ()), said.get("requires", ()))
    if lacking:
        sources["lacking"] = sources["entitlements" if lacking.isdisjoint(said.get("requires", ())) else "requires"]
    limits = applying(candidates(found, caller))
    paced = _paced(found, caller)
    counted = {limit.subject for limit in limits if limit.window is not Window.CALL}
    return Rules(
        limits=limits,
        uncapped=said.get("uncapped", False),
        allow=said.get("allow"),
        deny=said.get("deny", ()),
        lacking=tuple(sorted(lacking)),
        max_output_tokens=most,
        default_output_tokens=default,
        max_prompt_characters=said.get("max_prompt_characters", MAX_PROMPT_CHARACTERS),
        unpriced=_price(sources["unpriced"], said.get("unpriced")),
        clamp=said.get("clamp", False),
        lease=said.get("lease", False),
        presume=said.get("presume", "hold"),
        on_ledger_failure=said.get("on_ledger_failure", "refuse"),
        loops=_loops(stating("loops", found, caller), caller),
        velocity=_velocity(stating("velocity", found, caller), caller),
        paced=tuple(sorted(paced)),
        guards=applying_guards(guard_statements(found)),
        subjects=tuple(sorted(counted | paced)),
        sources=sources,
        policies=tuple(dict.fromkeys([match.policy.name for match in found])),
    )


def specificity(policy: Policy, caller: Caller) -> Specificity | None:
    """How specific a policy is for a caller, by the user's own plan if by both; None if it is not for that caller."""
    return next(iter(_specificities(policy.scope, caller)), None)


def differing(scope: Scope, caller: Caller) -> str | None:
    """The first part of a scope that does not fit a caller; None if the scope is for that caller."""
    tenant, plan, feature, user, environment = scope
    if user is not None and user != caller.user:
        return "user"
    if feature is not None and feature != caller.feature:
        return "feature"
    if tenant is not None and tenant != caller.tenant:
        return "tenant"
    if plan is not None and plan != caller.user_plan and plan != caller.plan:
        return "plan"
    if environment is not None and environment != caller.environment:
        return "environment"
    return None


def limits_for(policies: Iterable[Policy], caller: Caller) -> tuple[Limit, ...]:
    """The limits alone of the rules for a caller."""
    return applying(candidates(matches(policies, caller), caller))


def matches(policies: Iterable[Policy], caller: Caller) -> list[Match]:
    """The policies that are for a caller, the most specific first, then by priority, then by name."""
    found = [Match(level, policy) for policy in policies for level in _specificities(policy.scope, caller)]
    found.sort(key=_by_priority)
    found.sort(key=itemgetter(0), reverse=True)
    return found


def stating(field: str, found: list[Match], caller: Caller) -> list[Match]:
    """Those of `matches` that state a field, the one that decides it first.

    Entitlements are given by policies for the plan that counts and for nothing else.
    """
    if field == "entitlements":
        plan = plan_of(caller)
        scope = Scope(plan=plan)
        found = [match for match in found if match.policy.scope == scope] if plan is not None else []
    return [match for match in found if getattr(match.policy, field) is not None]


def plan_of(caller: Caller) -> str | None:
    """The plan whose entitlements count: the user's own, else the tenant's."""
    return caller.plan if caller.user_plan is None else caller.user_plan


def candidates(found: Iterable[Match], caller: Caller) -> dict[Identity, list[Candidate]]:
    """The limits of these policies, grouped by what they count; in each group in the order of `matches`."""
    groups: dict[Identity, list[Candidate]] = {}
    for match in found:
        for stated in match.policy.limits:
            subject = _subject(stated, match, caller)
            identity = subject, stated.metric, stated.window, stated.action
            groups.setdefault(identity, []).append(Candidate(match, stated, subject))
    return groups


def winning(group: list[Candidate]) -> list[Candidate]:
    """Those of a group that apply: all that its first policy states, for a policy does not override itself."""
    match = group[0].match
    return [candidate for candidate in group if candidate.match is match]


def applying(groups: dict[Identity, list[Candidate]]) -> tuple[Limit, ...]:
    """The limits that apply, sorted by what they count."""
    limits: list[Limit] = []
    for _, group in sorted(groups.items(), key=itemgetter(0)):
        if len(group) == 1:
            limits.append(group[0].limit)
        else:
            alike = {candidate.limit for candidate in winning(group)}
            limits.extend(sorted(alike, key=_by_amount))
    return tuple(limits)


def _specificities(scope: Scope, caller: Caller) -> list[Specificity]:
    """How specific a scope is for a caller, the most specific first: none, once, or twice (see Match)."""
    if differing(scope, caller) is not None:
        return []
    tenant, plan, feature, user, environment = scope
    named = user is not None, feature is not None, tenant is not None
    by_environment = environment is not None
    if plan is None:
        return [Specificity(*named, False, False, by_environment)]
    found = []
    if plan == caller.user_plan:
        found.append(Specificity(*named, True, False, by_environment))
    if plan == caller.plan:
        found.append(Specificity(*named, False, True, by_environment))
    return found


def _subject(stated: StatedLimit, match: Match, caller: Caller) -> str:
    """Whose attempts a limit counts together, as a key. A call that names no user or feature counts as one of ""."""
    return "" if stated.window is Window.CALL else _counted(stated.each, match, caller)


def _counted(each: Each | None, match: Match, caller: Caller) -> str:
    scope = match.policy.scope
    feature, user = scope.feature, scope.user
    if user is None and (each == "user" or match.specificity.own_plan):
        user = caller.user or ""
    if feature is None and each == "feature":
        feature = caller.feature or ""
    return _key(scope.environment, feature, user)


def _loops(states: list[Match], caller: Caller) -> LoopRule | None:
    """The rule against loops of the policy that decides it."""
    stated = states[0].policy.loops if states else None
    if not isinstance(stated, Loops):
        return None
    match = states[0]
    subject = _counted(stated.each, match, caller)
    return LoopRule(stated.identical, stated.seconds, match.policy.name, stated.action, subject)


def _velocity(states: list[Match], caller: Caller) -> VelocityRule | None:
    """The rule on velocity of the policy that decides it."""
    stated = states[0].policy.velocity if states else None
    if not isinstance(stated, Velocity):
        return None
    match = states[0]
    subject = _counted(stated.each, match, caller)
    return VelocityRule(stated.times, stated.floor, match.policy.name, stated.action, subject)


def _paced(found: Iterable[Match], caller: Caller) -> set[str]:
    """Every subject whose velocity some policy asks for: all of its attempts are counted, whichever policy decides."""
    return {
        _counted(match.policy.velocity.each, match, caller)
        for match in found
        if isinstance(match.policy.velocity, Velocity)
    }


@lru_cache(maxsize=4096)
def _key(environment: str | None, feature: str | None, user: str | None) -> str:
    return Subject(environment, feature, user).key


@lru_cache(maxsize=8192)
def _limit(stated: StatedLimit, source: str, subject: str) -> Limit:
    """Zone and anchor are there only where the window depends on them, so that one counter is enough."""
    zone, anchor = (stated.zone, stated.anchor) if stated.window in CALENDAR else ("UTC", 0)
    return Limit(
        stated.metric, stated.window, stated.cap, source, stated.soft_cap, stated.action, subject, zone, anchor
    )


def _lacking(plan: str | None, given: Iterable[str], required: Iterable[str]) -> set[str]:
    """What is required and not given. Whoever is on a plan needs access by it; without a plan nothing is given."""
    return set(required) if plan is None else {AI_ACCESS, *required}.difference(given)


def _price(name: str, rates: Mapping[str, str] | None) -> Price | None:
    """The price that a policy sets for models without one; None for no rates, which denies them."""
    return _priced(name, tuple(sorted(rates.items()))) if rates else None


@lru_cache(maxsize=1024)
def _priced(name: str, rates: tuple[tuple[str, str], ...]) -> Price:
    stated = {usage: Rate(Decimal(rate)) for usage, rate in rates}
    return Price("*", "*", source=f"policy {name}", version=PRICE_VERSION, rates=complete(stated))


def _by_priority(match: Match) -> tuple[int, str]:
    return -match.policy.priority, match.policy.name


def _by_amount(limit: Limit) -> tuple[str, int, int, bool, int]:
    return limit.zone, limit.anchor, limit.cap, limit.soft_cap is not None, limit.soft_cap or 0
