"""Why the rules for a caller are what they are: who decided each field, limit and guard, and what was overruled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from aikit.policy.file.runaway import as_stated
from aikit.policy.guards import guard_data, guard_statements
from aikit.policy.model import Caller, Loops, Policy, Rules, Scope, StatedGuard, Velocity
from aikit.policy.resolve import (
    FIELDS,
    Candidate,
    Match,
    candidates,
    differing,
    matches,
    plan_of,
    resolve,
    stating,
    winning,
)
from aikit.policy.subject import subject_of
from aikit.types import Limit, Window

BOUNDED = "default_output_tokens"
"""The field that another one bounds: it is never above `max_output_tokens`."""


@dataclass(frozen=True, slots=True)
class Overruled:
    """A policy that states a field and does not decide it, and why not."""

    policy: str
    value: Any
    reason: str


@dataclass(frozen=True, slots=True)
class FieldTrace:
    """A field: its value, the policy that decided it ("built-in" if none did), and those that it overruled.

    `note` says where the value comes from if that policy does not state the field itself; else it is empty.
    """

    name: str
    value: Any
    policy: str
    overruled: tuple[Overruled, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class OverruledLimit:
    """A limit that does not apply, and why not. Its `source` is the policy that states it."""

    limit: Limit
    reason: str


@dataclass(frozen=True, slots=True)
class LimitTrace:
    """A limit that applies, and those that it overrides."""

    limit: Limit
    overruled: tuple[OverruledLimit, ...] = ()

    @property
    def counts(self) -> str:
        """Whose attempts it counts together, in words."""
        if self.limit.window is Window.CALL:
            return "each call by itself"
        return subject_of(self.limit.subject).words or "the whole tenant"


@dataclass(frozen=True, slots=True)
class OverruledGuard:
    """What a policy states of a guard and does not decide, and why not."""

    policy: str
    stated: StatedGuard
    reason: str


@dataclass(frozen=True, slots=True)
class GuardTrace:
    """A guard as the policy that decides it states it, which may be that it is off; and what that overrules."""

    stated: StatedGuard
    policy: str
    overruled: tuple[OverruledGuard, ...] = ()


@dataclass(frozen=True, slots=True)
class Matched:
    """A policy that is for the caller: for what it is, in words, and its priority."""

    policy: str
    scope: str
    priority: int


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A policy that is not for the caller, and why not: `for user u2, not u1`."""

    policy: str
    reason: str


@dataclass(frozen=True, slots=True)
class Trace:
    """How the rules for a caller came about. Amounts are in the metric's unit; for credits that is nano-USD."""

    caller: Caller
    fields: tuple[FieldTrace, ...]
    limits: tuple[LimitTrace, ...]
    guards: tuple[GuardTrace, ...]
    """By name; those that are switched off, too."""
    lacking: tuple[str, ...]
    matched: tuple[Matched, ...]
    """The most specific first."""
    unmatched: tuple[Unmatched, ...]
    """By name."""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "caller": {name: getattr(self.caller, name) for name in Caller.__dataclass_fields__},
            "fields": {field.name: _field_json(field) for field in self.fields},
            "limits": [
                {
                    **_limit_json(found.limit),
                    "counts": found.counts,
                    "overruled": [{**_limit_json(lost.limit), "reason": lost.reason} for lost in found.overruled],
                }
                for found in self.limits
            ],
            "guards": [_guard_json(found) for found in self.guards],
            "lacking": list(self.lacking),
            "matched": [{"policy": one.policy, "scope": one.scope, "priority": one.priority} for one in self.matched],
            "unmatched": [{"policy": one.policy, "reason": one.reason} for one in self.unmatched],
        }


def trace(policies: Iterable[Policy], caller: Caller) -> Trace:
    """Why `resolve(policies, caller)` is what it is."""
    known = sorted(policies, key=lambda policy: policy.name)
    rules = resolve(known, caller)
    found = matches(known, caller)
    once = _once(found)
    return Trace(
        caller=caller,
        fields=tuple([_field(name, rules, found, caller) for name in FIELDS]),
        limits=_limits(rules, found, caller),
        guards=_guards(found),
        lacking=rules.lacking,
        matched=tuple([Matched(match.policy.name, _label(match), match.policy.priority) for match in once]),
        unmatched=tuple(
            [Unmatched(policy.name, _mismatch(policy, caller)) for policy in known if policy.name not in rules.policies]
        ),
    )


