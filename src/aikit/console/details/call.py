"""An attempt in full: the decision as `aikit explain` tells it, what came of it, and what else its call has tried."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from aikit.console.details.contents import correction_words
from aikit.console.details.decision import FIELDS, explained
from aikit.console.details.words import UNKNOWN, count, gone, took, utc, when
from aikit.errors import ConfigError
from aikit.explain import Explanation, explain
from aikit.ledger.call_detail import AttemptDetail, CallDetail, get_call
from aikit.ledger.reading import Readable
from aikit.money import format_usd
from aikit.page import Item, Page, Section
from aikit.types import Repeats

NOT_KEPT = "not kept: aikit stores what a call came to, not what was said in it"


def call_page(database: Readable, key: str, nano_per_credit: int) -> Page:
    """`key` is the attempt's id. Raises AIKitError if the ledger does not have it."""
    try:
        found = _explained(database, UUID(key))
    except ValueError:
        found = None
    if found is None:
        raise gone(
            f"The ledger has no attempt {key[:40]}.",
            f"It may have been pruned: aikit calls show {key[:40]} says where.",
        )
    whole = get_call(database, found.call.call, tenant=found.call.tenant) or found.call
    return told(found, whole, nano_per_credit)


def told(found: Explanation, whole: CallDetail, nano_per_credit: int) -> Page:
    """The page of an attempt, of which `whole` is the call with all its attempts."""
    decision, attempt = explained(found, nano_per_credit), found.attempt
    lines = [one for one in found.call.attempts if one.attempt == attempt.attempt]
    first, rest = decision.sections[0], decision.sections[1:]
    why = [section for section in rest if section.title != FIELDS]
    came_of_it = [
        Section("Timeline", tuple(_timeline(attempt))),
        Section("Cost and tokens", tuple(_cost(attempt, lines))),
        *_corrections(lines),
    ]
    return Page(
        decision.heading,
        (*decision.paragraphs, *_repeated(attempt)),
        (
            *([*why, *came_of_it] if attempt.state == "refused" else [*came_of_it, *why]),
            *_others(whole, attempt),
            first,
            Section("What was said", (Item("prompt text", NOT_KEPT), Item("answer", NOT_KEPT))),
            *[section for section in rest if section.title == FIELDS],
            Section("The same decision again", (Item("answer", "\n".join(decision.below)),)),
        ),
    )


def _explained(database: Readable, id: UUID) -> Explanation | None:
    """What it was decided by may be pruned: then the decision is told as it was recorded."""
    try:
        return explain(database, id)
    except ConfigError as error:
        call = get_call(database, id)
        if call is None:
            return None
        first = next((one for one in call.attempts if one.seq == 0), call.attempts[0])
        return Explanation(call, first, why_not=error.message)


def _repeated(attempt: AttemptDetail) -> list[str]:
    """`318 identical requests in 60 s.`"""
    return [
        f"{one.seen + 1:,} identical requests in {one.rule.seconds:,} s, this one included."
        for one in attempt.watch
        if isinstance(one, Repeats) and one.seen
    ]


def _timeline(attempt: AttemptDetail) -> list[Item]:
    if attempt.state == "refused":
        return [Item("refused", utc(attempt.decided_at)), Item("sent", "never; nothing was spent")]
    items = [Item("admitted", utc(attempt.decided_at))]
    if attempt.first_byte_ms is not None:
        at = attempt.decided_at + timedelta(milliseconds=attempt.first_byte_ms)
        items.append(Item("first byte", f"{utc(at)} · after {took(attempt.first_byte_ms)}"))
    if attempt.state == "running":
        return [*items, Item("in flight", f"its hold expires {utc(attempt.expires_at)}")]
    if attempt.duration_ms is not None:
        at = attempt.decided_at + timedelta(milliseconds=attempt.duration_ms)
        items.append(Item("ended", f"{utc(at)} · after {took(attempt.duration_ms)}"))
    return [*items, Item("posted", utc(attempt.settled_at)), Item("ending", _ending(attempt))]


def _ending(attempt: AttemptDetail) -> str:
    """`presumed_spent · status 500 · error ReadTimeout · estimated`."""
    parts = [attempt.state]
    if attempt.status is not None:
        parts.append(f"status {attempt.status}")
    if attempt.error:
        parts.append(f"error {attempt.error}")
    if attempt.estimated:
        parts.append("estimated")
    return " · ".join(parts)


def _cost(attempt: AttemptDetail, lines: Iterable[AttemptDetail]) -> list[Item]:
    if attempt.state == "refused":
        return [Item("cost", f"{format_usd(0)}: it was not sent")]
    known = [line.nano for line in lines if line.nano is not None]
    items = [Item("cost", format_usd(sum(known)) if known else f"{UNKNOWN} until it has ended")]
    if attempt.bound_nano is not None:
        items.append(Item("held at most", format_usd(attempt.bound_nano)))
    if attempt.served_model not in (None, attempt.model):
        items.append(Item("served by", f"{attempt.served_model}"))
    if attempt.usage is None:
        return [*items, Item("tokens", UNKNOWN)]
    used = [Item(name.replace("_", " "), count(number)) for name, number in attempt.usage.classes().items() if number]
    return [*items, *used, Item("tokens in all", count(attempt.usage.total_tokens))]


def _corrections(lines: Iterable[AttemptDetail]) -> list[Section]:
    items, total = [], 0
    for line in lines:
        total += line.nano or 0
        if line.seq:
            sign = "+" if (line.nano or 0) > 0 else ""
            said = f"{sign}{format_usd(line.nano)}, in all {format_usd(total)} · {utc(line.settled_at)}"
            items.append(Item(f"correction {line.seq}", said, (correction_words(line),)))
    return [Section("Corrections", tuple(items))] if items else []


def _others(whole: CallDetail, attempt: AttemptDetail) -> list[Section]:
    """The other attempts of the same call, in order."""
    others = [one for one in whole.attempts if one.seq == 0 and one.attempt != attempt.attempt]
    if not others:
        return []
    return [Section(f"Other attempts of this call, {len(others):,}", tuple([_other(one) for one in others]))]


def _other(one: AttemptDetail) -> Item:
    parts = [_ending(one) if one.state != "refused" else f"refused {one.reason_code}", f"{one.provider}/{one.model}"]
    if one.nano is not None and one.state != "refused":
        parts.append(format_usd(one.nano))
    if one.duration_ms is not None:
        parts.append(took(one.duration_ms))
    return Item(when(one.decided_at), " · ".join(parts), opens=str(one.attempt))
