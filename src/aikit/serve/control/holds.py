"""POST /v1/holds/{id}/void and /extend: a hold that is given back, or stands longer and covers more."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from pydantic import Field

from aikit.errors import MeteringUnavailable, RequestInvalid
from aikit.ledger.held import Held
from aikit.ledger.tables import holds
from aikit.meter.judge import affordable
from aikit.meter.opening import HOLD_SECONDS
from aikit.refusal import refused
from aikit.serve.answers import Answer, of_json
from aikit.serve.control.evaluate import held_said
from aikit.serve.control.fields import Count, Word
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.pricing import EVALUATE
from aikit.serve.control.questions import HoldSaid
from aikit.serve.control.settling import EndSaid
from aikit.serve.control.usage import Reporting, conflict_of_hold, said
from aikit.serve.control.whose import Place, place_of
from aikit.serve.endpoints import Asking, Body, Endpoint, not_found, plain
from aikit.serve.model import Right
from aikit.types import Extension

LONGEST = 24 * 3600
ID = {"id": {"type": "string", "format": "uuid"}}


class Void(Body):
    """Why it is given back."""

    reason: Word | None = None


class Longer(Body):
    """For how long from now on, and how much output it is to cover in all."""

    seconds: int = Field(HOLD_SECONDS, ge=1, le=LONGEST, description="From now on.")
    output_tokens: Count | None = Field(None, description="In all, more than it covers now; decided like a call.")


class Holds:
    """Ends and extends holds by their ids."""

    def __init__(self, ledger: Ledger, reporting: Reporting) -> None:
        self._ledger, self._kit, self._reporting = ledger, ledger.kit, reporting

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Endpoint(
                "POST",
                "/v1/holds/{id}/void",
                Right.EVALUATE,
                "Give a hold back: nothing was sent, or nobody bills it",
                self.void,
                answer=EndSaid,
                body=Void,
                body_needed=False,
                text="Given back again it is answered alike. One that has been settled is refused with 422.",
                errors=(404, 422),
                example={"reason": "the caller left"},
                params=ID,
            ),
            Endpoint(
                "POST",
                "/v1/holds/{id}/extend",
                Right.EVALUATE,
                "Let a hold stand longer, and cover more output",
                self.extend,
                answer=HoldSaid,
                body=Longer,
                body_needed=False,
                text="More output is decided as a call is, and refused in its words; the hold then stays as it is.",
                errors=(402, 403, 404, 422),
                example={"seconds": 1800, "output_tokens": 2000},
                params=ID,
            ),
        )

    async def void(self, asking: Asking) -> Answer:
        place, id = place_of(asking.exchanged), hold_id(asking)
        why = asking.body.reason
        return said(await self._ledger.do(lambda: self._reporting.void(place, id, why)))

    async def extend(self, asking: Asking) -> Answer:
        place, id, longer = place_of(asking.exchanged), hold_id(asking), asking.body
        found = await self._ledger.do(lambda: self._standing(place, id))
        if longer.output_tokens is not None:
            await self._grow(found, longer.output_tokens)
        found = await self._ledger.do(lambda: self._renewed(place, id, longer.seconds))
        return of_json(plain(held_said(found, self._kit.nano_per_credit)))

    def _standing(self, place: Place, id: UUID) -> Held:
        """The hold. Raises RequestInvalid (404) without one, IdempotencyConflict (422) for one that has ended."""
        found = self._reporting.found(place, id)
        if found.ended is not None:
            raise conflict_of_hold(id, found.ended)
        return found

    async def _grow(self, found: Held, output_tokens: int) -> None:
        order = found.hold.order
        if output_tokens <= order.output_tokens:
            raise RequestInvalid(
                f"It covers {order.output_tokens:,} output tokens already.",
                facts={"field": "output_tokens"},
                remedy="Ask for more, or leave output_tokens out.",
            )
        try:
            decision = await self._kit.meter.extend_async(Extension(found.hold, output_tokens))
        except MeteringUnavailable as error:
            if error.retryable:
                raise
            raise not_found("hold", str(order.attempt)) from None  # it ended this moment
        if decision.hold is None:
            asked = decision.order or order
            fits = affordable(asked, decision.failing) if decision.failing else 0
            raise refused(decision, asked, affordable=fits, nano_per_credit=self._kit.nano_per_credit)

    def _renewed(self, place: Place, id: UUID, seconds: int) -> Held:
        own = holds.c
        until = sa.func.now() + sa.func.make_interval(0, 0, 0, 0, 0, 0, seconds)
        renewing = (
            sa.update(holds)
            .where(own.tenant == place.tenant, own.attempt == id, own.environment == place.environment)
            .where(own.api == EVALUATE)
            .values(expires_at=until)
        )
        with self._ledger.changing() as connection:
            connection.execute(renewing)
        return self._standing(place, id)


def hold_id(asking: Asking) -> UUID:
    """The id in the path. Raises RequestInvalid (404) for what is none, as for one that is not there."""
    try:
        return UUID(asking.params["id"])
    except ValueError:
        raise not_found("hold", asking.params["id"]) from None
