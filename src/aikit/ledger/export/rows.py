"""Rows as they are read for a file: in the order of their key, at one instant, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO, Any, Protocol

import psycopg
from psycopg import sql

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.export.fields import TABLES, Field, fields_of, selected, stored
from aikit.ledger.export.lines import CsvWriter, JsonlWriter
from aikit.ledger.export.parquet import ParquetWriter
from aikit.ledger.reading import aware, check_tags

AT_ONCE = 10_000
"""Rows that are in memory at a time."""
CLOCKS = timedelta(days=1)
"""How far the clock that made an id may be from the database's, for the row to be found by its time."""

Row = Sequence[Any]


class Writer(Protocol):
    """What writes rows, with a value for each field, in one format. Dollars come as nano-USD."""

    def write(self, rows: Iterable[Row]) -> None: ...

    def close(self) -> None: ...


WRITERS: dict[str, Callable[[IO[bytes], Sequence[Field]], Writer]] = {
    "csv": CsvWriter,
    "jsonl": JsonlWriter,
    "parquet": ParquetWriter,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of `entries` or `refusals`: those decided from `since` until before `until`; None: all.

    `part` names one of the tables that they consist of.
    """

    relation: str = "entries"
    since: datetime | None = None
    until: datetime | None = None
    tenant: str | None = None
    part: str | None = None

    def check(self) -> None:
        """Raises ConfigError for what can't be selected."""
        if self.relation not in TABLES:
            raise ConfigError(f"There are no {self.relation!r} to export.", remedy=f"Choose {' or '.join(TABLES)}.")
        check_tags(tenant=self.tenant)
        for name, moment in (("since", self.since), ("until", self.until)):
            if moment is not None:
                aware(name, moment)
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise ConfigError(f"The period ends ({self.until}) before it begins ({self.since}).")


def export(
    database: Database,
    selection: Selection,
    format: str,
    file: IO[bytes],
    advance: Callable[[int], None] = lambda rows: None,
) -> int:
    """Write the selected rows to a file. `advance` is told how many more have been written. Returns how many.

    Raises ConfigError for an unusable selection, an unknown format, or Parquet without pyarrow.
    """
    selection.check()
    if format not in WRITERS:
        raise ConfigError(f"There is no format {format!r}.", remedy=f"Choose one of {', '.join(WRITERS)}.")
    fields = fields_of(selection.relation)
    columns = {field.name: position for position, field in enumerate(stored(fields))}
    places = [columns[field.of] for field in fields]
    writer, count = WRITERS[format](file, fields), 0
    with database.connect(role="export") as connection:
        for rows in read(connection, selection):
            writer.write([[row[place] for place in places] for row in rows])
            count += len(rows)
            advance(len(rows))
    writer.close()
    return count


def read(connection: psycopg.Connection[Any], selection: Selection) -> Iterator[list[Row]]:
    """The columns of the selected rows, at one instant. The connection is this reader's own."""
    connection.autocommit = False
    connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    connection.read_only = True
    with connection.cursor("export") as cursor:
        cursor.execute(*_query(selection))
        while rows := cursor.fetchmany(AT_ONCE):
            yield rows


def _query(selection: Selection) -> tuple[sql.Composed, dict[str, Any]]:
    relation = selection.relation
    decided = sql.Identifier("refused_at" if relation == "refusals" else "admitted_at")
    conditions: list[sql.Composable] = [sql.SQL("true")]
    if selection.tenant is not None:
        conditions.append(sql.SQL("tenant = %(tenant)s"))
    for name, sign, skew in (("since", ">=", -CLOCKS), ("until", "<", CLOCKS)):
        moment: datetime | None = getattr(selection, name)
        if moment is not None:
            parts = {"sign": sql.SQL(sign), "at": sql.Literal(moment), "decided": decided}
            conditions.append(sql.SQL("{decided} {sign} {at}").format(**parts))
            parts["at"] = sql.Literal(moment + skew)
            conditions.append(sql.SQL("attempt {sign} aikit.id_at({at})").format(**parts))
    query = sql.SQL("SELECT {columns} FROM {table} WHERE {conditions} ORDER BY {key}").format(
        columns=sql.SQL(", ").join([sql.SQL(selected(field)) for field in stored(fields_of(relation))]),
        table=sql.Identifier("aikit", selection.part or relation),
        conditions=sql.SQL(" AND ").join(conditions),
        key=sql.SQL(", ").join([sql.Identifier(column.name) for column in TABLES[relation].primary_key]),
    )
    return query, {"tenant": selection.tenant}
