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

from aikit.breaker.model import Breaker
from aikit.meter.counters import Counters
from aikit.types import (
    USAGE_CLASSES,
    Answer,
    Bound,
    Entry,
    Finding,
    Hold,
    Limit,
    LimitState,
    LoopRule,
    Once,
    Order,
    Refusal,
    Repeats,
    VelocityRule,
    Watched,
)

SEPARATOR = "\x1e"
"""Between the keys of subjects in one text field; neither can contain it."""
QUOTE = '\\"'
NAME = QUOTE * 2
"""A quote inside a text."""
NO_USAGE = "," * (len(USAGE_CLASSES) - 1)

Value = str | int | datetime | None


class OrderRow(NamedTuple):
    """An order, and three parts of an `aikit.new_hold`: whose it is, what it asks for, and what is in it."""

    order: Order
    who: str
    request: str
    content: str

    @classmethod
    def of(cls, order: Order) -> OrderRow:
        return cls(order, f"{_who(order)},{_flag(order.call.stream)}", _request(order), _content(order))


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
            f"{text(entry.served_model)},{text(entry.price_id)},{_number(entry.duration_ms)},{_number(entry.first_byte_ms)},"
            f'{_findings(entry.findings)})"',
        )


def hold_row(
    row: OrderRow,
    hold: Hold,
    limits: Iterable[LimitState],
    code: str,
    would_refuse: str | None,
    watch: Iterable[Watched] = (),
) -> str:
    """An `aikit.new_hold`: what was granted, which may be less than what was asked for."""
    granted = hold.order
    return (
        f'"({row.who},{_price(granted)},{granted.output_tokens},{_number(hold.presumed)},{row.request},'
        f"{text(SEPARATOR.join(hold.subjects) if hold.subjects else None)},{_limits(limits, watch)},{code},"
        f'{would_refuse or ""},{row.content})"'
    )


def extension_row(hold: Hold, was: int) -> str:
    """An `aikit.extension`: the hold as it is to be; `was` is its generation so far."""
    order = hold.order
    return f'"({text(order.call.tenant)},{order.attempt.hex},{was},{order.nano},{order.tokens},{order.output_tokens})"'


def claim_row(order: Order, once: Once) -> str:
    """An `aikit.claim`."""
    return f'"({text(order.call.tenant)},{text(once.key)},{order.attempt.hex},{_bytes(once.request_hash)})"'


def answer_row(order: Order, once: Once, answer: Answer) -> str:
    """An `aikit.answer`."""
    return (
        f'"({text(order.call.tenant)},{text(once.key)},{order.attempt.hex},{answer.status},{text(answer.media_type)},'
        f'{_bytes(answer.body)})"'
    )


def breaker_row(breaker: Breaker) -> str:
    """An `aikit.breaker_change`: the breaker as it is to be."""
    probes = ",".join([probe.attempt.hex for probe in breaker.probes])
    leases = ",".join([f'"{probe.until.isoformat()}"' for probe in breaker.probes]).replace('"', NAME)
    since, until = breaker.since.isoformat(), None if breaker.until is None else breaker.until.isoformat()
    return (
        f'"({text(breaker.provider)},{text(breaker.model)},{breaker.revision},{breaker.state},{text(since)},'
        f'{text(until)},{breaker.successes},{QUOTE}{{{probes}}}{QUOTE},{QUOTE}{{{leases}}}{QUOTE})"'
    )


def refusal_row(refusal: Refusal, policy_version: int, at: datetime) -> str:
    """An `aikit.refusal`."""
    order, limits = refusal.order, _limits(refusal.limits, refusal.watch)
    return (
        f'"({_who(order)},{_price(order)},{refusal.reason_code},{limits},{policy_version},'
        f'{text(at.isoformat())},{_request(order)},{text(refusal.source)},{_content(order)})"'
    )


def counter_row(tenant: str, subject: str, counters: Counters) -> str:
    """An `aikit.counter_change`."""
    return f'"({text(tenant)},{text(subject)},{counters.revision},{QUOTE}{{{counters.amounts()}}}{QUOTE})"'


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
    return _quoted(value)


def _quoted(value: str) -> str:
    return QUOTE + value.replace("\\", "\\\\\\\\").replace('"', NAME) + QUOTE


def _who(order: Order) -> str:
    call = order.call
    tags = call.tags
    return (
        f"{text(call.tenant)},{order.attempt.hex},{call.id.hex},{text(tags.user)},{text(tags.feature)},"
        f"{text(tags.environment)},{text(call.provider)},{text(call.model)},{text(call.api)}"
    )


