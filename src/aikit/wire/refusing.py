"""The parts of a refusal that all APIs share: the headers that steer an SDK's retries, the message, the JSON reply."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aikit.errors import AIKitError, Refused
from aikit.wire.codec import WireReply


def retry_after(error: AIKitError) -> float | None:
    """Seconds until a new attempt makes sense, None if that is not known."""
    return error.retry_after if isinstance(error, Refused) else None


def headers(error: AIKitError) -> dict[str, str]:
    """`x-should-retry` always; the delay in whole seconds and in milliseconds, rounded up, if it is known."""
    found = {"content-type": "application/json", "x-should-retry": "true" if error.retryable else "false"}
    delay = retry_after(error)
    if delay is not None:
        found["retry-after"] = str(max(1, math.ceil(delay)))
        found["retry-after-ms"] = str(max(1, math.ceil(delay * 1000)))
    return found


def reply(error: AIKitError, body: Mapping[str, Any], **more_headers: str) -> WireReply:
    """`body` as the whole reply to a refused attempt. Header names are given with underscores."""
    extra = {name.replace("_", "-"): value for name, value in more_headers.items()}
    return WireReply(error.status, headers(error) | extra, to_json(body))


def sse(body: Mapping[str, Any], event: str | None = None) -> bytes:
    """`body` as one server-sent event."""
    head = b"" if event is None else b"event: " + event.encode() + b"\n"
    return head + b"data: " + to_json(body) + b"\n\n"


def kind(error: AIKitError) -> str:
    """The error's type in snake case, as OpenAI-shaped bodies have it."""
    return error.kind if isinstance(error, Refused) else error.slug


def to_json(value: Any) -> bytes:
    """Compact JSON; times (UTC), ids and other values that JSON has no form for become strings."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_plain).encode(errors="replace")


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return str(value)
