"""GET /v1/decisions/{id}: why one request was allowed or refused, from what was recorded, and made again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from aikit.errors import Refused
from aikit.explain import Explanation, explain
from aikit.meter.judge import affordable, priced
from aikit.money import usd_string
from aikit.policy.runaway import as_facts
from aikit.policy.trace import trace
from aikit.refusal import refused
from aikit.serve.answers import Answer
from aikit.serve.control.fields import Environment, Limited, Name, Time, limited
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.listing import Listed
from aikit.serve.control.whose import Place, seen_from
from aikit.serve.endpoints import Asking, Endpoint, Query, Said, not_found
from aikit.serve.model import Right

PREFIX = "d_"


class Whose(Query):
    """Only an operator's key names a tenant."""

    tenant: Name | None = None
    environment: Environment | None = None


class Again(Said):
    """The decision made again from what was recorded."""

    made: bool
    same: bool | None
    differences: list[str]
    why_not: str | None


class Explained(Said):
    """A decision as it was recorded."""

    decision_id: UUID
    call_id: UUID
    decided_at: Time
    allowed: bool
    state: str = Field(description="`running`, `refused`, or how it ended.")
    reason_code: str
    would_refuse: str | None
    why: str | None
    remedy: str | None
    retry_after: float | None
    tenant: str
    user: str | None
    feature: str | None
    environment: str | None
    plan: str | None
    user_plan: str | None
    provider: str
    model: str
    api: str
    stream: bool | None
    output_tokens: int | None
    bound_usd: str | None
    cost_usd: str | None = Field(description="What it was charged in all; null while it is running.")
    price_id: str | None
    price: dict[str, Any] | None
    source: str | None
    policy_version: int | None
    limits: list[Limited]
    runaway: list[dict[str, Any]]
    prompt: str | None
    findings: list[dict[str, Any]]
    max_affordable_output_tokens: int | None
    fields: dict[str, Any] | list[Any] | None = Field(description="Which policy decided what.")
    lacking: list[str] | None
    again: Again


EXPLAIN = Listed("explain", Explained, one=True)


class Decisions:
    """Answers why."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                "GET",
                "/v1/decisions/{id}",
                Right.USAGE_READ,
                "Why a request was allowed or refused",
                self.run,
                answer=EXPLAIN,
                query=Whose,
                text="The id is that of a decision, or of a call: then its last decision is meant.",
                errors=(404,),
                tag="Reads",
                params={"id": {"type": "string"}},
            ),
        )

    async def run(self, asking: Asking) -> Answer:
        wanted = asking.params["id"]
        place = seen_from(asking.exchanged, asking.query.tenant, asking.query.environment)
        try:
            id = UUID(wanted.strip().removeprefix(PREFIX))
        except ValueError:
            raise not_found("decision", wanted) from None
        found = await self._ledger.look(place, lambda c: explain(c, id))
        if found is None or not _may_see(found, place):
            raise not_found("decision", wanted)
        return EXPLAIN.answer(explained(found, self._ledger.kit.nano_per_credit))


def _may_see(found: Explanation, place: Place) -> bool:
    call = found.call
    mine = call.tenant == place.tenant and call.environment == place.environment
    of_user = place.user is None or call.user == place.user
    return mine and of_user and (place.feature is None or call.feature == place.feature)


def explained(found: Explanation, nano_per_credit: int) -> Explained:
    """A decision as it is told."""
    attempt, call, caller = found.attempt, found.call, found.caller
    error, fits = _refusal(found, nano_per_credit), _affordable(found)
    hold = found.decision and found.decision.hold
    traced: dict[str, Any] = {}
    if caller is not None and found.rules is not None:
        traced = trace(found.policies, caller).to_json()
    charged = [one.nano for one in call.attempts if one.attempt == attempt.attempt and one.nano is not None]
    return Explained(
        decision_id=attempt.attempt,
        call_id=call.call,
        decided_at=attempt.decided_at,
        allowed=attempt.state != "refused",
        state=attempt.state,
        reason_code=attempt.reason_code,
        would_refuse=attempt.would_refuse,
        why=error.message if error else found.why_not,
        remedy=error.remedy if error else None,
        retry_after=error.retry_after if error else None,
        tenant=call.tenant,
        user=call.user,
        feature=call.feature,
        environment=call.environment,
        plan=caller.plan if caller else None,
        user_plan=caller.user_plan if caller else None,
        provider=attempt.provider,
        model=attempt.model,
        api=attempt.api,
        stream=attempt.stream,
        output_tokens=hold.order.output_tokens if hold else None,
        bound_usd=None if attempt.bound_nano is None else usd_string(attempt.bound_nano),
        cost_usd=usd_string(sum(charged)) if charged else None,
        price_id=attempt.price_id,
        price=attempt.price.body if attempt.price else None,
        source=attempt.source,
        policy_version=attempt.policy_version,
        limits=[limited(state) for state in attempt.limits],
        runaway=[dict(as_facts(one)) for one in attempt.watch],
        prompt=attempt.prompt.id if attempt.prompt else None,
        findings=[finding._asdict() for finding in attempt.findings],
        max_affordable_output_tokens=fits if error else None,
        fields=traced.get("fields"),
        lacking=traced.get("lacking"),
        again=Again(
            made=found.why_not is None,
            same=None if found.why_not is not None else not found.differences,
            differences=list(found.differences),
            why_not=found.why_not,
        ),
    )


def _refusal(found: Explanation, nano_per_credit: int) -> Refused | None:
    """The refusal as the caller was told it; None if it was allowed, or comes out otherwise now."""
    decision, order = found.decision, found.order
    if decision is None or order is None or decision.allowed or decision.reason_code != found.attempt.reason_code:
        return None
    return refused(decision, order, affordable=_affordable(found), nano_per_credit=nano_per_credit)


def _affordable(found: Explanation) -> int:
    if found.order is None or found.rules is None or found.decision is None or not found.decision.failing:
        return 0
    return affordable(priced(found.order, found.rules), found.decision.failing)
