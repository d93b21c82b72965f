"""POST /v1/usage: what a request used, by the hold that was taken for it or without one. It is charged once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa

from aikit.errors import RequestInvalid
from aikit.headers import prompt_of
from aikit.ledger.held import Held, held
from aikit.ledger.locks import reporting
from aikit.ledger.reported import claim
from aikit.money import credits, usd_string
from aikit.pricing.price import Price
from aikit.serve.answers import Answer, of_json
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.once import conflict, digest, key_of, scoped
from aikit.serve.control.pricing import EVALUATE, named
from aikit.serve.control.settling import EndSaid, Report, cost_of, ending_of, same, voiding
from aikit.serve.control.whose import Place, place_of, tags_for
from aikit.serve.endpoints import Asking, Endpoint, not_found, plain, unavailable
from aikit.serve.model import Right
from aikit.types import Bound, Call, Ending, Entry, Hold, Order, Usage, new_id

REPORT = "usage"
"""The API of what was used without a hold."""
POSTED_WITHIN = 8.0
"""Seconds that the ledger has to take an ending before it is said to be away. It is posted all the same, later."""
MOST_UNTOLD = 10_000
"""So many endings that the ledger was not there for are remembered, to be told once it has them."""
DESCRIPTION = """
Ends a hold with what was used, or records what was used without one. The actual amount is always charged, be it above
the hold or above a cap. A hold is settled once: the same report again is answered alike and posts nothing, another one
is refused with 422. A hold that expired in the meantime was presumed spent; its report is posted as a correction.

Without `hold`, give `model`, `usage`, and a `usage_id` or an Idempotency-Key, which is kept for 24 hours. Such usage
was never asked for, so no limit could stop it: it counts against all of them from now on, tokens and money and one
request. A model without a known price is recorded with its tokens and without a cost.
"""
SETTLED = {
    "hold": "0198e6a2-7a3c-7cc0-9f61-2f3d5a1b4c77",
    "usage": {"input": 300, "output": 120},
    "status": 200,
    "duration_ms": 840,
}


class Reporting:
    """Takes reports, and ends holds by their ids. Any process can end what another has taken."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kit = ledger.kit
        self._untold: dict[UUID, None] = {}
        """Attempts whose endings this process has given to the meter, and nobody has heard of."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                "POST",
                "/v1/usage",
                Right.EVALUATE,
                "Report what was used; settles a hold",
                self.run,
                answer=EndSaid,
                body=Report,
                text=DESCRIPTION,
                errors=(404, 422),
                once=True,
                example=SETTLED,
            ),
        )

    async def run(self, asking: Asking) -> Answer:
        report: Report = asking.body
        if report.hold is None:
            return await self._record(asking, report)
        _check_with_hold(report)
        place, hold = place_of(asking.exchanged), report.hold
        return said(await self._ledger.do(lambda: self._end(place, hold, report)))

    def _end(self, place: Place, id: UUID, report: Report | None, why: str | None = None) -> EndSaid:
        """End a hold by a report, or void it without one; blocks. Raises RequestInvalid (404), IdempotencyConflict."""
        with self._alone(id):
            found = self.found(place, id)
            entry = voiding(found, why) if report is None else ending_of(found, report)
            ended = found.ended
            if ended is None or ended.ending is Ending.PRESUMED_SPENT:
                found, ended = self._post(place, entry)
            self._tell(found)
        if not same(entry, ended):
            raise conflict_of_hold(id, ended)
        return end_said(found, self._kit.nano_per_credit)

    def void(self, place: Place, id: UUID, why: str | None) -> EndSaid:
        """Give a hold back; blocks."""
        return self._end(place, id, None, why)

    def found(self, place: Place, id: UUID) -> Held:
        with self._ledger.seen(place) as connection:
            found = held(connection, place.tenant, place.environment, id, apis=(EVALUATE,))
        if found is None or not is_of(found, place):
            raise not_found("hold", str(id))
        return found

    def _post(self, place: Place, entry: Entry) -> tuple[Held, Entry]:
        """Post an ending, and see what came of it. Raises MeteringUnavailable if the ledger has not taken it yet."""
        meter, order = self._kit.meter, entry.hold.order
        if len(self._untold) >= MOST_UNTOLD:
            del self._untold[next(iter(self._untold))]
        self._untold[order.attempt] = None
        meter.end(entry)
        meter.flush(POSTED_WITHIN)
        with self._ledger.seen(place) as connection:
            found = held(connection, place.tenant, place.environment, order.attempt, apis=(order.call.api,), ended=True)
        if found is None or found.ended is None:
            raise unavailable()
        return found, found.ended

    def _tell(self, found: Held) -> None:
        """Whoever listens hears of an ending that this process has posted, as it is in the ledger, and once."""
        attempt, notify = found.hold.order.attempt, self._kit._desk.notify
        if attempt in self._untold and found.ended is not None:
            del self._untold[attempt]
            if notify.listening:
                notify.ended(found.ended._replace(nano=found.nano), 0.0, copy_context())

    @contextmanager
    def _alone(self, attempt: UUID) -> Iterator[None]:
        """Others who report the same attempt, here or in another process, wait and then see what came of it."""
        with self._ledger.changing() as connection:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*reporting(attempt))))
            yield

    async def _record(self, asking: Asking, report: Report) -> Answer:
        key = key_of(asking.exchanged, report.usage_id)
        model, usage = _check_without_hold(report, key)
        assert key is not None
        tags = tags_for(asking.exchanged, report.user, report.feature)
        provider, name = named(self._kit, report.provider, model)
        prompt = prompt_of(asking.exchanged.headers)
        call = Call(new_id(), tags, provider, name, REPORT, report.stream, prompt)
        price = await self._price(call, usage)
        nano = cost_of(price, usage)
        assert tags.tenant is not None and tags.environment is not None
        place = Place(tags.tenant, tags.environment)

        def post() -> EndSaid:
            hashed = digest(REPORT, tags, report)
            with self._ledger.changing() as connection:
                taken = claim(connection, call.tenant, scoped(REPORT, tags, key), new_id(), hashed)
            if taken.request_hash != hashed:
                raise conflict()
            entry = _unheld(taken.attempt, call, report, usage, price, nano)
            with self._alone(taken.attempt):
                with self._ledger.seen(place) as connection:
                    found = held(connection, *place[:2], taken.attempt, apis=(REPORT,), ended=True)
                if found is None:
                    found, _ = self._post(place, entry)
                self._tell(found)
            return end_said(found, self._kit.nano_per_credit).model_copy(update={"usage_id": key})

        return said(await self._ledger.do(post))

    async def _price(self, call: Call, usage: Usage) -> Price | None:
        """The model's price, or the one that the policies set for models without one; None: there is none."""
        price = self._kit.book.find(call.provider, call.model, at=datetime.now(UTC))
        if price is None or cost_of(price, usage) is None:
            question = Order(new_id(), call, 0, 0, bound=Bound(0, 0), guarded=None)
            decision = await self._kit.meter.admit_async(question, opens=False)
            price = (decision.rules and decision.rules.unpriced) or price
        if price is None or cost_of(price, usage) is None:
            return None
        self._kit._prices[price.id] = price
        return price


