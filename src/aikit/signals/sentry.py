"""Sentry: failures of providers and of the ledger, each with the scope of its call, and nothing of what was said.

The exceptions are made here. Those that were raised have frames with local variables, and prompts are among them.
"""

from __future__ import annotations

import sentry_sdk

from aikit.errors import AIError, AIKitError, MeteringUnavailable
from aikit.events import AttemptEnded, AttemptRefused, Event
from aikit.signals.sink import Sink
from aikit.types import EventKind

EVERYDAY = frozenset({"RATE_LIMITED", "CONTENT_FILTERED"})
"""Failures that nobody has to look at."""


class Sentry(Sink):
    """Reports through the SDK as the application has set it up; without that, to nobody."""

    name = "sentry"
    kinds: frozenset[EventKind] = frozenset({"ended", "refused"})

    @property
    def awake(self) -> bool:
        return bool(sentry_sdk.is_initialized())

    def hear(self, event: Event) -> None:
        if isinstance(event, AttemptEnded):
            code = event.failure
            if code is None or code in EVERYDAY:
                return
            said = " ".join(str(word) for word in (event.status, event.error) if word is not None)
            error: AIKitError = AIError(
                f"{event.provider} failed: {code} ({said}).",
                provider=event.provider,
                code=code,
                status=event.status,
                remedy="",
            )
        elif isinstance(event, AttemptRefused) and event.code == MeteringUnavailable.code:
            code, error = event.code, MeteringUnavailable(remedy="")
        else:
            return
        tags = {
            "aikit.code": code,
            "aikit.provider": event.provider,
            "aikit.model": event.model,
            "aikit.tenant": event.tags.tenant,
            "aikit.feature": event.tags.feature,
            "aikit.call_id": str(event.call_id),
            "aikit.attempt_id": str(event.attempt_id),
        }
        sentry_sdk.capture_exception(
            error,
            tags={name: value for name, value in tags.items() if value},
            fingerprint=["aikit", event.provider, code],
        )
