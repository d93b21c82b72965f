"""What is sent while the ledger is away, for policies that let calls pass then: unchecked, spooled, and said loudly."""

from __future__ import annotations

import logging
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

from aikit.meter.judge import opened
from aikit.meter.spool import Spool, SpoolFull
from aikit.policy.model import Rules
from aikit.types import Call, Decision, Ending, Entry, Order, Tags, new_id

log = logging.getLogger("aikit.meter")

LOUD_EVERY = 10.0
"""Seconds between two critical messages that calls are sent unchecked."""
UNHEARD = "unheard"
"""The error of such an attempt whose process died before it ended."""
MOST_REMEMBERED = 100_000


class Away:
    """Admits the calls of those whose policy said so when it was last heard of. For several threads at once."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._rules: dict[tuple[str, Tags], Rules] = {}
        self._under_way: set[UUID] = set()
        self._lock = threading.Lock()
        self._loud_at = 0.0

    @property
    def busy(self) -> bool:
        """Attempts are under way that only the spool knows of."""
        return bool(self._under_way)

    def learn(self, call: Call, rules: Rules) -> None:
        """Take the rules that a call was decided by."""
        if rules.on_ledger_failure == "open":
            if len(self._rules) >= MOST_REMEMBERED:
                self._rules.clear()
            self._rules[call.tenant, call.tags] = rules
        elif self._rules:
            self._rules.pop((call.tenant, call.tags), None)

    def admit(self, order: Order) -> Decision | None:
        """Decide without the ledger; None where that is not allowed, or can't be made good later.

        What it is presumed to have cost is on disk before it is sent. A request with an idempotency key is not let
        pass, for nobody can tell whether it was sent before.
        """
        rules = self._rules.get((order.call.tenant, order.call.tags))
        if rules is None or order.once is not None:
            return None
        decision = opened(order._replace(attempt=new_id()), rules, datetime.now(UTC))
        hold = decision.hold
        if hold is None:
            return decision
        with self._lock:
            self._under_way.add(hold.order.attempt)
            try:
                entry = Entry(hold, Ending.PRESUMED_SPENT, hold.presumed_nano, estimated=True, error=UNHEARD)
                self._spool.append([entry])
            except SpoolFull as error:
                log.critical("%s Nothing is sent, though a policy lets calls pass while the ledger is away.", error)
                self._under_way.discard(hold.order.attempt)
                return None
            self._say(order.call.tenant)
        return decision

    def ended(self, entry: Entry) -> None:
        """An attempt has ended, and its ending is on its way."""
        if entry.hold.opened:
            self._under_way.discard(entry.hold.order.attempt)

    def _say(self, tenant: str) -> None:
        if time.monotonic() >= self._loud_at:
            self._loud_at = time.monotonic() + LOUD_EVERY
            log.critical(
                "the ledger is away and calls of %s are sent with no limit checked: on_ledger_failure is open", tenant
            )