def is_of(found: Held, place: Place) -> bool:
    """Whether a key that is bound to a user or a feature may see it."""
    tags = found.hold.order.call.tags
    return (place.user is None or tags.user == place.user) and (place.feature is None or tags.feature == place.feature)


def said(end: EndSaid) -> Answer:
    """The answer, with the headers that a call's answer has."""
    headers = {"x-aikit-call-id": str(end.call_id), "x-aikit-decision-id": str(end.attempt)}
    if end.cost_usd is not None:
        headers |= {"x-aikit-cost-usd": end.cost_usd, "x-aikit-credits": str(end.credits)}
    return of_json(plain(end), headers=headers)


def end_said(found: Held, nano_per_credit: int) -> EndSaid:
    """How an attempt ended, by what is in the ledger."""
    ended, order = found.ended, found.hold.order
    assert ended is not None
    priced = order.price_id is not None or found.nano != 0
    return EndSaid(
        attempt=order.attempt,
        call_id=order.call.id,
        state=str(ended.ending),
        cost_usd=usd_string(found.nano) if priced else None,
        credits=credits(found.nano, nano_per_credit) if priced else None,
        estimated=ended.estimated,
        corrected=found.lines[0] is not ended,
        usage=None if ended.usage is None else ended.usage.classes(),
        usage_id=None,
    )


def conflict_of_hold(id: UUID, ended: Entry) -> Exception:
    """A hold ends once, and it has ended otherwise."""
    error = conflict(attempt=id)
    error.message = f"The hold {id} has been {ended.ending} by another report."
    error.remedy = "What was used on top is reported without a hold, with a usage_id."
    error.args = (error.message,)
    return error


def _check_with_hold(report: Report) -> None:
    for name in ("provider", "model", "user", "feature", "usage_id"):
        if getattr(report, name) is not None:
            raise RequestInvalid(
                f"{name} is the hold's, and can't be another one.", facts={"field": name}, remedy=f"Leave {name} out."
            )


def _check_without_hold(report: Report, key: str | None) -> tuple[str, Usage]:
    missing = [name for name in ("model", "usage") if getattr(report, name) is None]
    missing += ["usage_id"] if key is None else []
    if missing or report.model is None or report.usage is None:
        raise RequestInvalid(
            f"Without a hold {missing[0]} is needed.",
            facts={"field": missing[0], "missing": missing},
            remedy="Give hold; or model, usage, and usage_id or the header Idempotency-Key.",
        )
    return report.model, report.usage.as_usage()


def _unheld(attempt: UUID, call: Call, report: Report, usage: Usage, price: Price | None, nano: int | None) -> Entry:
    """The ending of an attempt that was never asked for, made when its report first came."""
    tokens, output = usage.total_tokens, usage.output_tokens
    order = Order(attempt, call, nano or 0, tokens, price.id if price else None, output)
    came = datetime.fromtimestamp((attempt.int >> 80) / 1000, UTC)
    estimated = report.estimated or price is None
    return Entry(
        Hold(order, (), came, opened=True, recorded=True),
        Ending.SETTLED,
        nano or 0,
        usage,
        estimated,
        status=report.status,
        error=report.error,
        served_model=report.served_model,
        duration_ms=report.duration_ms,
        first_byte_ms=report.first_byte_ms,
    )
