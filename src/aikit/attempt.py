"""One attempt: what was decided on its order, and its one ending. No I/O."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from aikit.config import Provider
from aikit.desk import Desk
from aikit.errors import MeteringUnavailable, Refused
from aikit.failures.said import plain
from aikit.guarding import Guarding
from aikit.headers import of_decision, of_findings, rate_limits
from aikit.idempotency import kept, replay, taken
from aikit.intake import Intake
from aikit.meter.judge import affordable
from aikit.money import credits, usd_string
from aikit.refusal import metadata, refused
from aikit.types import (
    GUARD_BLOCKED,
    Answer,
    Decision,
    Earlier,
    Entry,
    Finding,
    Health,
    Hold,
    Metric,
    Order,
    Refusal,
    Tags,
    Usage,
)
from aikit.verdict import Verdict, answered, lost, rejected
from aikit.wire.codec import Codec, Demand, Outcome, WireReply, WireRequest


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an attempt came to. `usage` None means that the provider did not say; then `estimated` is true."""

    decision: Decision
    usage: Usage | None
    nano: int
    estimated: bool


class Attempt:
    """One wire request on its way. Its `intake` first, then `order`, `decided`, and one of the endings."""

    def __init__(
        self, codec: Codec, request: WireRequest, provider: Provider, tags: Tags, desk: Desk, *, api: str | None = None
    ) -> None:
        """`api` names what was asked for where that is not what the codec reads: it then only words the refusal."""
        self.codec = codec
        self.desk = desk
        self.intake = Intake(codec, request, provider, tags, desk, api)
        self.receipt: Receipt | None = None
        self._granted: Order | None = None
        self.stopped: Refused | None = None
        """Why its stream ends in an error of ours."""
        self._withheld: Refused | None = None
        """What a guard has against the response."""
        self.decision: Decision | None = None
        self.leased = False
        """Its hold covers only a part of what its request may come to, and is to be extended."""
        self.replayed: WireReply | None = None
        """The answer to an earlier request with the same idempotency key: this one is not sent."""
        self._started = time.monotonic()
        self._asked: float | None = None
        self._waited = 0.0
        self._context = copy_context() if desk.notify.listening else None
        """The caller's context variables; None: nobody listens."""
        self._first_byte_ms: int | None = None
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}

    @property
    def _order(self) -> Order:
        """As it was decided on, or as far as it is known."""
        return self._granted or self.intake.so_far

    @property
    def demand(self) -> Demand:
        """What the request asks for."""
        return self.intake.demand

    @property
    def guards(self) -> Guarding | None:
        """What checks its texts; None: nothing does."""
        return self.intake.guards

    def order(self) -> Order:
        """Read and price the request. Raises Refused when that can't be done."""
        order = self.intake.order()
        self._asked = time.monotonic()
        return order

    def decided(self, decision: Decision) -> None:
        """Take the meter's decision, and write the granted output limit into the request. Raises Refused for a no."""
        self._answered()
        self.decision = decision
        if decision.earlier is not None and self._repeats(decision, decision.earlier):
            return
        if decision.hold is None:
            self._granted = decision.order
            if (blocked := self.intake.blocked) is not None and decision.reason_code == GUARD_BLOCKED:
                blocked.decision = decision
                raise blocked
            raise refused(
                decision,
                self._order,
                affordable=affordable(self._order, decision.failing) if decision.failing else 0,
                cheaper=self._cheaper(decision),
                nano_per_credit=self.desk.nano_per_credit,
            )
        self.hold: Hold = decision.hold
        granted = self.hold.order
        self.leased = granted.limit is not None
        written = granted.limit or granted.output_tokens
        if written != self._order.output_tokens:
            self.intake.read(written, most=written)
            if not granted.named and not decision.clamped:
                self.desk.granted(granted)
        if granted.bound is not None:
            self.intake.price = decision.rules.unpriced
        self._granted = granted
        if self._context is not None:
            self.desk.notify.admitted(self.hold, decision, self._waited, self._context)
        if decision.soft or decision.warned or decision.tripped or self.hold.opened:
            self.desk.notify.crossed(decision, self._context)

    def _answered(self) -> None:
        """The meter has decided, or said that it can't."""
        if self._asked is not None:
            self._waited, self._asked = time.monotonic() - self._asked, None

    def _repeats(self, decision: Decision, earlier: Earlier) -> bool:
        """Whether the answer to an earlier request is given again. Raises Refused if it ought to be and can't."""
        self.replayed = replay(decision, self.desk.safe)
        if self.replayed is not None:
            self.receipt = Receipt(decision, Usage(), 0, estimated=False)
        elif error := taken(decision, self._order.once.request_hash if self._order.once else b""):
            raise error
        return self.replayed is not None

    def refusal(self, error: Refused) -> WireReply:
        """The refusal in the API's own shape; recorded, unless the meter has done that or can't."""
        if error.decision is None and not isinstance(error, MeteringUnavailable):
            self.desk.recorder.refuse(Refusal(self._order, error.code))
        self._answered()
        if self._context is not None:
            self.desk.notify.refused(self._order, error, self._waited, self._context)
        return self._worded(error)

    def _worded(self, error: Refused) -> WireReply:
        request_id = str(self._order.attempt)
        reply = self.codec.refusal(error, request_id=request_id, metadata=metadata(error, self._order.attempt))
        return WireReply(reply.status, {**reply.headers, **self.headers()}, reply.body)

    def began(self, status: int, headers: Mapping[str, str]) -> None:
        """The response has begun."""
        self._status = status
        self._headers = headers
        self._first_byte_ms = self._elapsed_ms()

    @property
    def failed(self) -> bool:
        """The provider answered with an error or a redirection, which it does not bill."""
        return self._status is not None and self._status >= 300

    def checked(self, body: bytes) -> bytes | Refused:
        """What of a whole answer may be handed on, or why none of it may."""
        assert self.guards is not None
        try:
            return self.guards.response(body)
        except Refused as error:
            return error

    def whole(self, body: bytes, handed_on: bytes) -> None:
        """End by a response that was read whole, and what of it is handed on."""
        if self._status is not None and self.failed:
            self._end(rejected(self._status, self._headers, body))
        else:
            self.outcome(self.codec.read_response(body), handed_on)

    def withheld(self, body: bytes, error: Refused) -> WireReply:
        """End by a response that a guard has blocked: it is charged. Returns what the caller gets instead."""
        self.block(error)
        self.outcome(self.codec.read_response(body))
        return self._worded(error)

    def unheard(self, body: bytes) -> None:
        """End by a response that was read whole, and whose caller left while guards looked at it."""
        self.outcome(self.codec.read_response(body))

    def block(self, error: Refused) -> None:
        """A guard has blocked the response; what it cost is still to be found out."""
        error.decision = self.decision
        self._withheld = error

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What guards have found in the request and in the response."""
        return () if self.guards is None else (*self.guards.input_findings, *self.guards.output_findings)

    @property
    def is_kept(self) -> bool:
        """The answer is to be kept for the request's idempotency key."""
        return self._order.once is not None and self.desk.safe is not None

    def outcome(self, outcome: Outcome, body: bytes | None = None, broken: Health | None = None) -> None:
        """End by what the response says was used; without that, at the upper bound and marked as estimated.

        `body` is there to be kept for an idempotency key; None: nothing is. `broken` is what it says about its provider
        that the response has not finished.
        """
        if self.receipt is not None:  # a stream is finished again when nobody holds it any more
            return
        intake = self.intake
        price = intake.price if self._order.bound is not None else intake.price_of(outcome.service_tier)
        slow = self.demand.stream and timedelta(milliseconds=self._first_byte_ms or 0) > self.desk.slow_after
        found = answered(outcome, price, self._most(outcome), status=self._status, slow=slow, broken=broken)
        if found.exact and found.price is not None:
            self.desk.served(self._order, found.price)
        if self._withheld is not None:
            found = found._replace(error=self._withheld.code)
        keeps = body is not None and found.exact and self.is_kept and self._withheld is None
        self._end(found, kept(body or b"", stream=self.demand.stream, safe=self.desk.safe) if keeps else None)

    def extended(self, decision: Decision) -> Refused | None:
        """Take the meter's decision on a stream that asked to hold more. Returns why it may not, None if it may."""
        if decision.hold is not None:
            self.hold, self._granted = decision.hold, decision.hold.order
            return None
        order = decision.order or self._order
        return refused(decision, order, affordable=0, nano_per_credit=self.desk.nano_per_credit)

    def _most(self, outcome: Outcome) -> int:
        """The most that it can have cost: its hold, or what was seen of a leased stream that ran ahead of its hold."""
        order = self.hold.order
        if not self.leased or order.cost is None or order.limit is None:
            return order.nano
        return max(order.nano, order.cost.nano(min(order.limit, outcome.output_bytes)))

    def lost(self, error: BaseException) -> None:
        """End by an exception: void what was never sent or not billed, presume the rest spent."""
        self._end(lost(error, self.hold, billed=not self.failed))

    @property
    def call_id(self) -> UUID:
        """The call that this attempt belongs to."""
        return self._order.call.id

    def headers(self) -> dict[str, str]:
        """Our response headers, as far as they are known by now."""
        headers = {
            "x-aikit-decision-id": str(self._order.attempt),
            "x-aikit-call-id": str(self._order.call.id),
            "x-aikit-overhead-ms": f"{self._waited * 1000:.1f}",
        }
        if self.receipt is not None:
            headers["x-aikit-cost-usd"] = usd_string(self.receipt.nano)
            headers["x-aikit-credits"] = str(credits(self.receipt.nano, self.desk.nano_per_credit))
        if self.decision is not None:
            headers |= of_decision(self.decision, self._order, self.desk.nano_per_credit)
            headers |= rate_limits(self.decision, datetime.now(UTC))
        return headers | of_findings(self.findings)

    def _cheaper(self, decision: Decision) -> str | None:
        """The cheapest allowed model of the provider that would fit where this one is too dear."""
        credits = [state for state in decision.failing if state.metric is Metric.CREDITS]
        if self._order.bound is not None or not credits or len(credits) < len(decision.failing):
            return None
        left = min(state.cap - state.counted for state in credits)
        most = min(left, self._order.nano - 1)
        found = self.desk.cheapest(self.intake.provider, decision.rules, self.demand.bound)
        return next((offer.name for offer in found if offer.nano <= most), None)

    def _end(self, found: Verdict, answer: Answer | None = None) -> None:
        if self.receipt is not None:
            return
        assert self.decision is not None
        self.receipt = Receipt(self.decision, found.usage, found.nano, found.estimated)
        price = found.price
        if price is not None and price.id != self._order.price_id:
            self.desk.prices[price.id] = price
        entry = Entry(
            self.hold,
            found.ending,
            found.nano,
            found.usage,
            found.estimated,
            status=self._status,
            error=plain(found.error),
            served_model=plain(found.model) if found.model != self.demand.model else None,
            price_id=price.id if price else None,
            duration_ms=self._elapsed_ms(),
            first_byte_ms=self._first_byte_ms,
            answer=answer,
            health=found.health,
            retry_after=found.retry_after,
            findings=self.guards.output_findings if self.guards else (),
        )
        self.desk.recorder.end(entry)
        if self._context is not None:
            self.desk.notify.ended(entry, self._waited, self._context)

    def _elapsed_ms(self) -> int:
        return int((time.monotonic() - self._started) * 1000)
