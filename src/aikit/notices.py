"""Makes events of what becomes known on the call path, and hands them to whoever tells them on."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextvars import Context
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

from aikit.breaker.model import Breaker
from aikit.errors import Refused
from aikit.events import (
    AttemptAdmitted,
    AttemptEnded,
    AttemptRefused,
    BreakerEvent,
    Event,
    PolicyEvent,
)
from aikit.meter.judge import reason_code
from aikit.types import Decision, Entry, EventKind, Finding, GuardAction, Hold, LimitState, Order, Tags, Watched

log = logging.getLogger("aikit.policy")
MOST_REMEMBERED = 100_000


class Teller(Protocol):
    """Tells events on. It never raises and never blocks, and may be called by a garbage collection."""

    @property
    def awake(self) -> bool:
        """Whether anybody would hear it."""

    def tell(self, event: Event, context: Context | None) -> None:
        """Tell it to whoever listens; `context` has the context variables of the call that it is about."""


class Notices:
    """Takes what happens to attempts. Ask `listening` before making the arguments for the rest of it."""

    def __init__(self, teller: Teller | None = None) -> None:
        self._teller = teller
        self._told: set[object] = set()

    @property
    def listening(self) -> bool:
        """Whether anybody hears it."""
        return self._teller is not None and self._teller.awake

    def admitted(self, hold: Hold, decision: Decision, waited: float, context: Context | None) -> None:
        """An attempt goes on its way. `waited` seconds were needed for its decision."""
        order = hold.order
        about = _about("admitted", order)
        self.tell(AttemptAdmitted(*about, decision.reason_code, order.nano, waited * 1000), context)

    def ended(self, entry: Entry, waited: float, context: Context | None) -> None:
        """An attempt has its ending."""
        order = entry.hold.order
        self.tell(
            AttemptEnded(
                *_about("ended", order),
                entry.ending,
                entry.usage,
                entry.nano,
                entry.estimated,
                entry.status,
                entry.error,
                entry.served_model,
                entry.duration_ms or 0,
                entry.first_byte_ms,
                waited * 1000,
                order.call.prompt.id if order.call.prompt else None,
                _told((*order.findings, *entry.findings)),
            ),
            context,
        )

    def refused(self, order: Order, error: Refused, waited: float, context: Context | None) -> None:
        """An attempt is not sent."""
        decision = error.decision
        self.tell(
            AttemptRefused(
                *_about("refused", order),
                error.code,
                error.status,
                error.retryable,
                error.retry_after,
                decision.deciding if decision else None,
                decision.source if decision else None,
                waited * 1000,
                decision.tripped if decision else (),
                order.call.prompt.id if order.call.prompt else None,
                _told(order.findings),
            ),
            context,
        )

    def crossed(self, decision: Decision, context: Context | None = None) -> None:
        """Take a decision that crossed a soft cap or a cap that only warns, or was made while the ledger was away."""
        assert decision.hold is not None
        order = decision.hold.order
        if decision.hold.opened and self.listening:
            self._policy("ledger_failure", decision.reason_code, None, order, decision, context)
        for state in decision.soft:
            self._once("soft_cap", "ALLOWED_SOFT_CAP", state, order, decision, context)
        for state in decision.warned:
            self._once("would_refuse", reason_code(state), state, order, decision, context)
        for found in decision.tripped:
            self._ran_away(found, order, decision, context)

    def moved(self, was: Breaker, breaker: Breaker) -> None:
        """This process has moved a breaker from one state to another."""
        if self.listening:
            event = BreakerEvent(
                "breaker",
                datetime.now(UTC),
                breaker.provider,
                breaker.model,
                was.state,
                breaker.state,
                breaker.reason,
                None,
            )
            self.tell(event, None)

    def tell(self, event: Event, context: Context | None) -> None:
        """Tell an event to whoever listens."""
        if self._teller is not None:
            self._teller.tell(event, context)

    def _once(
        self, kind: EventKind, code: str, state: LimitState, order: Order, decision: Decision, context: Context | None
    ) -> None:
        """Tell the log and whoever listens, the first time in the limit's window."""
        tenant = order.call.tenant
        if not self._first((kind, tenant, state.limit, state.resets_at)):
            return
        what = "is above its soft cap" if kind == "soft_cap" else f"would be refused ({code})"
        log.warning("%s %s: %s/%s of %s", tenant, what, state.metric, state.window, state.source)
        if self.listening:
            self._policy(kind, code, state, order, decision, context)

    def _ran_away(self, found: Watched, order: Order, decision: Decision, context: Context | None) -> None:
        """The same for a rule against runaways, once a minute."""
        assert decision.hold is not None
        tenant, minute = order.call.tenant, decision.hold.admitted_at.replace(second=0, microsecond=0)
        if not self._first((tenant, found.rule, minute)):
            return
        log.warning("%s would be refused (%s): %s", tenant, found.reason_code, found.label)
        if self.listening:
            self._policy("would_refuse", found.reason_code, None, order, decision, context)

    def _first(self, key: object) -> bool:
        """Whether that has not been told yet."""
        if key in self._told:
            return False
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
        self._told.add(key)
        return True

    def _policy(
        self,
        kind: EventKind,
        code: str,
        state: LimitState | None,
        order: Order,
        decision: Decision,
        context: Context | None,
    ) -> None:
        self.tell(PolicyEvent(*_about(kind, order), code, state, decision), context)


def _told(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Those that are not only recorded."""
    return tuple([finding for finding in findings if finding.action is not GuardAction.ALLOW])


def _about(kind: EventKind, order: Order) -> tuple[EventKind, datetime, UUID, UUID, Tags, str, str, str, bool]:
    """The fields that all events of an attempt begin with."""
    call = order.call
    return (
        kind,
        datetime.now(UTC),
        call.id,
        order.attempt,
        call.tags,
        call.provider,
        call.model,
        call.api,
        call.stream,
    )
