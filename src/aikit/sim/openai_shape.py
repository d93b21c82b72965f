"""What OpenAI's APIs have in common: error bodies and plain SSE framing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.sim.api import Event
from aikit.sim.http import Request

_ERRORS: dict[int, tuple[str, str | None]] = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
}


class OpenAIShape:
    """The shared half of the three APIs."""

    id_header = "x-request-id"

    def stream_type(self, request: Request) -> str:
        return "text/event-stream; charset=utf-8"

    def frame(self, request: Request, data: str, event: Event, index: int, last: bool) -> str:
        return f"data: {data}\n\n" if event.name is None else f"event: {event.name}\ndata: {data}\n\n"

    def error(self, status: int, code: str | None, message: str, id: str, retry_after: float | None) -> dict[str, Any]:
        kind, usual = _ERRORS.get(status, ("server_error", None) if status >= 500 else ("invalid_request_error", None))
        if code == "insufficient_quota":
            kind = code
        return {"error": {"message": message, "type": kind, "param": None, "code": code or usual}}

    def error_event(self, status: int, code: str | None, message: str, id: str) -> Event:
        return Event(self.error(status, code, message, id, None), pieces=0)


def tier(body: Mapping[str, Any]) -> str:
    """The service tier that answered: the one that was asked for, or the default."""
    asked = body.get("service_tier")
    return asked if isinstance(asked, str) and asked != "auto" else "default"
