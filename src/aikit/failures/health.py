"""What an attempt's outcome says about the health of its provider: what a breaker is told. Pure."""

from __future__ import annotations

import httpx2

from aikit.breaker.model import Health
from aikit.errors import AIError
from aikit.failures.codes import RETRYABLE, STATUS_OF, code_of
from aikit.failures.said import Said, said_in

OURS = (httpx2.PoolTimeout, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
"""Failures on our side of the wire: no connection was free, or the request could not be written."""


def health(status: int | None, body_code: str | None, error: BaseException | None) -> Health:
    """What happened, as a breaker counts it.

    `status` is the response's, None without one. `body_code` is the word or the number in an error body, or in an error
    event inside a stream, or our own code for either; None without an error. `error` is what was raised instead of an
    answer, or while it was read: any exception that is no failure of the provider, a refusal of ours and the caller's
    cancellation among them, says nothing about it.
    """
    if error is not None:
        return _raised(error)
    if status is None:
        return Health.NEUTRAL
    if body_code is None and status < 300:
        return Health.OK
    return of_code(body_code) if body_code in STATUS_OF else of_answer(status, said_in({"code": body_code}))


def of_answer(status: int | None, body: Said) -> Health:
    """The same for an error whose body has been read."""
    return Health.NEUTRAL if status is None else of_code(code_of(status, body))


def of_code(code: str) -> Health:
    """What one of our codes for provider errors says."""
    if code == "INSUFFICIENT_QUOTA":
        return Health.QUOTA
    return Health.FAILED if code in RETRYABLE else Health.NEUTRAL


def _raised(error: BaseException) -> Health:
    if isinstance(error, AIError):
        return of_code(error.code)
    if isinstance(error, httpx2.HTTPError) and not isinstance(error, OURS):
        return Health.FAILED
    return Health.NEUTRAL
