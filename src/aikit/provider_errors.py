"""Normalises what a provider answers when it fails. The codes are those of docs/reference/semantics.md."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress

import httpx2

from aikit.errors import AIError

QUOTA = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
CONTEXT = {"context_length_exceeded"}
TOO_LONG = re.compile(rb"prompt is too long|exceeds the maximum number of tokens")
"""How Anthropic and Google word it: their codes don't tell it from any other bad request."""
FILTERED = {"content_filter", "content_policy_violation"}
NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""After these no provider has seen the request."""
MAX_NAME = 200
"""Characters of a model's name or an error's code that are kept, if a provider gives longer ones."""


def from_response(provider: str, status: int, body: bytes) -> AIError:
    """The error in a response with a status of 400 or above. The provider's own text is not repeated."""
    theirs = error_code(body) or ""
    code, retryable = _code(status, theirs, body)
    said = f" ({theirs})" if theirs else ""
    return AIError(
        f"{provider} answered {status}{said}.", provider=provider, code=code, status=status, retryable=retryable
    )


def from_exception(provider: str, error: httpx2.HTTPError) -> AIError:
    """The error that a failed request becomes."""
    name = type(error).__name__
    if isinstance(error, httpx2.TimeoutException):
        return AIError(f"{provider} did not answer in time ({name}).", provider=provider, code="TIMEOUT", status=504)
    sent = "" if isinstance(error, NEVER_SENT) else " after the request was sent"
    return AIError(
        f"The connection to {provider} failed{sent} ({name}).", provider=provider, code="CONNECTION_FAILED", status=502
    )


def not_configured(provider: str, variable: str | None) -> AIError:
    """No key for this provider."""
    return AIError(
        f"{provider} has no API key.",
        provider=provider,
        code="PROVIDER_NOT_CONFIGURED",
        status=401,
        retryable=False,
        remedy=f"Set {variable} in the environment or in .env." if variable else "Configure it in aikit.toml.",
    )


def _code(status: int, theirs: str, body: bytes) -> tuple[str, bool]:
    if theirs in QUOTA or status == 402:
        return "INSUFFICIENT_QUOTA", False
    if theirs in CONTEXT or (status == 400 and TOO_LONG.search(body)):
        return "CONTEXT_LENGTH_EXCEEDED", False
    if theirs in FILTERED:
        return "CONTENT_FILTERED", False
    if status in (401, 403) or (status == 400 and b"API_KEY_INVALID" in body):
        return "AUTHENTICATION_FAILED", False
    if status == 404:
        return "MODEL_NOT_FOUND", False
    if status == 429:
        return "RATE_LIMITED", True
    if status in (503, 529):
        return "OVERLOADED", True
    if status in (408, 504):
        return "TIMEOUT", True
    return ("PROVIDER_ERROR", True) if status >= 500 else ("BAD_REQUEST", False)


def plain(name: str | None) -> str | None:
    """A provider's word as any database can keep it: short, and free of what can't be printed or encoded."""
    if name is None or (len(name) <= MAX_NAME and name.isprintable()):
        return name
    return "".join([letter if letter.isprintable() else "\ufffd" for letter in name[:MAX_NAME]])


def error_code(body: bytes) -> str | None:
    """The code or type in a provider's error body, if it is short and plain."""
    with suppress(ValueError, RecursionError):
        found = json.loads(body)
        found = found[0] if isinstance(found, list) and found else found
        error = found.get("error") if isinstance(found, dict) else None
        if isinstance(error, Mapping):
            for name in ("code", "type", "status"):
                value = error.get(name)
                if isinstance(value, str) and 0 < len(value) <= 100 and value.isprintable():
                    return value
    return None