def _field(name: str, rules: Rules, found: list[Match], caller: Caller) -> FieldTrace:
    states = _once(stating(name, found, caller))
    losers = [_overruled(name, match, _behind(match, states[0])) for match in states[1:]]
    value: Any = getattr(states[0].policy, name) if states else getattr(rules, name, ())
    note = ""
    if name == BOUNDED and (not states or value > rules.max_output_tokens):
        value, note = rules.default_output_tokens, "as max_output_tokens"
        losers = [_overruled(name, match, "above max_output_tokens") for match in states[:1]] + losers
    if name == "entitlements":
        losers += [
            _overruled(name, match, _gives_nothing(match, caller))
            for match in _once(found)
            if match.policy.entitlements is not None and match not in states
        ]
    return FieldTrace(name, value, rules.sources[name], tuple(losers), note)


def _limits(rules: Rules, found: list[Match], caller: Caller) -> tuple[LimitTrace, ...]:
    lost: dict[Limit, tuple[OverruledLimit, ...]] = {}
    for group in candidates(found, caller).values():
        overruled = _overruled_limits(group)
        lost.update({winner.limit: overruled for winner in winning(group)})
    return tuple([LimitTrace(limit, lost[limit]) for limit in rules.limits])


def _overruled_limits(group: list[Candidate]) -> tuple[OverruledLimit, ...]:
    """Those of a group that do not apply; not what the same policy states again for another plan."""
    winner = group[0].match
    losers: dict[Limit, str] = {}
    for candidate in group:
        if candidate.match.policy is not winner.policy:
            losers.setdefault(candidate.limit, _behind(candidate.match, winner))
    return tuple([OverruledLimit(limit, reason) for limit, reason in losers.items()])


def _guards(found: Iterable[Match]) -> tuple[GuardTrace, ...]:
    traced = []
    for _, ((winner, stated), *others) in sorted(guard_statements(_once(found)).items()):
        losers = [OverruledGuard(lost.policy.name, other, _behind(lost, winner)) for lost, other in others]
        traced.append(GuardTrace(stated, winner.policy.name, tuple(losers)))
    return tuple(traced)


def _once(found: Iterable[Match]) -> list[Match]:
    """A policy that matches twice, by the plans of the tenant and the user, only where it comes first."""
    first: dict[str, Match] = {}
    for match in found:
        first.setdefault(match.policy.name, match)
    return list(first.values())


def _overruled(field: str, match: Match, reason: str) -> Overruled:
    return Overruled(match.policy.name, getattr(match.policy, field), reason)


def _behind(loser: Match, winner: Match) -> str:
    """Why one match comes after another. Those that are equally specific for one caller have the same scope."""
    if loser.specificity != winner.specificity:
        return f"{_label(loser)} is less specific than {_label(winner)}"
    if loser.policy.priority != winner.policy.priority:
        return f"same scope, lower priority ({loser.policy.priority} < {winner.policy.priority})"
    return "same scope and priority, later name"


def _gives_nothing(match: Match, caller: Caller) -> str:
    """Why the entitlements of a matching policy don't count."""
    scope, plan = match.policy.scope, plan_of(caller)
    if scope.plan is None or scope != Scope(plan=scope.plan):
        return f"{scope.label} is not for a plan alone, and only a plan's own policy gives entitlements"
    return f"the user's own plan, {plan}, comes before the tenant's"


def _label(match: Match) -> str:
    return match.policy.scope.label + (" (the user's own)" if match.specificity.own_plan else "")


def _mismatch(policy: Policy, caller: Caller) -> str:
    part = differing(policy.scope, caller)
    assert part is not None
    wanted = getattr(policy.scope, part)
    values = [caller.user_plan, caller.plan] if part == "plan" else [getattr(caller, part)]
    there = [value for value in dict.fromkeys(values) if value is not None]
    return f"for {part} {wanted}, " + (f"not {' or '.join(there)}" if there else f"and there is no {part}")


def _field_json(field: FieldTrace) -> dict[str, Any]:
    return {
        "value": _plain(field.value),
        "policy": field.policy,
        "note": field.note,
        "overruled": [
            {"policy": one.policy, "value": _plain(one.value), "reason": one.reason} for one in field.overruled
        ],
    }


def _guard_json(found: GuardTrace) -> dict[str, Any]:
    return {
        **guard_data(found.stated),
        "policy": found.policy,
        "overruled": [
            {**guard_data(lost.stated), "policy": lost.policy, "reason": lost.reason} for lost in found.overruled
        ],
    }


def _limit_json(limit: Limit) -> dict[str, Any]:
    subject = subject_of(limit.subject)._asdict()
    return {
        "metric": str(limit.metric),
        "window": str(limit.window),
        "cap": limit.cap,
        "soft_cap": limit.soft_cap,
        "action": str(limit.action),
        "subject": {name: value for name, value in subject.items() if value is not None},
        "zone": limit.zone,
        "anchor": limit.anchor,
        "policy": limit.source,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Loops | Velocity):
        return as_stated(value)
    return list(value) if isinstance(value, tuple) else value
