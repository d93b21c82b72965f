"""The call path: one generator from a request to its accounted response. Sans-I/O; two shells drive it.

    request ── guarded ── read ── priced ── admitted (a hold) ── sent ── guarded ── ended (an entry) ── response

It yields what it needs (`Admit`, `Check`, `Send`, `Read`) and is sent the answer, or has the exception thrown in that
came instead. It returns what the caller gets. Each attempt that was admitted has exactly one ending, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from aikit.attempt import Attempt
from aikit.config import Provider
from aikit.desk import Desk
from aikit.errors import Refused, UnmeteredEndpoint
from aikit.intake import Intake
from aikit.streams.account import StreamAccount
from aikit.types import UNGUARDED, Decision, GuardRule, Order, Tags
from aikit.wire import registry
from aikit.wire.codec import WireReply, WireRequest


@dataclass(frozen=True, slots=True)
class Admit:
    """Ask the meter. Answered with a Decision."""

    order: Order


class Head(NamedTuple):
    """The head of a response. Names of headers are lower case, or don't mind."""

    status: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Check:
    """Have guards look at a text; `long` if that may take a while. Answered with what `run` returns."""

    run: Callable[[], Any]
    long: bool


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request on with this body. Answered with the Head of the response."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Read:
    """Read the response to its end. Answered with its body."""


@dataclass(frozen=True, slots=True)
class Forward:
    """Result for a free endpoint: send the request on with this body."""

    body: bytes


@dataclass(frozen=True, slots=True)
class Synthetic:
    """Result of a refusal: a response of ours in the provider's shape, and the error that it words."""

    reply: WireReply
    error: Refused


@dataclass(frozen=True, slots=True)
class Withheld:
    """Result of a call whose answer a guard has blocked: a response of ours instead, and the error that it words."""

    reply: WireReply
    error: Refused
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Replayed:
    """Result of a request whose idempotency key is taken: the answer to the first one."""

    reply: WireReply
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Whole:
    """Result of a plain call: the provider's body; our headers go beside its own."""

    body: bytes
    attempt: Attempt


@dataclass(frozen=True, slots=True)
class Streamed:
    """Result of a stream: every chunk passes through `account`, and `account.finish()` ends it."""

    account: StreamAccount


Effect = Admit | Check | Send | Read
Result = Forward | Synthetic | Withheld | Replayed | Whole | Streamed
Exchange = Generator[Effect, Any, Result]


def exchange(request: WireRequest, provider: Provider, tags: Tags, desk: Desk) -> Exchange:
    """Carry one wire request from its codec to its ending."""
    codec = registry.find(provider.kind, request.method, request.path)
    free = codec is None and registry.is_free(provider.kind, request.method, request.path)
    if free and not request.body:
        return Forward(request.body)
    api = None if codec else f"{request.method} {request.path}"[:200]
    attempt = Attempt(codec or registry.chat_codec(provider.kind), request, provider, tags, desk, api=api)
    try:
        if free:
            return (yield from _forward(attempt, request.headers))
        if codec is None:
            raise _unmetered(request, provider)
        attempt.intake.tag(request.headers)
        yield from _guard(attempt.intake, attempt.intake.expected_guards())
        decision: Decision = yield Admit(attempt.order())
        while decision.reason_code == UNGUARDED:
            yield from _guard(attempt.intake, decision.rules.guards)
            decision = yield Admit(attempt.order())
        attempt.decided(decision)
        if attempt.replayed is not None:
            return Replayed(attempt.replayed, attempt)
    except Refused as error:
        return Synthetic(attempt.refusal(error), error)
    try:
        head: Head = yield Send(attempt.demand.body)
        attempt.began(head.status, head.headers)
        if attempt.failed or not attempt.demand.stream:
            body: bytes = yield Read()
            if not attempt.failed and attempt.guards is not None:
                try:
                    checked: bytes | Refused = yield Check(partial(attempt.checked, body), attempt.intake.is_long(body))
                except BaseException:
                    attempt.unheard(body)
                    raise
                if isinstance(checked, Refused):
                    return Withheld(attempt.withheld(body, checked), checked, attempt)
                attempt.whole(body, checked)
                return Whole(checked, attempt)
            attempt.whole(body, body)
            return Whole(body, attempt)
        return Streamed(StreamAccount(attempt, codec.stream_reader(attempt.demand, leased=attempt.leased)))
    except BaseException as error:
        attempt.lost(error)
        raise


def _forward(attempt: Attempt, headers: Mapping[str, str]) -> Generator[Effect, Any, Forward]:
    """A request that nobody bills, with a prompt in it: it passes the guards all the same. Raises Refused."""
    intake = attempt.intake
    intake.tag(headers)
    if intake.so_far.call.tags.tenant is not None:
        decision: Decision = yield Admit(intake.question())
        if decision.rules is not None:
            yield from _guard(intake, decision.rules.guards)
    return Forward(intake.passed())


def _guard(intake: Intake, rules: tuple[GuardRule, ...]) -> Generator[Effect, Any, None]:
    """Let the request pass these guards."""
    if rules:
        yield Check(partial(intake.guard, rules), intake.is_long(intake.body))
    else:
        intake.guard(rules)


def _unmetered(request: WireRequest, provider: Provider) -> UnmeteredEndpoint:
    return UnmeteredEndpoint(
        f"{request.method} {request.path[:200]} of {provider.name} is not metered, so it is not sent.",
        remedy="Metered are chat completions, responses, embeddings, messages and generateContent; "
        "a codec for another API can be added by the entry point aikit.codecs.",
    )
