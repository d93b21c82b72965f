"""What the server's own endpoints refuse with, and in which words: the native form of docs/reference/semantics.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CONNECTION = (400, 408, 431)
"""What a connection may be answered with whatever is asked: no HTTP, or a head that is too slow or too large."""
COMMON = (*CONNECTION, 401, 403, 413, 429, 500, 503)
"""What any endpoint with a key may refuse with."""
WITHOUT_KEY = (*CONNECTION, 500)
WORDS = {
    400: "The request can't be used; `field` names what is wrong. Or it is no HTTP.",
    401: "The key is missing, unknown, expired or revoked.",
    402: "A spend cap is used up, or the request alone exceeds it.",
    403: "The key does not permit this, or a policy does not.",
    404: "There is none, or none that this key may see.",
    408: "The request took too long to arrive.",
    409: "A request with the same idempotency key is still running, or it was changed in the meantime.",
    413: "The request is larger than its ceiling.",
    422: "A guard blocked it, or the idempotency key or the hold stands for another request.",
    429: "The key, or a policy, allows no more requests just now: see Retry-After.",
    431: "The head of the request is larger than 64 KiB, or has more than 200 headers.",
    500: "A fault of the server's own; nothing else is told of it.",
    502: "The provider failed.",
    503: "The ledger, a provider or the server can't be had just now: see Retry-After. Nothing was sent.",
    504: "The provider did not answer in time.",
}
REMEDY = "…"


def _said(error: str, code: str, message: str, **facts: Any) -> dict[str, Any]:
    return {"error": error, "message": message, **facts, "reasonCode": code, "decisionId": None, "remedy": REMEDY}


EXAMPLES: dict[int, dict[str, Any]] = {
    400: _said("request_invalid", "REQUEST_INVALID", "The body can't be used: model: Field required.", field="model"),
    401: _said("unauthorized", "UNAUTHORIZED", "This is no key that works."),
    402: {
        "error": "spend_cap_exceeded",
        "tenant": "acme",
        "window": "month",
        "capCredits": 250000,
        "spentCredits": 250000,
        "heldCredits": 0,
        "limitSource": "plan:pro",
        "resetsAt": "2026-12-01T00:00:00Z",
        "maxAffordableOutputTokens": 0,
        "reasonCode": "MONTHLY_BUDGET_EXCEEDED",
        "decisionId": "0198e6a2-7a3c-7cc0-9f61-2f3d5a1b4c77",
        "remedy": "The cap resets at 2026-12-01T00:00:00Z; or raise it: aikit limit set.",
    },
    403: _said("unauthorized", "SCOPE_MISSING", "The key does not permit this: it lacks admin.", scope="admin"),
    404: _said("request_invalid", "NOT_FOUND", "There is no hold 0198e6a2-7a3c-7cc0-9f61-2f3d5a1b4c77."),
    408: _said("refused", "REQUEST_TIMEOUT", "The request took longer than 30 s to arrive.", seconds=30.0),
    409: _said("request_invalid", "KEY_NOT_ACTIVE", "The key key_abcd is revoked, and can't be rotated."),
    413: _said("request_too_large", "BODY_TOO_LARGE", "The request is larger than 33,554,432 bytes."),
    422: _said("idempotency_conflict", "IDEMPOTENCY_CONFLICT", "This idempotency key was used for another request."),
    429: _said("rate_limited", "MINUTE_REQUEST_LIMIT_EXCEEDED", "The key key_abcd may be used 600 times a minute."),
    431: _said("request_too_large", "HEAD_TOO_LARGE", "The head of the request is larger than 65,536 bytes."),
    500: _said("aikit_error", "INTERNAL_ERROR", "Something went wrong in the server."),
    502: _said("ai_error", "PROVIDER_ERROR", "openai answered 500."),
    503: _said("metering_unavailable", "METERING_UNAVAILABLE", "The ledger can't be reached."),
    504: _said("ai_error", "TIMEOUT", "openai did not answer in time (ReadTimeout)."),
}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "Branch on `reasonCode`; the words may change. A decision's facts stand beside these fields.",
    "required": ["error", "reasonCode", "decisionId", "remedy"],
    "properties": {
        "error": {"type": "string", "description": "The kind of error, in snake case."},
        "message": {"type": "string"},
        "reasonCode": {"type": "string"},
        "decisionId": {"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]},
        "remedy": {"type": "string"},
        "field": {"type": "string", "description": "What of the request is wrong."},
        "tenant": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "window": {"type": "string"},
        "capCredits": {"type": "integer"},
        "spentCredits": {"type": "integer"},
        "heldCredits": {"type": "integer"},
        "limitSource": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "resetsAt": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "maxAffordableOutputTokens": {"type": "integer"},
        "cheapestModel": {"type": "string"},
    },
}
HEADERS = {
    "x-should-retry": {
        "description": "Whether trying again unchanged can help.",
        "schema": {"enum": ["true", "false"]},
    },
    "retry-after": {"description": "Seconds after which it can.", "schema": {"type": "string"}},
    "retry-after-ms": {"description": "The same in milliseconds.", "schema": {"type": "string"}},
}


def responses(statuses: Iterable[int]) -> dict[str, Any]:
    """The responses with these statuses."""
    return {str(status): {"$ref": f"#/components/responses/{status}"} for status in sorted(set(statuses))}


def components() -> dict[str, Any]:
    """Every response that is an error."""
    return {
        str(status): {
            "description": words,
            "headers": HEADERS,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Error"},
                    "example": EXAMPLES[status],
                }
            },
        }
        for status, words in WORDS.items()
    }
