"""Events as the call path makes them, for tests of what hears of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aikit.events import AttemptAdmitted, AttemptEnded, AttemptRefused
from aikit.types import Ending, Tags, Usage, new_id

AT = datetime(2026, 11, 21, 10, 30, 12, 345_000, tzinfo=UTC)
ACME = Tags("acme", "u1", "chat", "prod")


def ended(**fields: Any) -> AttemptEnded:
    about: dict[str, Any] = {
        "kind": "ended",
        "at": AT,
        "call_id": new_id(),
        "attempt_id": new_id(),
        "tags": ACME,
        "provider": "openai",
        "model": "gpt-4o-mini",
        "api": "openai.chat",
        "streamed": False,
        "ending": Ending.SETTLED,
        "usage": Usage(input=10, output=7),
        "nano": 1_234,
        "estimated": False,
        "status": 200,
        "error": None,
        "served_model": None,
        "duration_ms": 420,
        "first_byte_ms": 80,
        "overhead_ms": 1.5,
    }
    return AttemptEnded(**about | fields)


def refused(**fields: Any) -> AttemptRefused:
    about: dict[str, Any] = {
        "kind": "refused",
        "at": AT,
        "call_id": new_id(),
        "attempt_id": new_id(),
        "tags": ACME,
        "provider": "openai",
        "model": "gpt-4o-mini",
        "api": "openai.chat",
        "streamed": False,
        "code": "MONTHLY_BUDGET_EXCEEDED",
        "status": 402,
        "retryable": False,
        "retry_after": None,
        "limit": None,
        "source": "plan:pro",
        "overhead_ms": 1.5,
    }
    return AttemptRefused(**about | fields)


def admitted(**fields: Any) -> AttemptAdmitted:
    asked = refused()
    about: dict[str, Any] = {
        name: getattr(asked, name)
        for name in ("at", "call_id", "attempt_id", "tags", "provider", "model", "api", "streamed", "overhead_ms")
    }
    return AttemptAdmitted(**about | {"kind": "admitted", "reason_code": "ALLOWED", "held_nano": 5_000} | fields)
