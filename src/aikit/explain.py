"""Makes a recorded decision again: from the policies of its version, and the order and the limits recorded with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aikit.breaker.gates import BREAKER_OPEN
from aikit.ledger.call_detail import AttemptDetail, CallDetail, get_call
from aikit.ledger.plans import plans_at
from aikit.ledger.policies import read_policies
from aikit.ledger.reading import Readable, reading
from aikit.meter.judge import OPENED, RECORDED, judge, would_refuse
from aikit.policy.model import Caller, Policy, Rules
from aikit.policy.resolve import resolve
from aikit.types import GUARD_BLOCKED, Bound, Call, Cost, Decision, LimitState, Order, Tags, Watched

BEFORE_POLICIES = frozenset({"TENANT_REQUIRED", "REQUEST_INVALID", "UNMETERED_ENDPOINT", "METERING_UNAVAILABLE"})
"""Refused before any policy was asked."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision as it was recorded, and as it comes out when it is made again. `order` is what was asked for.

    `decision` None: no policy was asked, or what it was asked with is not on record; `why_not` says so. `differences`
    has a sentence for everything that comes out otherwise; none means that it is the same.
    """

    call: CallDetail
    attempt: AttemptDetail
    caller: Caller | None = None
    policies: tuple[Policy, ...] = ()
    rules: Rules | None = None
    order: Order | None = None
    decision: Decision | None = None
    differences: tuple[str, ...] = ()
    why_not: str | None = None


def explain(database: Readable, id: UUID) -> Explanation | None:
    """The decision with this id, or the last one of the call with this id; None if the ledger has neither."""
    call = get_call(database, id)
    if call is None:
        return None
    firsts = [attempt for attempt in call.attempts if attempt.seq == 0]
    attempt = next((one for one in firsts if one.attempt == id), firsts[-1])
    if attempt.reason_code in BEFORE_POLICIES or attempt.policy_version is None:
        return Explanation(call, attempt, why_not="It was refused before any policy was asked.")
    if attempt.reason_code == OPENED:
        return Explanation(call, attempt, why_not="It was sent while the ledger was away, so no limit was checked.")
    if attempt.reason_code == RECORDED:
        return Explanation(call, attempt, why_not="It was reported when it had been used, so no limit was checked.")
    if attempt.reason_code == BREAKER_OPEN:
        return Explanation(call, attempt, why_not=f"The {(attempt.source or 'breaker').replace(':', ' of ')} was open.")
    if attempt.request is None:
        return Explanation(call, attempt, why_not="It was made before decisions were recorded in full.")
    return _again(database, call, attempt, attempt.policy_version, attempt.request)


def _again(
    database: Readable, call: CallDetail, attempt: AttemptDetail, version: int, request: Mapping[str, Any]
) -> Explanation:
    with reading(database) as connection:
        known, plan, user_plan = plans_at(connection, call.tenant, call.user, version)
    stored = read_policies(database, version=version, tenant=call.tenant).policies
    policies = tuple([each.policy for each in stored])
    caller = Caller(call.tenant, call.user, call.feature, call.environment, plan, user_plan)
    order = _order(call, attempt, request)
    if not known:
        decision = Decision(attempt.attempt, "TENANT_UNKNOWN", policy_version=version)
        return Explanation(call, attempt, caller, policies, None, order, decision, tuple(_compare(attempt, decision)))
    rules = resolve(policies, caller)
    states, missing = _recorded(rules, attempt)
    watch, unwatched = _watch(rules, attempt)
    missing += unwatched
    decision = judge(order, rules, states, attempt.decided_at, version, watch)
    found = (*missing, *_compare(attempt, decision))
    return Explanation(call, attempt, caller, policies, rules, order, decision, found)


def _recorded(rules: Rules, attempt: AttemptDetail) -> tuple[tuple[LimitState, ...], list[str]]:
    """For each limit of the rules the state that was recorded, and a sentence for each that is only on one side."""
    recorded = {_identity(state): state for state in attempt.limits}
    states, missing = [], []
    for limit in rules.limits:
        state = recorded.pop((limit.metric, limit.window, limit.source, limit.action, limit.subject, limit.cap), None)
        if state is None:
            missing.append(f"{limit.metric}/{limit.window} of {limit.source} applies and was not recorded")
        else:
            states.append(state._replace(limit=limit))
    missing += [f"{s.metric}/{s.window} of {s.source} was recorded and does not apply" for s in recorded.values()]
    return tuple(states), missing


def _watch(rules: Rules, attempt: AttemptDetail) -> tuple[tuple[Watched, ...], list[str]]:
    """What was recorded of the rules against runaways, and a sentence for each that is only on one side.

    Of a rule against loops there is nothing on record where the request had not been there before.
    """
    applying = [rule for rule in (rules.loops, rules.velocity) if rule is not None]
    watch = tuple([found for found in attempt.watch if found.rule in applying])
    there = [found.rule for found in attempt.watch]
    missing = []
    if rules.velocity is not None and rules.velocity not in there:
        missing.append(f"velocity of {rules.velocity.source} applies and was not recorded")
    missing += [f"{found.label} was recorded and does not apply" for found in attempt.watch if found not in watch]
    return watch, missing


def _identity(state: LimitState) -> tuple[Any, ...]:
    limit = state.limit
    return (limit.metric, limit.window, limit.source, limit.action, limit.subject, limit.cap)


def _order(call: CallDetail, attempt: AttemptDetail, request: Mapping[str, Any]) -> Order:
    """The order as it was asked for."""
    tags = Tags(call.tenant, call.user, call.feature, call.environment)
    one = Call(call.call, tags, attempt.provider, attempt.model, attempt.api, bool(attempt.stream), attempt.prompt)
    cost = None
    if request["cost"] is not None:
        scale, *cases = request["cost"]
        cost = Cost(tuple([(paid, rate) for paid, rate in cases]), scale)
    bound = None
    if request.get("bound") is not None:
        read, written, inputs, outputs, open_ended, searches = request["bound"]
        bound = Bound(read, written, frozenset(inputs), frozenset(outputs), open_ended, searches)
    output = request["output"] if request["output"] is not None else 0
    return Order(
        attempt.attempt,
        one,
        0 if cost is None else cost.nano(output),
        request["input"] + output,
        attempt.price_id,
        output,
        request["output"] is not None,
        request["answers"],
        request["least"],
        request["characters"],
        cost,
        bound,
        bool(request.get("leasable")),
        findings=attempt.findings,
        blocked=attempt.reason_code == GUARD_BLOCKED,
    )


def _compare(attempt: AttemptDetail, decision: Decision) -> list[str]:
    """What is otherwise than it was recorded."""
    found = []
    if decision.reason_code != attempt.reason_code:
        found.append(f"the answer was {attempt.reason_code} and is {decision.reason_code}")
    warned = would_refuse(decision)
    if warned != attempt.would_refuse:
        found.append(f"what would have refused it was {attempt.would_refuse} and is {warned}")
    if decision.source != attempt.source:
        found.append(f"the policy that refused it was {attempt.source} and is {decision.source}")
    granted = decision.hold.order if decision.hold is not None else None
    if granted is not None and granted.limit is None and granted.nano != attempt.bound_nano:  # a lease grows
        found.append(f"{attempt.bound_nano} nano-dollars were held and {granted.nano} would be")
    return found
