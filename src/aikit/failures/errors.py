"""The AIError that a provider's failure becomes. Its message has the provider's code at most, never its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx2

from aikit.errors import AIError
from aikit.failures.codes import RETRYABLE, STATUS_OF, code_of
from aikit.failures.said import Said, said, said_in
from aikit.failures.waits import retry_after

NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""After these no provider has seen the request."""
NOTHING: Mapping[str, str] = {}


def from_response(provider: str, status: int, body: bytes, headers: Mapping[str, str] = NOTHING) -> AIError:
    """The error in a response with a status of 300 or above."""
    told = said(body)
    code = code_of(status, told)
    remedy = "Check the provider's base_url: it answers with a redirection." if status < 400 else None
    return _error(f"{provider} answered {status}", provider, code, status, told, headers, remedy)


def from_event(provider: str, event: Mapping[str, Any]) -> AIError:
    """The error that stands where an answer should be, in a stream or a whole response whose status says 200."""
    told = said_in(event)
    code = code_of(200, told)
    status = told.number or STATUS_OF[code]
    return _error(f"{provider} answered with an error", provider, code, status, told, NOTHING)


def from_exception(provider: str, error: httpx2.HTTPError) -> AIError:
    """The error that a failed request becomes."""
    name = type(error).__name__
    if isinstance(error, httpx2.TimeoutException):
        return AIError(f"{provider} did not answer in time ({name}).", provider=provider, code="TIMEOUT", status=504)
    sent = "" if isinstance(error, NEVER_SENT) else " after the request was sent"
    return AIError(
        f"The connection to {provider} failed{sent} ({name}).", provider=provider, code="CONNECTION_FAILED", status=502
    )


def no_answer(provider: str) -> AIError:
    """A response with status 200 that is not one of this API."""
    return AIError(f"{provider} answered with something that is no JSON object.", provider=provider)


def filtered(provider: str, facts: Mapping[str, Any]) -> AIError:
    """An answer without any text, because the provider's own filter stopped it. It may have been billed."""
    return AIError(
        f"{provider} answered without text: its content filter stopped it.",
        provider=provider,
        code="CONTENT_FILTERED",
        status=STATUS_OF["CONTENT_FILTERED"],
        retryable=False,
        facts=facts,
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


def _error(
    what: str, provider: str, code: str, status: int, told: Said, headers: Mapping[str, str], remedy: str | None = None
) -> AIError:
    said_so = f" ({told.word})" if told.word else ""
    return AIError(
        f"{what}{said_so}.",
        provider=provider,
        code=code,
        status=status,
        retryable=code in RETRYABLE,
        retry_after=retry_after(headers, told.wait),
        remedy=remedy,
    )
