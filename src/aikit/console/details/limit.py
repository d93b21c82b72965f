"""A limit in full: what it counts, where it stands, which policy states it, and who changed that."""

from __future__ import annotations

from datetime import datetime

from aikit.console.details.changes import short
from aikit.console.details.limit_words import counts_words, limit_words, share_words
from aikit.console.details.words import UNKNOWN, gone, utc, when
from aikit.console.row_keys import SEPARATOR, limit_key
from aikit.errors import ConfigError
from aikit.ledger.audit import AuditRow, list_audit
from aikit.ledger.limit_stated import Stated, where_stated
from aikit.ledger.limits import LimitRow, list_limits, window_at
from aikit.ledger.plans import plans_at
from aikit.ledger.policies import read_set
from aikit.ledger.reading import Readable, database_time, reading
from aikit.page import Item, Page, Section
from aikit.policy.model import Caller
from aikit.policy.trace import LimitTrace, trace
from aikit.policy.windows import SLIDING
from aikit.policy.words import amount, cap_words
from aikit.types import Action, Metric, Window

CHANGES = 20
"""So many of the last changes of its policy are shown."""


def limit_page(database: Readable, key: str, nano_per_credit: int) -> Page:
    """`key` is `limit_key` of a row. Raises AIKitError if no such limit is in force any more."""
    tenant, source = (*key.split(SEPARATOR), "")[:2]
    row = next((row for row in list_limits(database, tenant) if limit_key(row) == key), None)
    if row is None:
        raise gone(
            f"That limit of {tenant[:80]} from {source[:80]} is not in force any more.",
            "The policy may have been changed: the tab Audit says by whom.",
        )
    try:
        stated = where_stated(database, row)
    except ConfigError:  # changed between the two reads, or stated twice: the page does without
        stated = None
    with reading(database) as connection:
        now = database_time(connection)
    over = None if stated is None else _trace(database, row, stated)
    changes = list_audit(database, action="policy", subject=row.source, limit=CHANGES)
    return told(row, stated, over, changes, now, nano_per_credit)


def told(
    row: LimitRow,
    stated: Stated | None,
    over: LimitTrace | None,
    changes: list[AuditRow],
    now: datetime,
    nano_per_credit: int,
) -> Page:
    """The page of a limit; `over` has what it overrides."""
    return Page(
        f"{row.tenant}: {limit_words(row)}{f', {row.counts}' if row.counts else ''}, {share_words(row)}",
        (_effect(row),),
        (
            Section("Where it stands", tuple(_standing(row, stated, now))),
            Section("Where it is stated", tuple(_whence(row, stated))),
            Section("What it overrides", tuple(_overridden(over))),
            Section(f"Changes of {row.source}", tuple(_changes(changes, nano_per_credit))),
        ),
    )


def _effect(row: LimitRow) -> str:
    if row.action is Action.WARN:
        return "It only warns: calls above it pass, and are recorded as what would have been refused."
    if row.share is not None and row.share >= 1:
        return "It is used up: calls that count for it are refused."
    return "Calls that do not fit below it are refused."


def _standing(row: LimitRow, stated: Stated | None, now: datetime) -> list[Item]:
    def said(number: int | None) -> str:
        return amount(number, row.metric)

    items = [Item("counts", counts_words(row)), Item("cap", said(row.cap))]
    items.append(Item("soft cap", said(row.soft_cap) if row.soft_cap is not None else "none"))
    if row.window is Window.CALL:
        return items
    if row.metric is not Metric.CONCURRENCY:
        items.append(Item("used", said(row.used)))
    items += [Item("held", said(row.held)), Item("left", said(row.remaining)), Item("share", share_words(row))]
    if row.metric is Metric.CONCURRENCY:
        return items
    anchor = 0 if stated is None else stated.limit.anchor
    start, _ = window_at(row.window, now.replace(second=0, microsecond=0), row.zone, anchor)
    if row.window is not Window.TOTAL and (stated is not None or row.window in SLIDING):
        slides = "; what came before counts less and less" if row.window in SLIDING else ""
        items.append(Item("window began", f"{utc(start)}{slides}"))
    return [*items, Item("resets", utc(row.resets_at) if row.resets_at else "never")]


def _whence(row: LimitRow, stated: Stated | None) -> list[Item]:
    if stated is None:
        return [Item("policy", row.source)]
    policy = stated.stored.policy
    items = [
        Item("policy", policy.name),
        Item("is for", policy.scope.label if policy.scope.label != "default" else "every call"),
        Item("as stated", cap_words(stated.limit)),
        Item("managed", "by hand" if stated.stored.by_hand else "by a file: edit policies.toml, aikit policy apply"),
        Item("since version", f"{stated.stored.since:,}"),
    ]
    if policy.priority:
        items.append(Item("priority", f"{policy.priority:,}"))
    return [*items, *([Item("what for", policy.description)] if policy.description else [])]


def _trace(database: Readable, row: LimitRow, stated: Stated) -> LimitTrace | None:
    """How the limit came about for a caller whose calls it counts."""
    with reading(database) as connection:
        policies = read_set(connection, tenant=row.tenant)
        _, plan, own = plans_at(connection, row.tenant, stated.user, policies.version)
    scope = stated.stored.policy.scope
    on_own_plan = stated.user is not None and scope.user is None and stated.limit.each != "user"
    if scope.plan is not None and (on_own_plan or scope.plan != plan):
        own = scope.plan
    caller = Caller(row.tenant, stated.user or None, stated.feature or None, stated.environment, plan, own)
    traced = trace([each.policy for each in policies.policies], caller).limits
    wanted = (row.source, row.metric, row.window, row.action, row.cap, row.soft_cap)
    for found in traced:
        limit = found.limit
        if (limit.source, limit.metric, limit.window, limit.action, limit.cap, limit.soft_cap) == wanted:
            return found
    return None


def _overridden(over: LimitTrace | None) -> list[Item]:
    if over is None:
        return [Item(UNKNOWN, "the policies have changed while they were read")]
    lost = [Item(one.limit.source, f"{cap_words(one.limit)}: {one.reason}") for one in over.overruled]
    return lost or [Item("none", "no other policy states a limit that counts the same")]


def _changes(changes: list[AuditRow], nano_per_credit: int) -> list[Item]:
    items = [
        Item(when(row.at), f"{short(row, nano_per_credit) or row.action} · {row.who}", (row.why,) if row.why else ())
        for row in changes
    ]
    return items or [Item("none", "it is as it was first set up")]
