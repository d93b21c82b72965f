"""One consistent, read-only look at the ledger, and what all reads share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.types import check_tag

CLOCK_SKEW = timedelta(minutes=10)
"""How far the clock of a process, which is in the ids it makes, may be from the database's."""
MILLISECOND = timedelta(milliseconds=1)


FIRST_ID, END_ID = UUID(int=0), UUID(int=2**128 - 1)


def walk(
    lead: sa.ColumnElement[str], value: Any, attempt: sa.ColumnElement[UUID], since: UUID = FIRST_ID, end: UUID = END_ID
) -> tuple[sa.ColumnElement[bool], sa.UnaryExpression[Any], sa.UnaryExpression[Any]]:
    """That `lead` is `value`, for the newest attempts of one tenant or prompt; and the order to ask for them in.

    Said as a range of both columns, the planner has to walk down the index that begins with `lead`. Told that it is
    equal, it may walk down all attempts by time; and where this one has none of late, that is all of the ledger. For
    the same reason nothing else is to be said of `attempt`: it would be looked up by time, and sorted.
    """
    both = sa.tuple_(lead, attempt)
    return sa.and_(both >= sa.tuple_(value, since), both < sa.tuple_(value, end)), lead.desc(), attempt.desc()


Readable = Database | sa.Connection
"""What is read from: a database, or a connection that is in the middle of one consistent look at it."""


@contextmanager
def reading(database: Readable) -> Iterator[sa.Connection]:
    """A connection on which every statement sees the ledger at the same instant: a new one, or the one that is given.

    Raises DatabaseUnavailable.
    """
    if isinstance(database, sa.Connection):
        yield database
        return
    options: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with database.engine().execution_options(**options).connect() as connection:
        yield connection


@contextmanager
def unsorted(connection: sa.Connection) -> Iterator[None]:
    """What is asked within is walked to in the order of an index, up to its limit.

    Of the newest attempts the statistics know nothing yet: where they expect a handful, the planner would read all of
    them and sort them. Where an error ends the transaction, this ends with it.
    """
    connection.execute(sa.select(sa.func.set_config("enable_sort", "off", True)))
    yield
    connection.execute(sa.select(sa.func.set_config("enable_sort", "on", True)))


def database_time(connection: sa.Connection) -> datetime:
    """When this transaction began, by the database's clock; aware, in UTC."""
    return connection.execute(sa.select(sa.func.now())).scalar_one()


def start_of_day() -> sa.ColumnElement[datetime]:
    """00:00 UTC of the database's today."""
    return sa.func.date_trunc("day", sa.func.now(), "UTC")


def check_tags(**tags: str | None) -> None:
    """Raises ConfigError for a value that can't be the tag of its name."""
    for name, value in tags.items():
        try:
            if value is not None:
                check_tag(name, value)
        except ValueError as error:
            raise ConfigError(f"The {error}.", remedy=f"Give another {name}.") from None


def aware(name: str, moment: datetime) -> datetime:
    """The moment. Raises ConfigError for one without a time zone."""
    if moment.tzinfo is None:
        raise ConfigError(f"{name} is {moment.isoformat()}, without a time zone.", remedy="Give it as a UTC time.")
    return moment


def ids_since(moment: datetime) -> UUID:
    """A UUIDv7 that is below all those that were made at `moment` or later, by whichever clock."""
    return _id_at(int(moment.timestamp() * 1000) - CLOCK_SKEW // MILLISECOND)


def ids_around(id: UUID, after: timedelta) -> tuple[UUID, UUID]:
    """The UUIDv7s that were made at about the time of `id`, itself one, or up to `after` later: the first and last."""
    made = id.int >> 80
    return _id_at(made - CLOCK_SKEW // MILLISECOND), _id_at(made + after // MILLISECOND)


def id_at(moment: datetime) -> UUID:
    """A UUIDv7 that is below all those that were made at `moment` or later, by the clock that made them."""
    return _id_at(int(moment.timestamp() * 1000))


def _id_at(milliseconds: int) -> UUID:
    return UUID(int=min(max(0, milliseconds), 2**48 - 1) << 80)


def tenants_in(table: sa.Table) -> sa.CTE:
    """Every tenant that has rows in a table whose key starts with the tenant: one look into the index for each.

    Refusals name tenants that nobody added, so `aikit.tenants` does not know them all.
    """
    smallest = sa.func.min(table.c.tenant).label("tenant")
    names = sa.select(smallest).cte(f"tenants_in_{table.name}", recursive=True)
    following = sa.select(smallest).where(table.c.tenant > names.c.tenant).scalar_subquery()
    return names.union_all(sa.select(following).where(names.c.tenant.is_not(None)))
