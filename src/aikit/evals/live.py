"""Asks models through a kit, so that evals are metered like everything else: in the name of a tenant of their own."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

from aikit.errors import (
    AIError,
    AIKitError,
    ConfigError,
    DatabaseError,
    GuardBlocked,
    PolicyDenied,
    PriceUnknown,
    Refused,
    SpendCapExceeded,
    Unauthorized,
)
from aikit.evals.bounding import Bounds, asked
from aikit.evals.budget import Budget
from aikit.evals.limiting import Limiter, overrun
from aikit.evals.model import ModelAnswer, ModelCall, Models
from aikit.evals.models import Hopeless
from aikit.failures.errors import NEVER_SENT
from aikit.money import parse_usd
from aikit.prompts.model import Prompt, Rendered
from aikit.types import Place

if TYPE_CHECKING:
    from aikit.async_kit import AsyncAIKit
    from aikit.completion import Reply

PATIENCE = 8
"""So often a call is made that is refused because there are too many."""
_UNBILLED = frozenset({"RATE_LIMITED", "OVERLOADED", "AUTHENTICATION_FAILED", "INSUFFICIENT_QUOTA", "MODEL_NOT_FOUND",
                       "BAD_REQUEST", "CONTEXT_LENGTH_EXCEEDED", "PROVIDER_NOT_CONFIGURED"})  # fmt: skip
"""Answers that no provider bills."""
_BEFORE = frozenset({Place.INPUT, Place.TOOL_RESULTS})
"""A guard that blocks there has blocked before anything was sent."""
_HOPELESS = frozenset({"PROVIDER_NOT_CONFIGURED", "AUTHENTICATION_FAILED", "INSUFFICIENT_QUOTA"})


class Live:
    """`opened` gives the kit, at the first call. `latency` says how long an answer took; None: as long as it took."""

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        opened: Callable[[], Awaitable[AsyncAIKit]],
        *,
        suite: str,
        tenant: str,
        bounds: Bounds,
        budget: Budget,
        limiter: Limiter,
        simulated: bool = False,
        latency: Callable[[ModelAnswer], int] | None = None,
    ) -> None:
        self._opened = opened
        self._suite, self._tenant = suite, tenant
        self._bounds, self._budget, self._limiter = bounds, budget, limiter
        self._latency = latency
        self.simulated = simulated

    @property
    def spent_nano(self) -> int:
        return self._budget.spent

    @property
    def over_budget(self) -> bool:
        return self._budget.exceeded

    def anew(self) -> Models:
        return self

    def close(self, *, prune: bool = False) -> None:
        """Nothing is written down."""

    async def ask(self, call: ModelCall) -> ModelAnswer:
        """Raises OverBudget before anything is sent that may not fit; Hopeless; AIError and Refused."""
        try:
            kit = await self._opened()
            most = self._bounds.most(call)
        except (ConfigError, DatabaseError) as error:
            raise Hopeless(error) from error
        gauge = self._limiter.of(call.model)
        for left in reversed(range(PATIENCE)):
            async with gauge.place() as since:
                try:
                    answer = await self._once(kit, call, most)
                except (AIError, Refused, DatabaseError, ConfigError) as error:
                    if hopeless(error):
                        raise Hopeless(error) from error
                    if (away := gauge.away(error)) is not None:
                        raise Hopeless(away) from error
                    if not left or not overrun(error):
                        raise
                    gauge.overrun(getattr(error, "retry_after", None), since)
                else:
                    gauge.served()
                    return answer
        raise AssertionError("the last try returns or raises")

    async def _once(self, kit: AsyncAIKit, call: ModelCall, most: int) -> ModelAnswer:
        async with self._budget.holding(most) as bill:
            begun = time.perf_counter()
            try:
                reply = await kit.complete(rendered(call), model=call.model, tenant=self._tenant,
                                           feature=self._suite, attempts=1, **asked(call))  # fmt: skip
            except AIKitError as error:
                bill.nano = charged(error, most)
                raise
            answer = answer_of(reply, round((time.perf_counter() - begun) * 1000))
            bill.nano = answer.nano or 0
        return answer if self._latency is None else replace(answer, latency_ms=self._latency(answer))


def rendered(call: ModelCall) -> Rendered | list[dict[str, str]]:
    """What the kit is given: with the prompt's name and version, so that the ledger knows them."""
    if call.prompt is None:
        return [{"role": message.role, "content": message.text} for message in call.messages]
    name, _, version = call.prompt.id.rpartition("@v")
    prompt = Prompt(name, int(version), call.prompt.sha256, "", "", (), output=call.schema)
    return Rendered(prompt, call.messages)


def answer_of(reply: Reply, latency_ms: int) -> ModelAnswer:
    """What evals keep of a reply."""
    usage = reply.usage
    return ModelAnswer(
        text=reply.text,
        model=f"{reply.provider}/{reply.model}",
        input_tokens=usage.input_tokens if usage else None,
        output_tokens=usage.output_tokens if usage else None,
        nano=parse_usd(reply.cost_usd),
        latency_ms=latency_ms,
        findings=tuple(dict.fromkeys(finding.kind for finding in reply.findings)),
    )


def charged(error: AIKitError, most: int) -> int:
    """What a call that failed has cost at most, in nano-USD: nothing if it was not sent or not billed."""
    if isinstance(error, GuardBlocked):
        places = {finding.get("place") for finding in error.facts.get("findings", ())}
        return 0 if places and places <= _BEFORE else most
    if not isinstance(error, AIError):
        return 0
    if error.code in _UNBILLED or isinstance(error.__cause__, NEVER_SENT):
        return 0
    if "costUsd" in error.facts:
        return parse_usd(Decimal(error.facts["costUsd"]))
    return most


def hopeless(error: AIKitError) -> bool:
    """Whether every other call of the run would fail the same way."""
    if isinstance(error, SpendCapExceeded):
        return not error.retryable and not error.code.startswith("REQUEST_")
    if isinstance(error, AIError):
        return error.code in _HOPELESS
    return isinstance(error, Unauthorized | PolicyDenied | PriceUnknown | DatabaseError | ConfigError)
