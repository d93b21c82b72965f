"""Idempotency keys of the control plane: which one a request has, where it counts, and who hears that it is taken."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from uuid import UUID

from aikit.errors import IdempotencyConflict, Refused, RequestInvalid
from aikit.idempotency import HEADER, LONGEST
from aikit.meter.once import CONFLICT
from aikit.serve.endpoints import Body
from aikit.serve.model import Exchanged
from aikit.types import Decision, Tags


def key_of(exchanged: Exchanged, stated: str | None) -> str | None:
    """The idempotency key of a request: its header, or what its body says. Raises RequestInvalid."""
    given = exchanged.headers.get(HEADER)
    if given is not None and (not given.strip() or len(given) > LONGEST or not given.isprintable()):
        raise RequestInvalid(
            f"The idempotency key can't be used: it must be 1 to {LONGEST} characters that can be printed.",
            facts={"field": HEADER},
            remedy="Use a UUID, or the id of what the call is for.",
        )
    if given is not None and stated is not None and given != stated:
        raise RequestInvalid("The body names another idempotency key than the header.", remedy="Give one.")
    return given if given is not None else stated


def scoped(kind: str, tags: Tags, key: str) -> str:
    """The key as it is kept: calls, questions and reports of each environment have keys of their own."""
    return f"{kind}:{tags.environment}:{key}"


def digest(kind: str, tags: Tags, body: Body) -> bytes:
    """The same for requests that ask for the same in the same name, however they are written."""
    said = body.model_dump_json(exclude={"idempotency_key", "usage_id", "user", "feature"})
    return hashlib.sha256(json.dumps([kind, tags.user, tags.feature, tags.environment, said]).encode()).digest()


def conflict(decision: Decision | None = None, *, attempt: UUID | None = None) -> Refused:
    """The key, or the hold, stands for another request."""
    facts: dict[str, Any] = {"attempt": str(attempt)} if attempt else {}
    return IdempotencyConflict(
        "This idempotency key was used for another request.",
        reason="other_request",
        remedy="Use a new key for a new request.",
        code=CONFLICT,
        decision=decision,
        facts=facts,
    )
