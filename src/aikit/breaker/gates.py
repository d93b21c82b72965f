"""The breakers as a batch finds them, and as it leaves them: it may let probes through. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from aikit.breaker.machine import gate, probing
from aikit.breaker.model import TUNING, WHOLE, Breaker, Key, Tuning
from aikit.types import Decision

BREAKER_OPEN = "BREAKER_OPEN"


class Gates:
    """Breakers by provider and model; those that are not there are closed. `version` is that of all of them."""

    def __init__(
        self, version: int = 0, breakers: Mapping[Key, Breaker] | None = None, tuning: Tuning = TUNING
    ) -> None:
        self.version = version
        self.breakers = dict(breakers or {})
        self.tuning = tuning
        self.tried: dict[Key, Breaker] = {}
        """Those that let a probe through."""

    def copy(self) -> Gates:
        """To be changed by one batch."""
        return Gates(self.version, self.breakers, self.tuning)

    def after(self) -> Gates:
        """As they stand once the batch has been posted."""
        if not self.tried:
            return self
        moved = {key: breaker._replace(revision=breaker.revision + 1) for key, breaker in self.tried.items()}
        return Gates(self.version + 1, self.breakers | moved, self.tuning)

    def admit(self, decision: Decision, now: datetime) -> Decision:
        """The decision on an order that nothing else stands in the way of; refused if a breaker does."""
        hold = decision.hold
        if hold is None:
            return decision
        call = hold.order.call
        found = [self.breakers.get((call.provider, model)) for model in (call.model, WHOLE)]
        probes = []
        for breaker in found:
            if breaker is None:
                continue
            says = gate(breaker, now, self.tuning)
            if not says.passes:
                return _refused(decision, breaker, says.until, now)
            if says.probe:
                probes.append(breaker)
        for breaker in probes:
            tried = probing(breaker, hold.order.attempt, now, self.tuning)
            self.breakers[breaker.key] = self.tried[breaker.key] = tried
        return decision


def _refused(decision: Decision, breaker: Breaker, until: datetime | None, now: datetime) -> Decision:
    assert decision.hold is not None
    return Decision(
        decision.id,
        BREAKER_OPEN,
        decision.limits,
        policy_version=decision.policy_version,
        source=f"breaker:{breaker.name}",
        order=decision.hold.order,
        rules=decision.rules,
        retry_after=None if until is None else max(0.001, (until - now).total_seconds()),
        watch=decision.watch,
    )
