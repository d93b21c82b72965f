"""The tries of one call: model after model, and again after a wait, until one serves. Sans-I/O; two shells drive it.

A model that was not tried yet goes first, without a wait. When all were tried, the one that may be asked again soonest
is, if the attempts, the deadline and the retry budget allow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from aikit.errors import AIError, Refused
from aikit.routing.retries import RetryBudget, wait_before
from aikit.routing.routes import Route, is_same_request, moves_on
from aikit.types import new_id

Answer = TypeVar("Answer")

SERVED = "OK"
NEVER_SENT = "PROVIDER_NOT_CONFIGURED"


class Tried(NamedTuple):
    """One try of a call. `code` is `OK`, or the code of its error; `attempt` is None if there was nothing to record."""

    model: str
    code: str
    attempt: UUID | None


class Turn(NamedTuple):
    """Send the call to this model. `seconds` are left until the deadline. Answered with an answer, or the error."""

    model: str
    attempt: UUID
    seconds: float | None


class Wait(NamedTuple):
    """Wait so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Served(Generic[Answer]):
    """The answer, and what was tried for it; its own try is the last."""

    answer: Answer
    tried: tuple[Tried, ...]


Tries = Generator[Turn | Wait, Any, Served[Any]]


def trying(route: Route, budget: RetryBudget, random: Random, clock: Callable[[], float] = time.monotonic) -> Tries:
    """Try the models of a route. Raises the last provider error, else the first refusal, if none serves."""
    board = Board(route, route.order(random), budget, random, clock() + (route.deadline or float("inf")))
    while True:
        choice = board.choose(clock())
        if choice.wait > 0:
            yield Wait(choice.wait)
        turn = Turn(choice.model, new_id(), None if route.deadline is None else max(board.until - clock(), 0.001))
        answer = yield turn
        if not isinstance(answer, AIError | Refused):
            budget.sent(provider_of(turn.model))
            return Served(answer, (*board.tried, Tried(turn.model, SERVED, turn.attempt)))
        board.failed(turn, answer, clock())


class Choice(NamedTuple):
    """The model that is next, after so many seconds."""

    model: str
    wait: float = 0.0


@dataclass(slots=True)
class Board:
    """What has become of each model of a call so far."""

    route: Route
    fresh: tuple[str, ...]
    budget: RetryBudget
    random: Random
    until: float
    """When the deadline is, by the clock."""
    tried: list[Tried] = field(default_factory=list)
    sent: int = 0
    _asked: set[str] = field(default_factory=set)
    """Providers that a request of this call has gone to."""
    _again: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Models that may be asked again: when, and how often they have failed."""
    _refusal: Refused | None = None
    _failure: AIError | None = None

    def choose(self, now: float) -> Choice:
        """The model that is next. Raises the error of the call if there is none."""
        options = [Choice(model) for model in self.fresh]
        later = sorted(self._again.items(), key=lambda one: one[1][0])
        options += [Choice(model, max(0.0, ready - now)) for model, (ready, _) in later]
        if not options:
            raise self._error(None)
        if self.sent >= self.route.attempts:
            raise self._error("attempts")
        in_time = [option for option in options if now + option.wait < self.until]
        if not in_time:
            raise self._error("deadline")
        for option in in_time:
            provider = provider_of(option.model)
            if provider not in self._asked or self.budget.take(provider):
                return option
        raise self._error("retry_budget")

    def failed(self, turn: Turn, error: AIError | Refused, now: float) -> None:
        """Take a failure or a refusal in. Raises it if no other try can help.

        After a failure, that the idempotency key is taken only says that the failed try can't be repeated.
        """
        model = turn.model
        self.tried.append(Tried(model, error.code, None if error.code == NEVER_SENT else turn.attempt))
        failures = self._again.pop(model, (0.0, 0))[1] + 1
        self.fresh = tuple(one for one in self.fresh if one != model)
        if isinstance(error, AIError):
            self._failed(model, error, failures, now)
        elif self._failure is not None and is_same_request(error):
            return
        else:
            self._refusal = self._refusal or error
        if not moves_on(error, downgrade=self.route.downgrade):
            raise self._told(error, None)

    def _failed(self, model: str, error: AIError, failures: int, now: float) -> None:
        self._failure = error
        if error.code == NEVER_SENT:
            return
        self.sent += 1
        provider = provider_of(model)
        self._asked.add(provider)
        self.budget.sent(provider)
        if error.retryable:
            self._again[model] = (now + wait_before(failures, error.retry_after, self.random), failures)

    def _error(self, why: str | None) -> AIError | Refused:
        error = self._failure or self._refusal
        assert error is not None
        return self._told(error, why)

    def _told(self, error: AIError | Refused, why: str | None) -> AIError | Refused:
        """The error, with what was tried if that was more than once, and what kept it from being tried again."""
        if why is not None and isinstance(error, AIError) and self.route.attempts > 1:
            error.facts["notRetried"] = why
        if len(self.tried) > 1:
            error.facts["tried"] = [
                {"model": one.model, "code": one.code, "attempt": one.attempt and str(one.attempt)}
                for one in self.tried
            ]
        return error


def provider_of(model: str) -> str:
    """The provider of `provider/model`."""
    return model.partition("/")[0]
