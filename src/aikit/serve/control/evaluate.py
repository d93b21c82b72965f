"""POST /v1/evaluate: the decision that a call would get, and, if it is asked for, its hold."""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from datetime import timedelta

from aikit.headers import prompt_of
from aikit.intake import LONG
from aikit.ledger.held import Held, held
from aikit.meter.judge import OPENED
from aikit.meter.once import CONFLICT, IN_PROGRESS, REPLAYED
from aikit.meter.opening import HOLD_SECONDS
from aikit.money import credits, usd_string
from aikit.refusal import iso, usd
from aikit.serve.answers import Answer, of_json
from aikit.serve.control.fields import limited
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.once import conflict, digest, key_of, scoped
from aikit.serve.control.pricing import EVALUATE, Questioned
from aikit.serve.control.questions import DecisionSaid, HoldSaid, Question
from aikit.serve.control.whose import Place, tags_for
from aikit.serve.endpoints import Asking, Endpoint, plain, unavailable
from aikit.serve.model import Right
from aikit.types import UNGUARDED, Decision, Hold, Once, Tags

ROUNDS = 5
"""So often a question may learn that other guards are asked for, while policies change under it."""
DESCRIPTION = """
Decides as a call would be decided, by the same policies, limits, price book and breakers, in the same admission;
nothing is sent. Without `hold` nothing is held and nothing counts, not even as a request; a refusal is on record. With
`hold` the most that the request can cost is held, durably, before this is answered: send the request with
`output_tokens` as its output limit, then report what was used by `POST /v1/usage`, or void the hold. A hold that is
neither reported, voided nor extended in time is presumed spent. One billed request is one evaluate and one usage.

The answer is 200 for a refusal, too: it is the decision that was asked for. `status` is what a call would have got.
"""
ASKED = {"model": "openai/gpt-4o-mini", "characters": 1200, "output_tokens": 500, "hold": True, "user": "u-17"}


