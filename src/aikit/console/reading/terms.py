"""The filter as conditions in SQL: the same terms, found in the same way as `Filter.fits` finds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from aikit.console.filtering import Filter, Term

Fields = Mapping[str, sa.ColumnElement[Any]]
"""What a term can name, as an expression that is NULL where there is nothing."""


def conditions(wanted: Filter, fields: Fields, *, words: Iterable[str] | None = None) -> list[sa.ColumnElement[bool]]:
    """What fits. A word without a field is looked for in `words` of the fields, or in all of them."""
    everywhere = list(fields) if words is None else list(words)
    return [_condition(term, fields, everywhere) for term in wanted.terms]


def _condition(term: Term, fields: Fields, everywhere: list[str]) -> sa.ColumnElement[bool]:
    names = everywhere if term.field is None else [term.field]
    found = sa.or_(sa.false(), *[_holds(fields[name], term.text) for name in names if name in fields])
    return sa.not_(found) if term.negated else found


def _holds(column: sa.ColumnElement[Any], text: str) -> sa.ColumnElement[bool]:
    return sa.func.coalesce(sa.func.strpos(sa.func.lower(column), text) > 0, sa.false())
