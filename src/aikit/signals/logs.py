"""A line for each ending and refusal, its facts as fields of the log record."""

from __future__ import annotations

import logging
from typing import Any

from aikit.events import AttemptEnded, AttemptRefused, Event
from aikit.money import format_usd
from aikit.signals.sink import Sink
from aikit.types import EventKind

log = logging.getLogger("aikit.calls")


class Logs(Sink):
    """Writes to the logger `aikit.calls`, at INFO: awake as long as that is enabled for it."""

    name = "logs"
    kinds: frozenset[EventKind] = frozenset({"ended", "refused"})

    @property
    def awake(self) -> bool:
        return log.isEnabledFor(logging.INFO)

    def hear(self, event: Event) -> None:
        if isinstance(event, AttemptEnded):
            told = event.error or "ok"
            log.info(
                "%s %s/%s for %s: %s, %s in %d ms",
                event.ending, event.provider, event.model, event.tags.tenant, told, format_usd(event.nano),
                event.duration_ms, extra=fields(event),
            )  # fmt: skip
        elif isinstance(event, AttemptRefused):
            log.info(
                "refused %s/%s for %s: %s", event.provider, event.model, event.tags.tenant, event.code,
                extra=fields(event),
            )  # fmt: skip


def fields(event: AttemptEnded | AttemptRefused) -> dict[str, Any]:
    """The facts of an event without the user, who is a person: logs are kept long and read by many."""
    found = event.facts()
    del found["user"], found["at"]
    return found
