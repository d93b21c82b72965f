"""Whether the database can be used: reachable, quick, at the right schema, taking writes, with the right clock."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, timedelta

import psycopg

from aikit.errors import DatabaseError, Exit
from aikit.ledger.opening import current
from aikit.ledger.version import HEAD
from aikit.setup.doctor.model import broken, fine, missing, warning
from aikit.setup.doctor.patient import Patient, milliseconds
from aikit.setup.model import Check
from aikit.setup.steps.database import DatabaseStep
from aikit.setup.steps.migrations import Migrations

TIMES = 10
"""Of which the quickest counts: the doctor does much else meanwhile, and so may this machine."""
SLOW_ROUND_TRIP = 20.0
SLOW_COMMIT = 50.0
"""Milliseconds. Each call waits for one round trip and one commit before it is sent."""
SKEW = timedelta(seconds=1)
FAR_OFF = timedelta(seconds=60)
COMMIT = "SELECT pg_logical_emit_message(true, 'aikit.doctor', '')"
"""Writes some bytes to the log of the database and nothing to any table, so that its commit waits for the disk."""


def reach(patient: Patient) -> Check:
    """Whether it answers, and what it is."""
    if not patient.has_database:
        return missing(
            "there is none yet: no URL is configured, and the embedded one was not made",
            "Run `aikit init`: it makes the embedded PostgreSQL, or takes the URL of yours.",
            Exit.DATABASE,
            made=False,
        )
    began = time.perf_counter()
    try:
        database = patient.database
        with patient.line() as connection:
            row = connection.execute("SELECT current_setting('server_version')").fetchone()
    except DatabaseError as error:
        step = DatabaseStep().check(patient.place)  # knows the way out by what the server said
        if not step.ok:
            return step
        return broken(error.message.rstrip("."), error.remedy or "Run `aikit db status`.", Exit.DATABASE)
    assert row is not None
    version = str(row[0]).split()[0]
    return fine(
        f"{database.name}, PostgreSQL {version}, from {database.source}",
        database=database.name,
        source=database.source,
        embedded=database.embedded,
        server_version=version,
        connected_ms=round(milliseconds(began), 1),
    )


def speed(patient: Patient) -> Check:
    """How long a round trip takes, and a commit, at best."""
    with patient.line(reads=False) as connection:
        connection.execute("SELECT 1")
        trip = min(_timed(connection, "SELECT 1") for _ in range(TIMES))
        commit = None
        with suppress(psycopg.errors.InsufficientPrivilege, psycopg.errors.ReadOnlySqlTransaction, psycopg.DataError):
            commit = min(_timed(connection, COMMIT) for _ in range(TIMES))
    said = f"round trip {trip:.1f} ms" + ("" if commit is None else f", commit {commit:.1f} ms")
    facts = {"round_trip_ms": round(trip, 2), "commit_ms": None if commit is None else round(commit, 2)}
    if trip > SLOW_ROUND_TRIP or (commit or 0) > SLOW_COMMIT:
        return warning(
            f"{said}: every call waits for both before it is sent",
            "Run the application nearer to its database, or the database on a faster disk.",
            **facts,
        )
    return fine(said, **facts)


def schema(patient: Patient) -> Check:
    """Whether the schema is the one that this version works on."""
    with patient.line() as connection:
        found = current(connection)
    facts = {"current": found, "needed": HEAD}
    return fine(f"{HEAD}, up to date", **facts) if found == HEAD else Migrations().check(patient.place)


def writable(patient: Patient) -> Check:
    """Whether it takes writes."""
    with patient.line(reads=False) as connection:
        row = connection.execute(
            "SELECT pg_is_in_recovery(), current_setting('default_transaction_read_only')"
        ).fetchone()
    assert row is not None
    standby, read_only = row[0], row[1] == "on"
    if standby:
        return broken(
            "it is a standby, and takes no writes",
            "Name all servers in DATABASE_URL: postgresql://user@first,second/name uses the one that takes writes.",
            Exit.DATABASE,
            standby=True,
        )
    if read_only:
        return broken(
            "it takes no writes: default_transaction_read_only is on",
            f'Run `psql "$DATABASE_URL" -c \'ALTER ROLE CURRENT_USER IN DATABASE "{_name(patient)}" '
            "SET default_transaction_read_only = off'`, or have it set so where it was set.",
            Exit.DATABASE,
            read_only=True,
        )
    return fine("it takes writes", standby=False, read_only=False)


def clock(patient: Patient) -> Check:
    """How far this machine's clock is from the database's, whose clock decides."""
    with patient.line() as connection:
        connection.execute("SELECT 1")
        before = patient.clock()
        row = connection.execute("SELECT clock_timestamp()").fetchone()
        after = patient.clock()
    assert row is not None
    skew = before + (after - before) / 2 - row[0].astimezone(UTC)
    seconds = skew.total_seconds()
    facts = {"skew_seconds": round(seconds, 3)}
    if abs(skew) < SKEW:
        return fine(f"within {max(1, round(abs(seconds) * 1000)):,} ms of the database's", **facts)
    said = f"this machine's clock is {abs(seconds):,.1f} s {'ahead of' if seconds > 0 else 'behind'} the database's"
    remedy = "Have both set by a time server; on this machine: `sudo timedatectl set-ntp true`."
    if abs(skew) < FAR_OFF:
        return warning(said, remedy, **facts)
    return broken(f"{said}: ids that it makes are of another time", remedy, Exit.NO, **facts)


def _timed(connection: psycopg.Connection[tuple[object, ...]], query: str) -> float:
    began = time.perf_counter()
    connection.execute(query.encode())
    return milliseconds(began)


def _name(patient: Patient) -> str:
    return patient.database.name.rpartition("/")[2]
