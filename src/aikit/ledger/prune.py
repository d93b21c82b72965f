"""Takes old months out of the ledger: each is written to a file, the file is read back and compared, and only then the
month's table is detached, together with the record of what it came to. What fails leaves the ledger as it was.

The file is made and compared while the ledger is in use. Detaching takes milliseconds, under a lock that is given up
at once if somebody is reading: callers wait at most LOCK_TIMEOUT for it, and it is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from psycopg import errors as pg

from aikit.database.connect import Database
from aikit.errors import AIKitError, ConfigError, DatabaseError
from aikit.ledger import audit
from aikit.ledger.export.files import made, sha256_of, written
from aikit.ledger.export.parquet import load
from aikit.ledger.export.rows import Selection, export
from aikit.ledger.export.tally import READERS, Tally, tally_file, tally_found, tally_query
from aikit.ledger.locks import PRUNING
from aikit.ledger.reading import CLOCK_SKEW, aware, reading
from aikit.ledger.tables import parts, pruned, pruned_rollups, rollups
from aikit.money import usd_string

LOCK_TIMEOUT = "200ms"
TRIES = 60
PAUSE = 1.0
"""Seconds until a lock that was not to be had is tried again."""
DECIDED = {"entries": "admitted_at", "refusals": "refused_at"}


class NotArchived(AIKitError):
    """A file does not hold what it should."""

    code = "NOT_ARCHIVED"


@dataclass(frozen=True, slots=True)
class OldPart:
    """A part of `entries` or `refusals` that is over; what it came to, in nano-USD. `kept_because`: it has to stay."""

    relation: str
    part: str
    first_id: UUID | None
    end_id: UUID | None
    since: datetime | None
    until: datetime
    rows: int
    nano: int
    kept_because: str | None = None


@dataclass(frozen=True, slots=True)
class PrunedPart:
    """A part that was taken away. `file` None: nothing was in it. `left_as` None: its table was dropped, as empty ones
    always are."""

    old: OldPart
    file: Path | None
    sha256: str | None
    left_as: str | None


def old_parts(database: Database, before: datetime) -> list[OldPart]:
    """The parts that end by `before`, the oldest first.

    Raises ConfigError if that reaches into the month before this one: counters, holds and sliding windows look back.
    """
    aware("before", before)
    with reading(database) as connection:
        newest = connection.execute(
            sa.select(sa.func.date_trunc("month", sa.func.now(), "UTC") - sa.text("interval '1 month'"))
        ).scalar_one()
        if before > newest:
            raise ConfigError(
                f"The months from {newest:%Y-%m} on are in use: counters and corrections look back that far.",
                facts={"before": before.isoformat()},
                remedy=f"Prune what is --before {newest:%Y-%m-%d}, or less.",
            )
        found = connection.execute(
            sa.select(parts).where(parts.c.until <= before).order_by(parts.c.until, parts.c.relation)
        )
        return [_looked_at(connection, newest, **row) for row in found.mappings().all()]


def prune(
    database: Database,
    old: OldPart,
    folder: Path,
    *,
    format: str = "parquet",
    drop: bool = False,
    why: str | None = None,
    advance: Callable[[int], None] = lambda rows: None,
) -> PrunedPart:
    """Archive a part in a folder and detach it, and drop it if so wished. Its file is never written over another.

    Raises ConfigError for a folder or a format that can't be used, NotArchived when the file that was written does not
    hold what the table does, DatabaseError when somebody else prunes or reads without end. Then nothing was detached.
    """
    check_format(format)
    with database.engine().begin() as connection:
        _only_here(connection, old)
        sums = _summed(connection, old)
        tally = tally_found(old.relation, connection.exec_driver_sql(tally_query(old.relation, old.part)).one())
        file = _archived(database, old, tally, made(folder), format, advance) if tally.rows else None
        seq = _recorded(connection, old, tally, file, sums)
        left_as = None if drop or not tally.rows else f"pruned_{old.part}" + (f"_{seq}" if seq > 1 else "")
        _detach(connection, old, tally, sums, left_as)
        sealed = sha256_of(file) if file else None
        done = PrunedPart(replace(old, rows=tally.rows, nano=tally.nano), file, sealed, left_as)
        audit.record(
            connection, who=None, action="ledger.prune", subject=old.part, before=None, after=_told(done), why=why
        )
    return done


def check_format(format: str) -> None:
    """Raises ConfigError for a format that can't be read back here."""
    if format not in READERS:
        raise ConfigError(
            f"An archive can't be {format!r}: it is read back before anything is detached.",
            remedy=f"Choose {' or '.join(READERS)}.",
        )
    if format == "parquet":
        load()


def _looked_at(connection: sa.Connection, newest: datetime, **part: Any) -> OldPart:
    """With what is in it, and why it has to stay, if it has to. Ids are always made a little before the admission."""
    rows, nano, late = connection.execute(
        sa.text(
            f"SELECT count(*), coalesce(sum(nano), 0), count(*) FILTER (WHERE {DECIDED[part['relation']]} >= :newest) "
            f'FROM aikit."{part["part"]}"'
        ),
        {"newest": newest + CLOCK_SKEW},
    ).one()
    held = connection.execute(
        sa.text(
            "SELECT count(*) FROM aikit.holds WHERE (attempt >= :first_id OR CAST(:first_id AS uuid) IS NULL) "
            "AND attempt < :end_id"
        ),
        {"first_id": part["first_id"], "end_id": part["end_id"]},
    ).scalar_one()
    why = None
    if held:
        why = f"{held:,} of its attempts are still held; `aikit ledger expire` ends those that have expired"
    elif late:
        why = f"{late:,} of its attempts were made since {newest:%Y-%m-%d}, by a clock that was wrong"
    return OldPart(**part, rows=rows, nano=int(nano), kept_because=why)


