"""Attempts one by one: the newest of them, settled, refused or still running; and everything about one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from aikit.errors import ConfigError
from aikit.ledger.call_detail import AttemptDetail, CallDetail, PriceDetail, get_call
from aikit.ledger.reading import FIRST_ID, Readable, aware, check_tags, ids_since, reading, tenants_in, unsorted, walk
from aikit.ledger.tables import entries, holds, refusals, total_tokens
from aikit.types import Ending

__all__ = ["AttemptDetail", "CallDetail", "CallRow", "PriceDetail", "State", "get_call", "list_calls", "search_calls"]
Conditions = Callable[[sa.Subquery], Sequence[sa.ColumnElement[bool]]]


class State(StrEnum):
    """Where an attempt stands."""

    SETTLED = "settled"
    VOIDED = "voided"
    PRESUMED_SPENT = "presumed_spent"
    REFUSED = "refused"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class CallRow:
    """An attempt. `nano` and `tokens` are what it came to, corrections included; None is what nobody knows (yet).

    `at` is when it was decided on, `bound_nano` the most it could cost, None if it was refused before it was priced.
    """

    attempt: UUID
    call: UUID
    at: datetime
    tenant: str
    user: str | None
    feature: str | None
    environment: str
    provider: str
    model: str
    api: str
    state: State
    reason_code: str
    """Why it was refused; `ALLOWED` or `ALLOWED_SOFT_CAP` if it was not."""
    would_refuse: str | None
    """The code with which a limit that only warns would have refused it."""
    error: str | None
    status: int | None
    estimated: bool
    corrected: bool
    """Whether later entries have changed what it cost or used."""
    tokens: int | None
    nano: int | None
    bound_nano: int | None
    duration_ms: int | None
    prompt: str | None
    """The version of a prompt that it was made with."""
    findings: int
    """How many different things guards found in it."""


def list_calls(
    database: Readable,
    *,
    tenant: str | None = None,
    user: str | None = None,
    feature: str | None = None,
    model: str | None = None,
    prompt: str | None = None,
    ending: Ending | str | None = None,
    refused: bool | None = None,
    code: str | None = None,
    would_refuse: bool | None = None,
    since: datetime | None = None,
    limit: int = 50,
) -> list[CallRow]:
    """The newest attempts, the newest first, in the order of their ids. `model` may be given as `provider/model`,
    `prompt` with its version (`summarize@v3`) or for all of them (`summarize`). A `feature` of "" is none.

    `code` is the reason code of the decision. `would_refuse` picks those that a limit that only warns would have
    refused, or all others.

    This is one walk down an index, by tenant or by time. Where fewer than `limit` attempts pass a filter, all are read
    to find that out: give `since`. Raises ConfigError for an unusable tag, an unknown ending, a limit below 1, or a
    time without a time zone.
    """
    check_tags(tenant=tenant, user=user, feature=feature or None)
    if ending is not None and ending not in set(Ending):
        raise ConfigError(f"There is no ending {ending!r}.", remedy=f"Choose one of {', '.join(Ending)}.")
    if limit < 1:
        raise ConfigError(f"A list of {limit} calls can't be shown.", remedy="Ask for at least 1.")
    sources = _sources()
    if ending is not None:
        sources = {entries: sources[entries]}
    if refused is not None:
        sources = {table: columns for table, columns in sources.items() if (table is refusals) is refused}
    if would_refuse:
        sources.pop(refusals, None)
    if not sources:
        return []
    parts = []
    for table, columns in sources.items():
        filters = _filters(table, user, feature, model, since)
        filters += [*_decided(table, code, would_refuse), *_ending(table, ending), *_of_prompt(table, prompt)]
        each = would_refuse is True and tenant is None
        first = FIRST_ID if since is None else ids_since(since)
        parts.append(_newest(table, columns, filters, limit, first, tenant, each_tenant=each))
    newest = _together(parts, limit)
    with reading(database) as connection, unsorted(connection):
        rows = connection.execute(sa.select(newest, *_corrections(newest)).order_by(newest.c.attempt.desc())).all()
    return [_row(**row._asdict()) for row in rows]


def search_calls(
    database: Readable, conditions: Conditions, *, among: int = 20_000, limit: int = 50
) -> tuple[list[CallRow], int]:
    """Of the newest attempts, so many of them, those that meet conditions on the columns of `CallRow`; the newest
    first. Also returns how many were looked through.
    """
    with reading(database) as connection:
        first, searched = connection.execute(_reach(among)).one()
        parts = []
        for table, columns in _sources().items():
            looked = sa.select(*columns).where(table.c.attempt >= first, *_ending(table, None)).subquery()
            fitting = sa.select(looked).where(*conditions(looked))
            parts.append(fitting.order_by(looked.c.attempt.desc()).limit(limit))
        newest = _together(parts, limit)
        rows = connection.execute(sa.select(newest, *_corrections(newest)).order_by(newest.c.attempt.desc()))
        return [_row(**row._asdict()) for row in rows], searched


def _reach(most: int) -> sa.Select[*tuple[Any, ...]]:
    """The first of so many newest attempts, and how many there are of them."""
    each = [
        sa.select(table.c.attempt).where(*_ending(table, None)).order_by(table.c.attempt.desc()).limit(most).subquery()
        for table in (entries, holds, refusals)
    ]
    found = sa.union_all(*[sa.select(part) for part in each]).subquery()
    newest = sa.select(found.c.attempt).order_by(found.c.attempt.desc()).limit(most).cte("newest")
    first = sa.select(newest.c.attempt).order_by(newest.c.attempt).limit(1).scalar_subquery()
    searched = sa.select(sa.func.count()).select_from(newest).scalar_subquery()
    return sa.select(sa.func.coalesce(first, FIRST_ID), searched)


def _together(parts: Sequence[sa.Select[*tuple[Any, ...]]], limit: int) -> sa.Subquery:
    found = sa.union_all(*[sa.select(part.subquery()) for part in parts]).subquery()
    return sa.select(found).order_by(found.c.attempt.desc()).limit(limit).subquery()


def _newest(
    table: sa.Table,
    columns: list[sa.ColumnElement[Any]],
    conditions: list[sa.ColumnElement[bool]],
    limit: int,
    first: UUID,
    tenant: str | None,
    *,
    each_tenant: bool,
) -> sa.Select[*tuple[Any, ...]]:
    """`each_tenant`: the newest of every tenant are compared, where an index by tenant knows the few that are meant."""
    newest = sa.select(*columns).where(*conditions).limit(limit)
    if tenant is not None:
        of_one, *order = walk(table.c.tenant, sa.literal(tenant), table.c.attempt, first)
        return newest.where(of_one).order_by(*order)
    if not each_tenant:
        return newest.where(table.c.attempt >= first).order_by(table.c.attempt.desc())
    names = tenants_in(table)
    of_each, *order = walk(table.c.tenant, names.c.tenant, table.c.attempt, first)
    each = newest.where(of_each).order_by(*order).lateral()
    return sa.select(each).select_from(names.join(each, sa.true())).order_by(each.c.attempt.desc()).limit(limit)


def _filters(
    table: sa.Table, user: str | None, feature: str | None, model: str | None, since: datetime | None
) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if user is not None:
        found.append(table.c.user_id == user)
    if feature is not None:
        found.append(table.c.feature == feature if feature else table.c.feature.is_(None))
    if model is not None:
        found.append(sa.or_(table.c.model == model, table.c.provider + "/" + table.c.model == model))
    if since is not None:
        decided = table.c.refused_at if table is refusals else table.c.admitted_at
        found.append(decided >= aware("since", since))
    return found


def _decided(table: sa.Table, code: str | None, would_refuse: bool | None) -> list[sa.ColumnElement[bool]]:
    found = [] if code is None else [table.c.reason_code == code]
    if would_refuse is not None and table is not refusals:
        found.append(table.c.would_refuse.is_not(None) if would_refuse else table.c.would_refuse.is_(None))
    return found


def _of_prompt(table: sa.Table, prompt: str | None) -> list[sa.ColumnElement[bool]]:
    if prompt is None:
        return []
    return [table.c.prompt == prompt if "@" in prompt else table.c.prompt.startswith(f"{prompt}@", autoescape=True)]


def _ending(table: sa.Table, ending: str | None) -> list[sa.ColumnElement[bool]]:
    if table is not entries:
        return []
    first = entries.c.seq == 0
    return [first] if ending is None else [first, entries.c.ending == str(ending)]


def _common(table: sa.Table, decided: str) -> list[sa.ColumnElement[Any]]:
    names = ("tenant", "user_id", "feature", "environment", "provider", "model", "api")
    named = [table.c[name].label(name.removesuffix("_id")) for name in names]
    return [table.c.attempt, table.c.call, table.c[decided].label("at"), *named, table.c.prompt, _found(table)]


def _found(table: sa.Table) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.jsonb_array_length(table.c.findings), 0).label("findings")


def _sources() -> dict[sa.Table, list[sa.ColumnElement[Any]]]:
    return {entries: _entry_columns(), holds: _hold_columns(), refusals: _refusal_columns()}


def _entry_columns() -> list[sa.ColumnElement[Any]]:
    return [
        *_common(entries, "admitted_at"),
        entries.c.ending.label("state"),
        entries.c.reason_code,
        entries.c.would_refuse,
        entries.c.error,
        entries.c.status,
        entries.c.estimated,
        total_tokens(entries).label("tokens"),
        entries.c.nano,
        entries.c.held_nano.label("bound_nano"),
        entries.c.duration_ms,
    ]


def _hold_columns() -> list[sa.ColumnElement[Any]]:
    return [
        *_common(holds, "admitted_at"),
        *_literals(state=State.RUNNING),
        holds.c.reason_code,
        holds.c.would_refuse,
        *_literals(error=None),
        *_numbers("status"),
        sa.false().label("estimated"),
        *_numbers("tokens", "nano"),
        holds.c.nano.label("bound_nano"),
        *_numbers("duration_ms"),
    ]


def _refusal_columns() -> list[sa.ColumnElement[Any]]:
    return [
        *_common(refusals, "refused_at"),
        *_literals(state=State.REFUSED),
        refusals.c.reason_code,
        *_literals(would_refuse=None, error=None),
        *_numbers("status"),
        sa.false().label("estimated"),
        *_numbers("tokens", "nano", value=0),
        sa.case((refusals.c.price_id.is_not(None), refusals.c.nano)).label("bound_nano"),
        *_numbers("duration_ms"),
    ]


def _literals(**values: str | None) -> list[sa.ColumnElement[Any]]:
    return [sa.cast(value, sa.Text).label(name) for name, value in values.items()]


def _numbers(*names: str, value: int | None = None) -> list[sa.ColumnElement[Any]]:
    return [sa.cast(value, sa.BigInteger).label(name) for name in names]


def _corrections(newest: sa.Subquery) -> list[sa.ColumnElement[Any]]:
    """What later entries add to the first; looked up for the rows that are shown alone."""
    later = sa.and_(entries.c.tenant == newest.c.tenant, entries.c.attempt == newest.c.attempt, entries.c.seq > 0)
    sums = {"more_tokens": total_tokens(entries), "more_nano": entries.c.nano}
    return [sa.select(sa.func.sum(each)).where(later).scalar_subquery().label(name) for name, each in sums.items()]


def _row(
    *, state: str, tokens: int | None, nano: int | None, more_tokens: int | None, more_nano: int | None, **rest: Any
) -> CallRow:
    tokens, nano = _plus(tokens, more_tokens), _plus(nano, more_nano)
    return CallRow(state=State(state), corrected=more_nano is not None, tokens=tokens, nano=nano, **rest)


def _plus(known: int | None, more: int | None) -> int | None:
    return known if more is None else (known or 0) + int(more)
