"""Rows as PostgreSQL reads them: an array of composite values in one text parameter.

One parameter a table, whatever the number of rows: 256 rows of 35 columns cost 14 µs a row this way against 88 µs
with one array parameter a column (see docs/design/group-commit.md). What an order or an ending says is written out
by whoever brings it, while the meter's thread waits for the database; that thread only joins the pieces.

A text is quoted twice, as a field of a record and the record as an element of an array, so `"` becomes `\\"\\"`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from aikit.meter.decide import Counter
from aikit.types import USAGE_CLASSES, Entry, LimitState, Order, Refusal

SEPARATOR = "\x1f"
"""Between counter keys in one text field; no tag can contain it."""
QUOTE = '\\"'
NO_USAGE = "," * (len(USAGE_CLASSES) - 1)

Value = str | int | datetime | None


class OrderRow(NamedTuple):
    """An order, and its part of an `aikit.new_hold`."""

    order: Order
    text: str

    @classmethod
    def of(cls, order: Order) -> OrderRow:
        return cls(order, f"{_who(order)},{_flag(order.call.stream)},{_price(order)}")


class EndingRow(NamedTuple):
    """An ending, and its `aikit.ending`."""

    entry: Entry
    text: str

    @classmethod
    def of(cls, entry: Entry) -> EndingRow:
        order, usage = entry.hold.order, entry.usage
        classes = NO_USAGE if usage is None else ",".join(map(str, usage.counts()))
        return cls(
            entry,
            f'"({text(order.call.tenant)},{order.attempt.hex},{entry.hold.generation},{entry.ending.value},'
            f"{_flag(entry.estimated)},{entry.nano},{classes},{_number(entry.status)},{text(entry.error)},"
            f'{text(entry.served_model)},{text(entry.price_id)},{_number(entry.duration_ms)},{_number(entry.first_byte_ms)})"',
        )


def hold_row(order: OrderRow, counters: Sequence[str], limits: Iterable[LimitState]) -> str:
    """An `aikit.new_hold`."""
    return f'"({order.text},{text(SEPARATOR.join(counters) or None)},{_limits(limits)})"'


def refusal_row(refusal: Refusal, policy_version: int, at: datetime) -> str:
    """An `aikit.refusals`."""
    order = refusal.order
    return (
        f'"({_who(order)},{_price(order)},{refusal.reason_code},{_limits(refusal.limits)},{policy_version},'
        f'{text(at.isoformat())})"'
    )


def counter_row(tenant: str, key: str, counter: Counter) -> str:
    """An `aikit.counter_change`."""
    return f'"({text(tenant)},{text(key)},{counter.was_used},{counter.was_held},{counter.used},{counter.held})"'


def plain_row(values: Iterable[Value]) -> str:
    """Any other row."""
    return '"(' + ",".join([str(v) if type(v) is int else text(None if v is None else str(v)) for v in values]) + ')"'


def array(rows: Sequence[str]) -> str | None:
    """The array literal of these rows; None for no rows."""
    return "{" + ",".join(rows) + "}" if rows else None


@lru_cache(maxsize=4096)
def text(value: str | None) -> str:
    """A text as a field of a record inside an array; nothing at all is NULL."""
    if value is None:
        return ""
    return QUOTE + value.replace("\\", "\\\\\\\\").replace('"', QUOTE * 2) + QUOTE


def _who(order: Order) -> str:
    call = order.call
    tags = call.tags
    return (
        f"{text(call.tenant)},{order.attempt.hex},{call.id.hex},{text(tags.user)},{text(tags.feature)},"
        f"{text(tags.environment)},{text(call.provider)},{text(call.model)},{text(call.api)}"
    )


def _price(order: Order) -> str:
    return f"{text(order.price_id)},{order.nano},{order.tokens}"


def _limits(limits: Iterable[LimitState]) -> str:
    """The states of a decision's limits as JSON: arrays of metric, window, source, cap, used, held."""
    states = [f"{_limit(s[0], s[1], s[6], s[2])}{s[3]},{s[4]}]" for s in limits]
    return f"{QUOTE}[{','.join(states)}]{QUOTE}"


@lru_cache(maxsize=4096)
def _limit(metric: str, window: str, source: str, cap: int) -> str:
    head = json.dumps([metric, window, source, cap], ensure_ascii=False)[:-1] + ","
    return head.replace("\\", "\\\\\\\\").replace('"', QUOTE * 2)


def _flag(value: bool) -> str:
    return "t" if value else "f"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
