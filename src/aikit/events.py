"""What an application may want to hear of as it happens: a soft cap crossed, a call that would have been refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from aikit.meter.judge import reason_code
from aikit.types import Decision, LimitState, Tags

log = logging.getLogger("aikit.policy")
MOST_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class Event:
    """The first time in a window that this process sees a limit in this state; later calls are silent.

    `soft_cap` is a call allowed above a limit's soft cap, `would_refuse` one that a limit which only warns would have
    refused. `ledger_failure` is each call that is sent unchecked while the ledger is away; there `state` is None.
    `code` is the reason code.
    """

    kind: Literal["soft_cap", "would_refuse", "ledger_failure"]
    code: str
    tags: Tags
    state: LimitState | None
    decision: Decision


Listener = Callable[[Event], None]


class Notices:
    """Tells the log, and a listener if there is one, once for each limit and window."""

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._told: set[object] = set()

    def __call__(self, decision: Decision) -> None:
        """Take a decision that is worth telling of. What the listener raises is logged."""
        assert decision.hold is not None
        tags = decision.hold.order.call.tags
        if decision.hold.opened:
            self._hear(Event("ledger_failure", decision.reason_code, tags, None, decision))
        for state in decision.soft:
            self._tell(Event("soft_cap", "ALLOWED_SOFT_CAP", tags, state, decision), state)
        for state in decision.warned:
            self._tell(Event("would_refuse", reason_code(state), tags, state, decision), state)

    def _tell(self, event: Event, state: LimitState) -> None:
        key = (event.kind, event.tags.tenant, state.limit, state.resets_at)
        if key in self._told:
            return
        if len(self._told) >= MOST_REMEMBERED:
            self._told.clear()
        self._told.add(key)
        what = "is above its soft cap" if event.kind == "soft_cap" else f"would be refused ({event.code})"
        log.warning("%s %s: %s/%s of %s", event.tags.tenant, what, state.metric, state.window, state.source)
        self._hear(event)

    def _hear(self, event: Event) -> None:
        if self._listener is not None:
            try:
                self._listener(event)
            except Exception:
                log.exception("the listener for events failed")
