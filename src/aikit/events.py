"""What an application can hear of as it happens. No event has a prompt, an answer, a key or a header in it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from aikit.failures.codes import STATUS_OF, code_of
from aikit.failures.said import Said
from aikit.money import usd_string
from aikit.policy.runaway import as_facts
from aikit.types import Decision, Ending, EventKind, Finding, LimitState, Metric, Tags, Usage, Watched

TIMEOUTS = frozenset({"ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout"})
CONNECTIONS = frozenset(
    {
        "CloseError",
        "ConnectError",
        "DecodingError",
        "LocalProtocolError",
        "ProxyError",
        "ReadError",
        "RemoteProtocolError",
        "SSEError",
        "UnsupportedProtocol",
        "WriteError",
    }
)
"""What the HTTP client raises, by name, as it stands in the ledger."""
OURS = re.compile(r"unfinished|[A-Z_]+_(BUDGET|COST|LIMIT|TOKENS)_EXCEEDED|METERING_UNAVAILABLE|GUARD_BLOCKED")
"""Errors of endings that are no word of the provider: the caller left, or a stream was not allowed to go on."""
LEFT = frozenset(
    {"CancelledError", "GeneratorExit", "KeyboardInterrupt", "SystemExit", "StreamClosed", "StreamConsumed"}
)
"""What is raised when the caller has left."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `kind` says what, and so which of the classes below it is; `at` is in UTC."""

    kind: EventKind
    at: datetime

    def facts(self) -> dict[str, Any]:
        """All of it for JSON and logs: times and ids as text, money as decimal strings of dollars."""
        return {"kind": self.kind, "at": iso(self.at)}


@dataclass(frozen=True, slots=True)
class AttemptEvent(Event):
    """Something that happened to one attempt. Each attempt has one decision, and both have the same id."""

    call_id: UUID
    attempt_id: UUID
    tags: Tags
    provider: str
    model: str
    api: str
    streamed: bool

    @property
    def decision_id(self) -> UUID:
        return self.attempt_id

    def facts(self) -> dict[str, Any]:
        tags = {field.name: getattr(self.tags, field.name) for field in fields(self.tags)}
        return {
            **Event.facts(self),
            "call_id": str(self.call_id),
            "decision_id": str(self.decision_id),
            "attempt_id": str(self.attempt_id),
            **tags,
            "provider": self.provider,
            "model": self.model,
            "api": self.api,
            "streamed": self.streamed,
        }


@dataclass(frozen=True, slots=True)
class AttemptAdmitted(AttemptEvent):
    """`admitted`: its hold is in the ledger, and it is sent. `overhead_ms` is how long the decision took."""

    reason_code: str
    held_nano: int
    overhead_ms: float

    def facts(self) -> dict[str, Any]:
        return {
            **AttemptEvent.facts(self),
            "code": self.reason_code,
            "held_usd": usd_string(self.held_nano),
            "overhead_ms": round(self.overhead_ms, 3),
        }


@dataclass(frozen=True, slots=True)
class AttemptEnded(AttemptEvent):
    """`ended`: an attempt that was admitted has its one ending, as it goes into the ledger.

    `usage` None means that nobody can say; `nano` is what is charged. `error` is the provider's code, or the name of
    what was raised.
    """

    ending: Ending
    usage: Usage | None
    nano: int
    estimated: bool
    status: int | None
    error: str | None
    served_model: str | None
    duration_ms: int
    first_byte_ms: int | None
    overhead_ms: float
    prompt: str | None = None
    """The version of a prompt that it was made with."""
    findings: tuple[Finding, ...] = ()
    """What guards found in the request and in the answer."""

    @property
    def failure(self) -> str | None:
        """The code for provider errors that this ending has; None if the provider did not fail."""
        return failure(self.status, self.error)

    def facts(self) -> dict[str, Any]:
        return {
            **AttemptEvent.facts(self),
            "ending": str(self.ending),
            "tokens": None if self.usage is None else {name: n for name, n in self.usage.classes().items() if n},
            "cost_usd": usd_string(self.nano),
            "estimated": self.estimated,
            "status": self.status,
            "error": self.error,
            "code": self.failure,
            "served_model": self.served_model,
            "duration_ms": self.duration_ms,
            "first_byte_ms": self.first_byte_ms,
            "overhead_ms": round(self.overhead_ms, 3),
            "prompt": self.prompt,
            **found_facts(self.findings),
        }


