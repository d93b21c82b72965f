"""What a report of usage makes of an attempt: its ending, and whether one that is there says the same. Pure."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pydantic import Field

from aikit.errors import PriceUnknown, RequestInvalid
from aikit.failures.health import health
from aikit.ledger.held import Held
from aikit.money import MAX_NANO
from aikit.pricing.price import Price
from aikit.serve.control.fields import Key, Milliseconds, Name, Tokens, Word
from aikit.serve.endpoints import Body, Said
from aikit.types import Ending, Entry, Health, Usage
from aikit.verdict import MAX_TOKENS

FAILED = 400
VOID = "voided"
"""The error of an attempt whose hold was given back by its id."""


class Report(Body):
    """What a request used. With `hold` it ends that; without, `model` says what was used, and a key of its own which
    report it is.
    """

    hold: UUID | None = Field(None, description="The hold to settle.")
    usage_id: Key | None = Field(None, description="Without a hold: of all reports with it one counts.")
    usage: Tokens | None = Field(
        None,
        description="Null: nobody knows. Then it is charged at all that was held, or voided if `status` is an error.",
    )
    estimated: bool = Field(False, description="The usage is an estimate of the caller's.")
    provider: Word | None = None
    model: Name | None = None
    stream: bool = False
    user: Name | None = None
    feature: Name | None = None
    status: int | None = Field(None, ge=100, le=599, description="The HTTP status of the provider's answer.")
    error: Word | None = Field(None, description="A word for what went wrong.")
    served_model: Name | None = Field(None, description="The model that the answer names, if it is another one.")
    duration_ms: Milliseconds | None = None
    first_byte_ms: Milliseconds | None = None


class EndSaid(Said):
    """How an attempt ended. Reported again it says the same, and nothing is charged again."""

    attempt: UUID = Field(description="Its id in the ledger; of a hold, that of the hold and the decision.")
    call_id: UUID
    state: str = Field(description="`settled`, `voided` or `presumed_spent`.")
    cost_usd: str | None = Field(description="What it was charged in all; null: its model has no known price.")
    credits: int | None
    estimated: bool
    corrected: bool = Field(description="It had been presumed spent, and was put right by a further entry.")
    usage: dict[str, int] | None
    usage_id: str | None


def ending_of(held: Held, report: Report) -> Entry:
    """The ending of an attempt whose hold stands, or whose hold has expired. Raises RequestInvalid.

    Usage is charged at the price of the hold. Without one it costs all that was held, estimated, unless the provider
    answered with an error, which it does not bill.
    """
    hold = held.hold
    usage = None if report.usage is None else report.usage.as_usage()
    if usage is None and report.status is not None and report.status >= FAILED:
        return _entry(held, report, Ending.VOIDED, 0, None, estimated=False)
    if usage is None:
        return _entry(held, report, Ending.SETTLED, hold.order.nano, None, estimated=True)
    nano = cost_of(held.price, usage)
    if nano is None:
        most = max(hold.order.nano, 0)
        return _entry(held, report, Ending.SETTLED, most, usage, estimated=True)
    return _entry(held, report, Ending.SETTLED, nano, usage, estimated=report.estimated)


def voiding(held: Held, why: str | None) -> Entry:
    """The ending of an attempt that nobody bills."""
    return Entry(held.hold, Ending.VOIDED, 0, error=why or VOID)


def cost_of(price: Price | None, usage: Usage) -> int | None:
    """What a usage costs, in nano-USD; None if the price does not cover it. Raises RequestInvalid for nonsense."""
    if usage.total_tokens >= MAX_TOKENS:
        raise RequestInvalid("No request uses so many tokens.", facts={"field": "usage"}, remedy="Report its own.")
    try:
        nano = None if price is None else price.cost(usage)
    except PriceUnknown:
        return None
    if nano is not None and nano > MAX_NANO:
        raise RequestInvalid("No request costs so much.", facts={"field": "usage"}, remedy="Report what it used.")
    return nano


def same(entry: Entry, line: Entry) -> bool:
    """Whether the line that is in the ledger says what this ending says."""
    return _said(entry) == _said(line)


def _said(entry: Entry) -> tuple[Any, ...]:
    return (
        entry.ending,
        entry.usage,
        entry.estimated,
        entry.status,
        entry.error,
        entry.served_model,
        entry.duration_ms,
        entry.first_byte_ms,
    )


def _entry(held: Held, report: Report, ending: Ending, nano: int, usage: Usage | None, *, estimated: bool) -> Entry:
    return Entry(
        held.hold,
        ending,
        nano,
        usage,
        estimated,
        status=report.status,
        error=report.error,
        served_model=report.served_model,
        duration_ms=report.duration_ms,
        first_byte_ms=report.first_byte_ms,
        health=Health.NEUTRAL if report.status is None else health(report.status, _word(report), None),
    )


def _word(report: Report) -> str | None:
    """The word of an error; None for an answer that is none."""
    return report.error or (str(report.status) if report.status is not None and report.status >= FAILED else None)
