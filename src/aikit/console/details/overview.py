"""A row of the overview in full: the calls of one tenant and feature to one model."""

from __future__ import annotations

from datetime import datetime

from aikit.console.details.limit_words import counts_words, limit_words, share_words, standing_words
from aikit.console.details.words import UNKNOWN, count, gone, took, utc, when
from aikit.console.model import Overview, OverviewRow, Snapshot, Tab
from aikit.console.row_keys import SEPARATOR, limit_key, overview_key
from aikit.ledger.calls import CallRow, State, list_calls
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.reading import Readable
from aikit.ledger.row_sums import NEWEST, RowSums, row_sums, since_newest
from aikit.money import format_usd
from aikit.page import Item, Page, Section
from aikit.types import Metric, Window

LAST = 10
"""So many of its newest calls are shown."""
AMONG = 5_000
"""They are looked for among so many of the newest of the tenant."""
NONE = Item("none", f"among the newest {AMONG:,} of the tenant")
MOST_LIMITS = 12


def tab_of(key: str) -> Tab:
    """The tab whose page a key opens: that of a row, of one of its calls, or of one of its limits."""
    parts = key.split(SEPARATOR)
    if len(parts) == 1:
        return Tab.CALLS
    of_limit = len(parts) >= 6 and parts[2] in set(Metric) and parts[3] in set(Window)
    return Tab.LIMITS if of_limit else Tab.OVERVIEW


def overview_page(database: Readable, key: str, snapshot: Snapshot) -> Page:
    """`key` is `overview_key` of a row. Raises AIKitError if none of its calls are in the ledger any more."""

    tenant, feature, provider, model = (key.split(SEPARATOR, 3) + [""] * 3)[:4]
    since = _since(snapshot)
    named = f"{tenant}{f', {feature}' if feature else ''}, {provider}/{model}"
    sums = row_sums(database, tenant=tenant, feature=feature, provider=provider, model=model, since=since)
    if sums is None:
        raise gone(f"Nothing was called since {since:%Y-%m-%d %H:%M} UTC: {named[:200]}.", "Choose a longer time: t.")
    recent = max([since, *filter(None, [since_newest(database, tenant, AMONG)])])
    model_or_like = f"{provider}/{model}"  # which is what another provider may call its own
    newest = list_calls(database, tenant=tenant, feature=feature, model=model_or_like, since=recent, limit=3 * LAST)
    calls = [call for call in newest if (call.provider, call.model) == (provider, model)][:LAST]
    limits = list_limits(database, tenant, feature=feature or None, nearest=True)
    return told(named, since, sums, limits, calls, _row(snapshot, key))


def told(
    named: str,
    since: datetime,
    sums: RowSums,
    limits: list[LimitRow],
    calls: list[CallRow],
    row: OverviewRow | None,
) -> Page:
    """The page of a row; `row` is that of the snapshot, None if it is not among its rows."""

    standing = [
        Item(
            limit_words(one),
            f"{share_words(one)} · {standing_words(one)}",
            (f"counts {counts_words(one)} · {one.source}",),
            opens=limit_key(one),
        )
        for one in limits[:MOST_LIMITS]
    ]
    more = len(limits) - MOST_LIMITS
    if more > 0:
        standing.append(Item("and", f"{more:,} more; the tab Limits has them all"))
    return Page(
        named,
        (f"Since {utc(since)}.",),
        (
            Section("Calls", tuple(_counts(sums, row))),
            Section("Tokens", tuple(_tokens(sums))),
            *_reasons(sums),
            Section("Limits that apply, the nearest first", tuple(standing) or (Item("none", "no policy states one"),)),
            Section(f"Its last calls, {len(calls)}", tuple([_call(call) for call in calls]) or (NONE,)),
        ),
    )


def _counts(sums: RowSums, row: OverviewRow | None) -> list[Item]:

    priced = sums.calls > sums.unpriced
    items = [
        Item("calls", count(sums.calls)),
        Item("refused", f"{count(sums.refused)} on top, not sent"),
        Item("failed", count(sums.failed)),
        Item("cost", format_usd(sums.nano) if priced or not sums.calls else UNKNOWN),
        Item("estimated", _of_them(sums.estimated, "nobody reported what they used")),
        Item("unpriced", _of_them(sums.unpriced, "their model had no price")),
    ]
    if row is not None:
        items.append(Item("took", f"half of them at most {took(row.p50_ms)}, 95 of 100 at most {took(row.p95_ms)}"))
    return items


def _of_them(number: int, why: str) -> str:
    return f"{number:,} of them: {why}" if number else "none"


def _tokens(sums: RowSums) -> list[Item]:

    used = [Item(name.replace("_", " "), count(number)) for name, number in sums.tokens.items() if number]
    return used or [Item("none", "no call has reported any")]


def _reasons(sums: RowSums) -> list[Section]:

    if not sums.reasons:
        return []
    title = f"Why they were refused, of the newest {NEWEST:,} refusals of the tenant"
    return [Section(title, tuple([Item(code, f"{number:,}") for code, number in sums.reasons.items()]))]


def _call(call: CallRow) -> Item:

    match call.state:
        case State.REFUSED:
            parts = [f"refused {call.reason_code}"]
        case State.RUNNING:
            parts = [f"in flight, at most {format_usd(call.bound_nano)}"]
        case _:
            tokens = UNKNOWN if call.tokens is None else f"{call.tokens:,}"
            parts = [str(call.state), f"{tokens} tokens", format_usd(call.nano), took(call.duration_ms)]
    if call.error:
        parts.append(call.error)
    return Item(when(call.at), " · ".join(parts), opens=str(call.attempt))


def _since(snapshot: Snapshot) -> datetime:
    return getattr(snapshot.page, "since", None) or snapshot.query.period.since(snapshot.at)


def _row(snapshot: Snapshot, key: str) -> OverviewRow | None:

    rows = snapshot.page.rows if isinstance(snapshot.page, Overview) else ()
    return next((row for row in rows if overview_key(row) == key), None)
