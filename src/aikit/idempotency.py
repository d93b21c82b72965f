"""Idempotency keys on the call path: which key a request has, and what a request hears whose key is taken."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from aikit.errors import IdempotencyConflict, IdempotencyInProgress, Refused, RequestInvalid
from aikit.meter.once import CONFLICT, IN_PROGRESS, REPLAYED
from aikit.safe import Safe
from aikit.types import Answer, Decision, Earlier, Once, Tags
from aikit.wire.codec import WireReply, WireRequest

HEADER = "idempotency-key"
"""The request header that names a key. It is ours and never sent on."""
LONGEST = 255
MOST_KEPT = 1024 * 1024
"""Bytes of an answer; a longer one is not kept."""


def once_of(request: WireRequest, digest: bytes, tags: Tags) -> Once | None:
    """The request's key, with the hash of all that makes it the same request: its digest, and in whose name it is, so
    that nobody hears an answer to somebody else of the tenant. Raises RequestInvalid for a bad key.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not key.strip() or len(key) > LONGEST or not key.isprintable():
        raise RequestInvalid(
            f"The idempotency key can't be used: it must be 1 to {LONGEST} characters that can be printed.",
            remedy="Use a UUID, or the id of what the call is for.",
        )
    whose = json.dumps([tags.environment, tags.user, tags.feature]).encode()
    return Once(key, hashlib.sha256(digest + whose).digest())


def digest_of(request: WireRequest) -> bytes:
    """The same for requests that ask for the same."""
    asked = "\n".join([request.method, request.path, request.query, ""]).encode()
    found = hashlib.sha256(asked)
    found.update(request.body)
    return found.digest()


def kept(body: bytes, *, stream: bool, safe: Safe | None) -> Answer | None:
    """The answer as it is kept; None if it is not."""
    if safe is None or len(body) > MOST_KEPT:
        return None
    is_json = not stream or body.lstrip()[:1] in (b"[", b"{")
    if stream and body.lstrip()[:1] == b"[" and body.rstrip()[-1:] != b"]":
        body += b"]"  # what ends the array comes behind what ends the attempt
    return Answer(200, "application/json" if is_json else "text/event-stream", safe.seal(body))


def replay(decision: Decision, safe: Safe | None) -> WireReply | None:
    """The answer to the first request with this key; None if this one is not repeated, or its answer can't be had."""
    earlier = decision.earlier
    if decision.reason_code != REPLAYED or earlier is None or earlier.answer is None or safe is None:
        return None
    body = safe.open(earlier.answer.body)
    if body is None:
        return None
    headers = {"content-type": earlier.answer.media_type, "x-aikit-replayed": str(earlier.attempt)}
    return WireReply(earlier.answer.status, headers, body)


def taken(decision: Decision, request_hash: bytes) -> Refused | None:
    """The error for a request whose key is taken; None for any other decision."""
    earlier = decision.earlier
    if earlier is None or decision.reason_code not in (IN_PROGRESS, CONFLICT, REPLAYED):
        return None
    facts: Mapping[str, Any] = {"attempt": str(earlier.attempt), "call": earlier.call and str(earlier.call)}
    if decision.reason_code == IN_PROGRESS:
        return IdempotencyInProgress(
            "A request with this idempotency key is still running.",
            remedy="Try again when it has ended: it is answered once.",
            retry_after=decision.retry_after,
            decision=decision,
            facts=facts,
        )
    message, reason, remedy = _why_not(earlier, request_hash)
    return IdempotencyConflict(message, reason=reason, remedy=remedy, decision=decision, facts=facts, code=CONFLICT)


def _why_not(earlier: Earlier, request_hash: bytes) -> tuple[str, str, str]:
    if earlier.request_hash != request_hash:
        return (
            "This idempotency key was used for another request.",
            "other_request",
            "Use a new key for a new request.",
        )
    if earlier.ending is not None and earlier.ending == "settled":
        return (
            "The request with this idempotency key was answered and charged; its answer was not kept.",
            "not_kept",
            f"See what it came to: aikit call {earlier.attempt}. To keep answers, set AIKIT_ENCRYPTION_KEY.",
        )
    return (
        "What became of the request with this idempotency key is not known; it may have been answered and is charged.",
        "unknown_outcome",
        "Use a new key to send it again; that is charged again.",
    )
