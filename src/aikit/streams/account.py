"""What a stream comes to: it is read as it passes and ends its attempt, at its terminal event if it has one."""

from __future__ import annotations

import time
from dataclasses import replace

from aikit.attempt import Attempt
from aikit.errors import GuardBlocked, MeteringUnavailable, Refused
from aikit.failures.health import health
from aikit.idempotency import MOST_KEPT
from aikit.policy.model import LEASE_SLICE
from aikit.types import Decision, Extension, Health
from aikit.wire.codec import StreamReader

RENEW_EVERY = 300.0
"""Seconds after which a stream that is still read lets its hold stand for longer."""


class StreamAccount:
    """Reads a stream for its attempt, whoever reads it on: its caller, or a drain once the caller has left."""

    def __init__(self, attempt: Attempt, reader: StreamReader) -> None:
        self.attempt = attempt
        self._reader = reader
        guards = attempt.guards
        self._guard = guards.stream() if guards is not None else None
        self.blocked = False
        """A guard has blocked it: its caller gets nothing more, while it is read on to learn what it costs."""
        self._kept = bytearray() if attempt.is_kept else None
        self._leased = attempt.leased
        self._renew_at = time.monotonic() + RENEW_EVERY

    @property
    def ended(self) -> bool:
        """The attempt has its ending; whatever else comes changes nothing."""
        return self.attempt.receipt is not None

    def is_long(self, chunk: bytes) -> bool:
        """Whether guards look at these bytes longer than an event loop should wait."""
        return self._guard is not None and self.attempt.intake.is_long(chunk)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what to hand on."""
        passed = self._keep(self._checked(self._reader.feed(chunk)))
        if self._reader.done:
            self.settle()
        elif (now := time.monotonic()) >= self._renew_at:
            self._renew_at = now + RENEW_EVERY
            if not self.ended:
                self.attempt.desk.recorder.renew(self.attempt.hold)
        return passed

    def wanted(self) -> Extension | None:
        """What a leased stream must be granted before it is read on: less than half a slice of its lease is left."""
        if not self._leased or self._reader.done:
            return None
        order = self.attempt.hold.order
        seen, leased, limit = self._reader.outcome().output_bytes, order.output_tokens, order.limit or 0
        if leased >= limit or seen <= leased - LEASE_SLICE // 2:
            return None
        return Extension(self.attempt.hold, min(limit, max(seen, leased) + LEASE_SLICE))

    def extended(self, decision: Decision) -> bytes | None:
        """Take the decision on what was wanted. Returns None to read on, else what the stream is to end with."""
        error = self.attempt.extended(decision)
        return None if error is None else self._cut(error)

    def unanswered(self, error: MeteringUnavailable) -> bytes | None:
        """Nobody can decide on what was wanted. Returns None to read on all the same, if the policy says so."""
        decision = self.attempt.decision
        if decision is not None and decision.rules is not None and decision.rules.on_ledger_failure == "open":
            self._leased = False
            return None
        return self._cut(error)

    def _cut(self, error: Refused) -> bytes:
        """End the stream, and its attempt by what was seen of it. Returns the error in the API's own form."""
        self.attempt.outcome(replace(self._reader.outcome(), finished=False, error=error.code))
        return self._end_with(error)

    def _end_with(self, error: Refused) -> bytes:
        attempt = self.attempt
        attempt.stopped = error
        event = attempt.codec.stream_error(error, request_id=str(attempt.hold.order.attempt))
        return (self._guard or self._reader).cut(event)

    def finish(self) -> bytes:
        """The stream is at its end. Returns what was held back."""
        rest = self._keep(self._checked(self._reader.flush(), last=True))
        self._settle(Health.FAILED)
        return rest

    def settle(self, error: BaseException | None = None) -> None:
        """End the attempt by what was seen, unless it has ended. `error` broke it off; None: nobody reads on."""
        self._settle(health(None, None, error))

    def _settle(self, broken: Health) -> None:
        self.attempt.outcome(self._reader.outcome(), bytes(self._kept or b""), broken)

    def _checked(self, passed: bytes, *, last: bool = False) -> bytes:
        """What of it guards let pass; if one blocks it, what may pass before, and the error in the API's own form."""
        if self._guard is None or self.blocked:
            return b"" if self.blocked else passed
        checked = b""
        try:
            checked = self._guard.feed(passed)
            return checked + self._guard.flush() if last else checked
        except GuardBlocked as error:
            self.blocked = True
            self.attempt.block(error)
            return checked + error.released + self._end_with(error)

    def _keep(self, passed: bytes) -> bytes:
        """Collect the answer for the request's idempotency key, unless it is longer than what is kept."""
        if self._kept is not None and len(self._kept) <= MOST_KEPT:
            self._kept += passed
        return passed
