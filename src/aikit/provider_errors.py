"""Normalises what a provider answers when it fails. The codes are those of docs/reference/semantics.md."""

from __future__ import annotations

import httpx2

from aikit.attempt import NEVER_SENT, error_code
from aikit.errors import AIError, AIKitError

QUOTA = {"insufficient_quota", "billing_error", "billing_hard_limit_reached"}
CONTEXT = {"context_length_exceeded"}
FILTERED = {"content_filter", "content_policy_violation"}


def from_response(provider: str, status: int, body: bytes) -> AIError:
    """The error in a response with a status of 400 or above. The provider's own text is not repeated."""
    theirs = error_code(body) or ""
    code, retryable = _code(status, theirs)
    said = f" ({theirs})" if theirs else ""
    return AIError(
        f"{provider} answered {status}{said}.", provider=provider, code=code, status=status, retryable=retryable
    )


def from_exception(provider: str, error: Exception) -> AIKitError:
    """The error that a failed request becomes."""
    if isinstance(error, AIKitError):
        return error
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


def _code(status: int, theirs: str) -> tuple[str, bool]:
    if theirs in QUOTA or status == 402:
        return "INSUFFICIENT_QUOTA", False
    if theirs in CONTEXT:
        return "CONTEXT_LENGTH_EXCEEDED", False
    if theirs in FILTERED:
        return "CONTENT_FILTERED", False
    if status in (401, 403):
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