class Evaluate:
    """Answers questions."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kit = ledger.kit

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                "POST",
                "/v1/evaluate",
                Right.EVALUATE,
                "A decision without dispatch, and if asked for its hold",
                self.run,
                answer=DecisionSaid,
                body=Question,
                text=DESCRIPTION,
                errors=(409, 422),
                once=True,
                example=ASKED,
            ),
        )

    async def run(self, asking: Asking) -> Answer:
        question: Question = asking.body
        tags = tags_for(asking.exchanged, question.user, question.feature)
        questioned = Questioned(
            self._kit, question, tags, _once_of(asking, question, tags), prompt_of(asking.exchanged.headers)
        )
        decision = await self._decide(questioned)
        if decision.earlier is not None:
            return await self._again(questioned, decision, tags)
        said = self._said(questioned, decision)
        return of_json(plain(said), headers={"x-aikit-decision-id": str(decision.id)})

    async def _decide(self, questioned: Questioned) -> Decision:
        meter = self._kit.meter
        decision = await meter.admit_async(questioned.order(), opens=False)
        for _ in range(ROUNDS):
            if decision.reason_code != UNGUARDED:
                break
            rules = decision.rules.guards
            if rules and questioned.is_long(LONG):
                await asyncio.to_thread(questioned.guard, rules)
            elif rules or questioned.guarded:
                questioned.guard(rules)
            decision = await meter.admit_async(questioned.order(), opens=False)
        else:
            raise unavailable()
        self._tell(decision)
        return decision

    def _tell(self, decision: Decision) -> None:
        """Whoever listens hears of holds as of calls, and of soft caps that are crossed by them."""
        if decision.hold is None or decision.hold.order.asks or decision.reason_code == OPENED:
            return
        notify = self._kit._desk.notify
        if notify.listening:
            notify.admitted(decision.hold, decision, 0.0, copy_context())
            notify.crossed(decision, copy_context())

    def _said(self, questioned: Questioned, decision: Decision, *, replayed: bool = False) -> DecisionSaid:
        hold = decision.hold
        order = hold.order if hold is not None else decision.order or questioned.order()
        error = None if hold is not None else questioned.refusal(decision)
        deciding = decision.deciding
        priced = order.price_id is not None
        return DecisionSaid(
            allowed=decision.allowed,
            reason_code=decision.reason_code,
            status=200 if error is None else error.status,
            message=error.message if error else None,
            remedy=error.remedy if error else None,
            decision_id=decision.id,
            call_id=order.call.id,
            provider=order.call.provider,
            model=order.call.model,
            output_tokens=order.output_tokens if hold is not None else None,
            clamped=decision.clamped,
            cost_usd=usd(order.nano) if priced else None,
            credits=credits(order.nano, self._kit.nano_per_credit) if priced else None,
            limit_state=[limited(state) for state in decision.limits],
            failing=[limited(state) for state in decision.failing],
            limit_source=deciding.source if deciding else decision.source,
            resets_at=iso(deciding.resets_at) if deciding else None,
            retryable=bool(error and error.retryable),
            retry_after=error.retry_after if error else None,
            max_affordable_output_tokens=error.facts.get("maxAffordableOutputTokens", 0) if error else None,
            cheapest_model=error.facts.get("cheapestModel") if error else None,
            soft_caps=[limited(state) for state in decision.soft],
            warnings=[limited(state) for state in decision.warned],
            findings=[finding._asdict() for finding in order.findings],
            text=questioned.text,
            policy_version=decision.policy_version,
            price_id=order.price_id,
            hold=hold_said(hold, self._kit.nano_per_credit) if hold is not None and not order.asks else None,
            replayed=replayed,
        )

    async def _again(self, questioned: Questioned, decision: Decision, tags: Tags) -> Answer:
        """The decision that a question with this idempotency key got before. Raises IdempotencyConflict."""
        earlier, order = decision.earlier, questioned.order()
        assert earlier is not None and order.once is not None and tags.tenant and tags.environment
        if earlier.request_hash != order.once.request_hash or decision.reason_code not in (
            *(IN_PROGRESS, REPLAYED, CONFLICT),
        ):
            raise conflict(decision)
        place = Place(tags.tenant, tags.environment)
        found = await self._ledger.look(place, lambda c: held(c, *place[:2], earlier.attempt, apis=(EVALUATE,)))
        if found is None:
            raise conflict(decision)
        first = decision._replace(
            id=earlier.attempt, reason_code=found.reason_code, hold=found.hold, order=None, earlier=None
        )
        said = self._said(questioned, first, replayed=True).model_copy(
            update={"hold": held_said(found, self._kit.nano_per_credit)}
        )
        return of_json(plain(said), headers={"x-aikit-decision-id": str(earlier.attempt)})


def hold_said(hold: Hold, nano_per_credit: int, *, seconds: int = HOLD_SECONDS) -> HoldSaid:
    """A hold that was taken now."""
    order = hold.order
    return HoldSaid(
        id=order.attempt,
        state="held",
        expires_at=iso(hold.admitted_at + timedelta(seconds=seconds)),
        cost_usd=usd_string(order.nano),
        credits=credits(order.nano, nano_per_credit),
        output_tokens=order.output_tokens,
    )


def held_said(found: Held, nano_per_credit: int) -> HoldSaid:
    """A hold as it was found in the ledger."""
    ended = found.ended
    return hold_said(found.hold, nano_per_credit).model_copy(
        update={"state": "held" if ended is None else str(ended.ending), "expires_at": iso(found.expires_at)}
    )


def _once_of(asking: Asking, question: Question, tags: Tags) -> Once | None:
    key = key_of(asking.exchanged, question.idempotency_key)
    if key is None or not question.hold:
        return None
    return Once(scoped("evaluate", tags, key), digest("evaluate", tags, question))