def _only_here(connection: sa.Connection, old: OldPart) -> None:
    alone = connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(*PRUNING))).scalar_one()
    attached = sa.select(parts.c.part).where(parts.c.part == old.part)
    if not alone or connection.execute(attached).first() is None:
        raise DatabaseError(
            f"{old.part} is being pruned, or was just now, by somebody else.", remedy="Run the command again later."
        )


def _summed(connection: sa.Connection, old: OldPart) -> int:
    """Put what the part adds to each rollup into the temporary table `sums`; returns how many rows that is of."""
    keys = ", ".join(column.name for column in rollups.primary_key)
    amounts = ", ".join(f"sum({c.name})::bigint AS {c.name}" for c in rollups.c if not c.primary_key)
    within = " AND ".join(
        f"attempt {sign} '{id}'" for sign, id in ((">=", old.first_id), ("<", old.end_id)) if id is not None
    )
    of_relation = "refused = 1" if old.relation == "refusals" else "refused = 0"
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE sums ON COMMIT DROP AS SELECT {keys}, {amounts}, count(*) AS summands "
        f"FROM aikit.summands WHERE {within} AND {of_relation} GROUP BY {keys}"
    )
    return int(connection.exec_driver_sql("SELECT coalesce(sum(summands), 0) FROM pg_temp.sums").scalar_one())


def _archived(
    database: Database, old: OldPart, tally: Tally, folder: Path, format: str, advance: Callable[[int], None]
) -> Path:
    """The file that holds the part: one that an interrupted prune has left, or a new one."""
    for path in _names(folder, old.part, format):
        if path.exists():
            if tally_file(path, old.relation, format) == tally:
                return path
            continue
        with written(path) as file:
            export(database, Selection(old.relation, part=old.part), format, file, advance)
        found = tally_file(path, old.relation, format)
        if found == tally:
            return path
        path.unlink()
        says = "can't be read back" if found is None else f"holds {found.rows:,} rows of {usd_string(found.nano)} $"
        raise NotArchived(
            f"{path} {says}; {old.part} has {tally.rows:,} rows of {usd_string(tally.nano)} $. Nothing was detached.",
            remedy="Run it again; if it says the same, check the disk.",
        )
    raise AssertionError("names don't end")


def _names(folder: Path, part: str, format: str) -> Iterator[Path]:
    for number in count(1):
        yield folder / (f"{part}.{format}" if number == 1 else f"{part}.{number}.{format}")


def _recorded(connection: sa.Connection, old: OldPart, tally: Tally, file: Path | None, sums: int) -> int:
    """Put on record what the part came to. Returns how many times it has been pruned by now."""
    seen = sa.select(sa.func.coalesce(sa.func.max(pruned.c.seq), 0)).where(pruned.c.part == old.part)
    seq = int(connection.execute(seen).scalar_one()) + 1
    columns = ", ".join(rollups.c.keys())
    connection.execute(
        sa.insert(pruned).values(
            part=old.part,
            relation=old.relation,
            seq=seq,
            first_id=old.first_id,
            end_id=old.end_id,
            rows=tally.rows,
            nano=tally.nano,
            file=file.name if file else None,
            sha256=sha256_of(file) if file else None,
            at=sa.func.now(),
        )
    )
    if sums:
        connection.execute(
            sa.text(
                f"INSERT INTO aikit.{pruned_rollups.name} ({columns}, part, seq) "
                f"SELECT {columns}, :part, :seq FROM pg_temp.sums"
            ),
            {"part": old.part, "seq": seq},
        )
    return seq


def _detach(connection: sa.Connection, old: OldPart, tally: Tally, sums: int, left_as: str | None) -> None:
    """Take the part away, if there is nothing in it that came later. Raises DatabaseError, NotArchived."""
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
    for _ in range(TRIES):
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f'LOCK TABLE aikit."{old.part}" IN SHARE MODE')
                rows = connection.exec_driver_sql(f'SELECT count(*) FROM aikit."{old.part}"').scalar_one()
                if not rows == tally.rows == sums:
                    raise NotArchived(
                        f"{old.part} has changed while it was archived. Nothing was detached.", remedy="Run it again."
                    )
                connection.exec_driver_sql(f'ALTER TABLE aikit.{old.relation} DETACH PARTITION aikit."{old.part}"')
                _put_aside(connection, old, left_as)
        except sa.exc.DBAPIError as error:
            if not isinstance(error.orig, pg.LockNotAvailable | pg.DeadlockDetected):
                raise
            time.sleep(PAUSE)
        else:
            return
    raise DatabaseError(
        f"{old.part} could not be detached: in {TRIES} tries somebody was always reading {old.relation}.",
        remedy="Run it again when no long report or backup is under way.",
    )


def _put_aside(connection: sa.Connection, old: OldPart, left_as: str | None) -> None:
    """Drop the table, or leave it under another name, as unchangeable as it was."""
    if left_as is None:
        connection.exec_driver_sql(f'DROP TABLE aikit."{old.part}"')
        return
    connection.exec_driver_sql(f'ALTER TABLE aikit."{old.part}" RENAME TO "{left_as}"')
    connection.exec_driver_sql(
        f'CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON aikit."{left_as}" '
        f"FOR EACH ROW EXECUTE FUNCTION aikit.refuse_change()"
    )


def _told(done: PrunedPart) -> dict[str, Any]:
    """What the audit keeps."""
    old = done.old
    return {
        "rows": old.rows,
        **({"cost_usd": usd_string(old.nano)} if old.relation == "entries" else {}),
        "until": old.until.isoformat(),
        "file": str(done.file) if done.file else None,
        "sha256": done.sha256,
        "left_as": done.left_as,
    }
