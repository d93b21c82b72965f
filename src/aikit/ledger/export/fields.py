"""The fields of an exported row: every column of its table, and beside each amount the same in dollars."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

import sqlalchemy as sa

from aikit.ledger.tables import entries, refusals

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNKNOWN = "\\N"
"""Stands for null where everything is a text."""

TABLES = {"entries": entries, "refusals": refusals}
DOLLARS = {
    "entries": {"nano": "cost_usd", "held_nano": "held_usd", "presumed": "presumed_usd"},
    "refusals": {"nano": "bound_usd"},
}
"""For a column in nano-USD the field that says the same in dollars. What a refused attempt could have cost at most is
no cost."""


class Kind(StrEnum):
    """What a field holds. JSON is the text that was recorded."""

    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"
    TIME = "time"
    DOLLARS = "dollars"
    JSON = "json"


class Field(NamedTuple):
    """A field by its name; dollars are made of the column `of`."""

    name: str
    kind: Kind
    of: str


def fields_of(relation: str) -> tuple[Field, ...]:
    """The fields of `entries` or `refusals`, in order; JSON comes last."""
    found = []
    for column in TABLES[relation].c:
        kind = _kind(column)
        found.append(Field(column.name, kind, column.name))
        if column.name in DOLLARS[relation]:
            found.append(Field(DOLLARS[relation][column.name], Kind.DOLLARS, column.name))
    return tuple(sorted(found, key=lambda field: field.kind is Kind.JSON))


def stored(fields: Sequence[Field]) -> list[Field]:
    """Those that are columns."""
    return [field for field in fields if field.kind is not Kind.DOLLARS]


def selected(field: Field) -> str:
    """The SQL that reads a column, for a file: ids as text, JSON on one line."""
    match field.kind:
        case Kind.JSON:
            return f"translate({field.name}::text, E'\\r\\n', '  ')"
        case Kind.TEXT:
            return f"{field.name}::text"
        case _:
            return field.name


def as_text(field: Field) -> str:
    """The SQL of a column as the text that `plain` makes of the value."""
    match field.kind:
        case Kind.TIME:
            text = f"(extract(epoch FROM {field.name}) * 1000000)::bigint::text"
        case Kind.FLAG | Kind.INTEGER:
            text = f"{field.name}::text"
        case _:
            text = selected(field)
    return f"coalesce({text}, '{UNKNOWN}')"


def plain(field: Field, value: Any) -> str:
    """A value as a text that says all of it, the same here and in the database."""
    if value is None:
        return UNKNOWN
    match field.kind:
        case Kind.TIME:
            return str((value - EPOCH) // MICROSECOND)
        case Kind.FLAG:
            return "true" if value else "false"
        case _:
            return str(value)


def _kind(column: sa.Column[Any]) -> Kind:
    match column.type:
        case sa.Boolean():
            return Kind.FLAG
        case sa.Integer():
            return Kind.INTEGER
        case sa.TIMESTAMP():
            return Kind.TIME
        case sa.JSON():
            return Kind.JSON
        case sa.Text() | sa.Uuid():
            return Kind.TEXT
    raise TypeError(f"{column} can't be exported")