@dataclass(frozen=True, slots=True)
class AttemptRefused(AttemptEvent):
    """`refused`: it was not sent. `limit` is the one that stands in its way, if one does; `retry_after` in seconds."""

    code: str
    status: int
    retryable: bool
    retry_after: float | None
    limit: LimitState | None
    source: str | None
    overhead_ms: float
    tripped: tuple[Watched, ...] = ()
    """The rule against runaways that refused it, if one did."""
    prompt: str | None = None
    findings: tuple[Finding, ...] = ()
    """What guards found in the request."""

    def facts(self) -> dict[str, Any]:
        return {
            **AttemptEvent.facts(self),
            "code": self.code,
            "status": self.status,
            "retryable": self.retryable,
            "retry_after": self.retry_after,
            "limit": None if self.limit is None else limit_facts(self.limit),
            "limit_source": self.source,
            "overhead_ms": round(self.overhead_ms, 3),
            **_runaway(self.tripped),
            "prompt": self.prompt,
            **found_facts(self.findings),
        }


@dataclass(frozen=True, slots=True)
class PolicyEvent(AttemptEvent):
    """`soft_cap`: allowed above a soft cap. `would_refuse`: allowed by a limit that only warns. Each is told of the
    first time in a window that this process sees the limit so.

    A rule against runaways that only warns tells it once a minute; `state` is None then, and `decision.tripped` has it.
    `ledger_failure`: sent with no limit checked, for the ledger is away; told of each time, and `state` is None.
    """

    code: str
    state: LimitState | None
    decision: Decision

    def facts(self) -> dict[str, Any]:
        return {
            **AttemptEvent.facts(self),
            "code": self.code,
            "limit": None if self.state is None else limit_facts(self.state),
            **_runaway(None if self.state else self.decision.tripped),
        }


@dataclass(frozen=True, slots=True)
class BreakerEvent(Event):
    """`breaker`: a breaker went from one state to another. `model` is empty for the provider as a whole; `who` is the
    operator that made it.
    """

    provider: str
    model: str
    before: str
    after: str
    reason: str | None = None
    who: str | None = None

    def facts(self) -> dict[str, Any]:
        return {
            **Event.facts(self),
            "provider": self.provider,
            "model": self.model or None,
            "before": self.before,
            "after": self.after,
            "reason": self.reason,
            "who": self.who,
        }


def failure(status: int | None, error: str | None) -> str | None:
    """The code for provider errors of an ending with this status and error; None if the provider did not fail."""
    if error in STATUS_OF:
        return error
    if error in TIMEOUTS:
        return "TIMEOUT"
    if error in CONNECTIONS:
        return "CONNECTION_FAILED"
    if status is None or (status < 300 and (error is None or OURS.fullmatch(error) or error in LEFT)):
        return None
    return code_of(status, Said(() if error is None else (error,)))


def found_facts(findings: Iterable[Finding]) -> Mapping[str, Any]:
    """What guards found, for JSON; nothing at all where there is nothing."""
    found = [finding._asdict() for finding in findings]
    return {"findings": found} if found else {}


def _runaway(tripped: tuple[Watched, ...] | None) -> Mapping[str, Any]:
    """What a rule against runaways found, if that is what the event is about."""
    return {"runaway": as_facts(tripped[0])} if tripped else {}


def limit_facts(state: LimitState) -> Mapping[str, Any]:
    """A limit for JSON: amounts in dollars if it counts money, else in its own unit."""
    money = state.metric is Metric.CREDITS
    amounts = {
        "cap": state.cap,
        "soft_cap": state.limit.soft_cap,
        "used": state.used + state.carried,
        "held": state.held,
    }
    told = {f"{name}_usd": None if n is None else usd_string(n) for name, n in amounts.items()} if money else amounts
    return {
        "metric": str(state.metric),
        "window": str(state.window),
        "source": state.source,
        **told,
        "resets_at": None if state.resets_at is None else iso(state.resets_at),
    }


def iso(at: datetime) -> str:
    """`2026-12-01T00:00:00.123Z`."""
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
