"""The newest attempts; with a filter, those of the newest 20,000 that it lets through."""

from __future__ import annotations

import sqlalchemy as sa

from aikit.console.filtering import Filter
from aikit.console.model import MOST_ROWS, CallsPage
from aikit.console.reading.line import Tick
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.calls import State, list_calls, search_calls

AMONG = 20_000
FAILED_FROM = 400


def read_calls(tick: Tick, wanted: Filter) -> CallsPage:
    """The newest, those that are running included."""
    if not wanted:
        return CallsPage(tuple(list_calls(tick.connection, limit=MOST_ROWS)), None)
    rows, searched = search_calls(
        tick.connection, lambda calls: conditions(wanted, fields_of(calls)), among=AMONG, limit=MOST_ROWS
    )
    return CallsPage(tuple(rows), searched)


def fields_of(calls: sa.Subquery) -> Fields:
    """`status` is the state with `ok` or `error`, where one is known, and the provider's status; `code` are the reason
    codes and the error.
    """
    column = calls.c
    settled = column.state == State.SETTLED.value
    went = sa.case(
        (settled & (sa.func.coalesce(column.status, 0) < FAILED_FROM), "settled ok"),
        (settled, "settled error"),
        (column.state == State.VOIDED.value, "voided error"),
        (column.state == State.PRESUMED_SPENT.value, "presumed_spent error"),
        else_=column.state,
    )
    named = ("tenant", "user", "feature", "environment", "provider", "model", "prompt")
    return {name: column[name] for name in named} | {
        "status": sa.func.concat_ws(" ", went, column.status),
        "code": sa.func.concat_ws(" ", column.reason_code, column.would_refuse, column.error),
        "attempt": sa.cast(column.attempt, sa.Text),
        "call": sa.cast(column.call, sa.Text),
    }