def _price(order: Order) -> str:
    return f"{text(order.price_id)},{order.nano},{order.tokens}"


def _request(order: Order) -> str:
    """What an order asks for, as `aikit.ledger.recorded.read_request` reads it."""
    cost, bound = order.cost, order.bound
    cases = "null" if cost is None else f"[{cost.scale},{','.join([f'[{paid},{rate}]' for paid, rate in cost.cases])}]"
    output = order.output_tokens if order.named else "null"
    extent = "" if bound is None else f",{_bound(bound)}"
    if order.leasable:
        extent = (extent or ",null") + ",1"
    return (
        f"{QUOTE}[{order.tokens - order.output_tokens},{output},{order.answers},{order.least},{order.characters},"
        f"{cases}{extent}]{QUOTE}"
    )


def _content(order: Order) -> str:
    """The prompt that it was made with, its hash, and what guards found."""
    prompt = order.call.prompt
    if prompt is None and not order.findings:
        return ",,"
    id, sha256 = prompt or (None, None)
    return f"{text(id)},{text(sha256)},{_findings(order.findings)}"


def _findings(findings: Iterable[Finding]) -> str:
    """A list of objects, as JSON; nothing for none. Names that applications give may hold what JSONB can't."""
    found = [{name: _storable(value) for name, value in finding._asdict().items()} for finding in findings]
    return _quoted(json.dumps(found, ensure_ascii=False, separators=(",", ":"))) if found else ""


def _storable(value: str | int) -> str | int:
    return value if isinstance(value, int) else value.replace("\0", "?").encode(errors="replace").decode()


def _bound(bound: Bound) -> str:
    classes = [sorted(bound.input_classes), sorted(bound.output_classes)]
    extent = [bound.input_tokens, bound.output_tokens, *classes, bound.open_ended, bound.searches]
    return json.dumps(extent).replace('"', NAME)


def _limits(limits: Iterable[LimitState], watch: Iterable[Watched] = ()) -> str:
    """The states of a decision's limits, and of its rules against runaways, as `aikit.ledger.recorded` reads them."""
    states = [
        f"{_limit(limit, resets_at)}{used},{held},{carried}]"
        if carried or not (head := _plain_limit(limit))
        else f"{head}{used},{held}]"
        for limit, used, held, resets_at, carried in limits
    ]
    if watch:
        states += [_watched(found) for found in watch]
    return f"{QUOTE}[{','.join(states)}]{QUOTE}"


def _watched(found: Watched) -> str:
    """In the places of a limit: what it is, its window, its source, the cap, and so on."""
    opening, whose = _rule(found.rule)
    if isinstance(found, Repeats):
        first = "null" if found.first_at is None else found.first_at.timestamp()
        return f"{opening}{found.rule.identical},null,{whose}{first},{found.seen},0,0]"
    basis = f"[{found.rule.times},{found.rule.floor},{found.hour}]"
    return f"{opening}{found.allowed},{basis},{whose}null,{found.minute},0,{found.carried}]"


@lru_cache(maxsize=4096)
def _rule(rule: LoopRule | VelocityRule) -> tuple[str, str]:
    """What is the same each time: the beginning, and a part of the middle."""
    kind = ["loops", f"{rule.seconds} s"] if isinstance(rule, LoopRule) else ["velocity", "minute"]
    return _opening([*kind, rule.source]), _opening([rule.action, rule.subject])[1:]


@lru_cache(maxsize=4096)
def _plain_limit(limit: Limit) -> str:
    """The short form, which most limits have; "" for one that it does not say all of."""
    plain = limit == Limit(limit.metric, limit.window, limit.cap, limit.source)
    return _opening([limit.metric, limit.window, limit.source, limit.cap]) if plain else ""


@lru_cache(maxsize=4096)
def _limit(limit: Limit, resets_at: datetime | None) -> str:
    resets = None if resets_at is None else int(resets_at.timestamp())
    said = [limit.metric, limit.window, limit.source, limit.cap, limit.soft_cap, limit.action, limit.subject, resets]
    return _opening(said)


def _opening(said: Sequence[object]) -> str:
    """The beginning of a JSON array that more numbers follow in."""
    opening = json.dumps(said, ensure_ascii=False, separators=(",", ":"))[:-1] + ","
    return opening.replace("\\", "\\\\\\\\").replace('"', NAME)


def _bytes(value: bytes) -> str:
    return QUOTE + "\\" * 4 + "x" + value.hex() + QUOTE


def _flag(value: bool) -> str:
    return "t" if value else "f"


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
