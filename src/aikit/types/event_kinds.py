"""The kinds of events that an application can hear of (`aikit.events`)."""

from __future__ import annotations

from typing import Literal, get_args

EventKind = Literal["admitted", "ended", "refused", "soft_cap", "would_refuse", "ledger_failure", "breaker"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)
