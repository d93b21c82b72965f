"""What became of an attempt: how it ends, what it costs, and what that says about its provider. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from aikit.errors import PriceUnknown
from aikit.failures.errors import NEVER_SENT
from aikit.failures.health import health, of_answer
from aikit.failures.said import said
from aikit.failures.waits import retry_after
from aikit.pricing.price import Price
from aikit.types import Ending, Health, Hold, Usage
from aikit.wire.codec import Outcome

MAX_TOKENS = 10**12
"""A provider that reports more tokens than this for one attempt reports nonsense; it is treated as no report."""
UNFINISHED = "unfinished"
"""The error of a response that did not end the way its API ends: it was cut, or its reader left."""


class Verdict(NamedTuple):
    """`usage` None means that nobody can say, `price` None that it was charged at none, or at what was held."""

    ending: Ending
    nano: int
    usage: Usage | None = None
    estimated: bool = False
    error: str | None = None
    health: Health = Health.NEUTRAL
    price: Price | None = None
    model: str | None = None
    """The model that the response names."""
    retry_after: float | None = None

    @property
    def exact(self) -> bool:
        """The response said what was used, and ended as its API ends."""
        return self.ending is Ending.SETTLED and not self.estimated


def answered(
    outcome: Outcome, price: Price | None, most: int, *, status: int | None, slow: bool, broken: Health | None
) -> Verdict:
    """Of a response: settled at what it says was used; without that at `most`, which is an upper bound, estimated.

    What a response says that has not finished is not all that was used: it is a lower bound. `broken` is what it says
    about its provider that it has not finished.
    """
    usage = outcome.usage if outcome.usage and outcome.usage.total_tokens < MAX_TOKENS else None
    found = health(status, outcome.error, None)
    state = Health.SLOW if slow and found is Health.OK else found
    if usage is not None and price is not None:
        with suppress(PriceUnknown):
            cost = price.cost(usage)
            if outcome.finished:
                error = outcome.error
                return Verdict(Ending.SETTLED, cost, usage, False, error, state, price, outcome.model)
            most = max(most, cost)
    known = usage if outcome.finished else None
    error = outcome.error or (None if outcome.finished else UNFINISHED)
    if not (outcome.finished or outcome.error):
        state = broken or Health.NEUTRAL
    return Verdict(Ending.SETTLED, most, known, True, error, state, model=outcome.model)


def rejected(status: int, headers: Mapping[str, str], body: bytes) -> Verdict:
    """Of an error response, which the provider does not bill."""
    found = said(body)
    wait = retry_after(headers, found.wait)
    return Verdict(Ending.VOIDED, 0, error=found.word, health=of_answer(status, found), retry_after=wait)


def lost(error: BaseException, hold: Hold, *, billed: bool) -> Verdict:
    """Of an exception: void what was never sent or is not `billed`, presume the rest spent."""
    name, state = type(error).__name__, health(None, None, error)
    if isinstance(error, NEVER_SENT) or not billed:
        return Verdict(Ending.VOIDED, 0, error=name, health=state)
    return Verdict(Ending.PRESUMED_SPENT, hold.presumed_nano, estimated=True, error=name, health=state)
