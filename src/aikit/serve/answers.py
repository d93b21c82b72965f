"""What the server itself answers: JSON, and errors in the words of the API that was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from aikit.errors import AIKitError, Refused
from aikit.refusal import metadata, native_body
from aikit.serve.model import Send
from aikit.serve.routes import Shape
from aikit.types import new_id
from aikit.wire import refusing, registry

SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cache-control": b"no-store",
}
"""What every answer carries, unless it says otherwise itself."""
JSON = "application/json"
INTERNAL = AIKitError(
    "Something went wrong in the server.",
    code="INTERNAL_ERROR",
    status=500,
    remedy="Its log says what, at this time; what the call came to is in the ledger.",
)
"""All that a caller is told of a fault of ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `headers` are in lower case; content-length is added when it is sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def of_json(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """`value` as JSON; times (UTC), ids and other values that JSON has no form for become strings."""
    return Answer(status, {"content-type": JSON, **(headers or {})}, refusing.to_json(value))


def of_error(error: AIKitError, shape: Shape) -> Answer:
    """An error as the API of this shape tells it. Of one that is no refusal, only its own words are told."""
    request = error.decision.id if isinstance(error, Refused) and error.decision else new_id()
    if shape == "native":
        return Answer(error.status, refusing.headers(error) | _asked_for(error), refusing.to_json(_native(error)))
    worded = registry.chat_codec(shape).refusal(error, request_id=str(request), metadata=_metadata(error, request))
    return Answer(worded.status, dict(worded.headers) | _asked_for(error), worded.body)


async def give(answer: Answer, send: Send) -> None:
    """Send a whole answer."""
    headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def _asked_for(error: AIKitError) -> dict[str, str]:
    """What HTTP wants beside these statuses."""
    if error.status == 401:
        return {"www-authenticate": "Bearer"}
    return {"allow": ", ".join(error.facts["allowed"])} if error.status == 405 and "allowed" in error.facts else {}


def _native(error: AIKitError) -> dict[str, Any]:
    """The body of the semantics page for what the meter has decided; any other error says what happened in words."""
    if not isinstance(error, Refused):
        named = {"error": error.slug, "message": error.message, **error.facts}
        return named | {"reasonCode": error.code, "decisionId": None, "remedy": error.remedy}
    body = native_body(error)
    return body if error.decision else {"error": body.pop("error"), "message": error.message, **body}


def _metadata(error: AIKitError, request: UUID) -> Mapping[str, Any]:
    if isinstance(error, Refused):
        return metadata(error, request)
    return {"reason": error.code, "remedy": error.remedy}
