"""What the server has left, and what stands in the way on it: connections, months, transactions, its settings, disk."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from aikit.errors import Exit
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

FEW_LEFT = 10
NONE_LEFT = 2
OLD = timedelta(minutes=5)
LITTLE_ROOM = 1_000_000_000
NO_ROOM = 100_000_000
"""Bytes."""
CONNECTIONS = """
    WITH others AS (
        SELECT datname, usename, application_name FROM pg_stat_activity
        WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND application_name <> 'aikit doctor'
    )
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
           (SELECT count(*) FROM others),
           (SELECT count(*) FROM others WHERE application_name LIKE 'aikit %'),
           (SELECT count(*) FROM others WHERE application_name = 'aikit meter'),
           nullif(r.rolconnlimit, -1) - (SELECT count(*) FROM others WHERE usename = current_user),
           nullif(d.datconnlimit, -1) - (SELECT count(*) FROM others WHERE datname = current_database())
    FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database()"""
"""Without the doctor's own. What a role may see of other roles' connections is enough for these."""
MONTHS = """
    SELECT to_char(m.moment, 'YYYY-MM'), count(p.part) FROM
        (VALUES (now()), (date_trunc('month', now(), 'UTC') + interval '1 month')) m (moment)
    LEFT JOIN aikit.parts p ON (p.since IS NULL OR p.since <= m.moment) AND (p.until IS NULL OR m.moment < p.until)
    GROUP BY m.moment ORDER BY m.moment"""
LONG = """
    SELECT a.pid, extract(epoch FROM now() - a.xact_start)::float8, coalesce(a.state, 'unknown'),
           coalesce(nullif(a.application_name, ''), 'unnamed'), b.blocked
    FROM pg_stat_activity a CROSS JOIN LATERAL (
        SELECT count(*) FROM pg_stat_activity w
        WHERE w.application_name LIKE 'aikit %' AND w.wait_event_type = 'Lock' AND a.pid = ANY (pg_blocking_pids(w.pid))
    ) b (blocked)
    WHERE a.datname = current_database() AND a.usesysid IS NOT NULL AND a.application_name <> 'aikit doctor'
      AND (a.xact_start IS NOT NULL OR b.blocked > 0)
    ORDER BY 5 DESC, 2 DESC NULLS LAST"""
"""A role that may not see since when others have a transaction open still sees whom its own connections wait for."""
SEES_ALL = "SELECT pg_has_role('pg_read_all_stats', 'USAGE')"
SETTINGS = (
    "statement_timeout",
    "idle_session_timeout",
    "transaction_timeout",
    "synchronous_commit",
    "fsync",
)
SHORT = 10_000
"""Milliseconds. What the ledger does takes far less, but a batch waits up to 8 s for a lock."""


def connections(patient: Patient) -> Check:
    """How many connections are left, for the server, the database and the role."""
    with patient.line() as connection:
        row = connection.execute(CONNECTIONS).fetchone()
    assert row is not None
    most, used, ours, meters, of_role, of_database = row
    free = max(0, min(left for left in (most - used, of_role, of_database) if left is not None))
    said = f"{free} of {most} left; {ours} used by aikit, {meters} of them by open kits"
    facts = {"left": free, "most": most, "used": used, "used_by_aikit": ours, "open_kits": meters}
    remedy = (
        'Run `psql "$DATABASE_URL" -c \'SELECT application_name, count(*) FROM pg_stat_activity GROUP BY 1 ORDER BY 2 '
        "DESC'` to see who has them; raise max_connections, or put a pooler in session mode before the others."
    )
    if free <= NONE_LEFT:
        return broken(said, remedy, Exit.DATABASE, **facts)
    return warning(said, remedy, **facts) if free < FEW_LEFT else fine(said, **facts)


def months(patient: Patient) -> Check:
    """Whether the tables of this month and the next are there."""
    with patient.line() as connection:
        found: dict[str, int] = dict(connection.execute(MONTHS).fetchall())
    lacking = [month for month, parts in found.items() if parts < 2]
    if lacking:
        return warning(
            f"the tables of {' and '.join(lacking)} were not made yet",
            "Run `aikit doctor --fix --only database/months`. Every open kit does that by itself, too.",
            lacking=lacking,
        )
    return fine(f"those of {' and '.join(found)} are there", months=list(found))


def transactions(patient: Patient) -> Check:
    """Whether some transaction is in the way, or has been open for long."""
    with patient.line() as connection:
        found = connection.execute(LONG).fetchall()
        sees_all = connection.execute(SEES_ALL).fetchone() == (True,)
    for pid, seconds, state, name, blocked in found:
        since = "" if seconds is None else f" for {seconds:,.0f} s"
        who = f"process {pid} ({name}, {state}) has a transaction open{since}"
        end = f"Run `psql \"$DATABASE_URL\" -c 'SELECT pg_terminate_backend({pid})'` if it is not needed."
        facts = {"pid": pid, "seconds": seconds and round(seconds, 1), "state": state, "blocked": blocked}
        if blocked:
            waiting = f"{blocked} of aikit's connection{'s' if blocked > 1 else ''}"
            return broken(f"{who}, and {waiting} wait{'' if blocked > 1 else 's'} for it", end, Exit.DATABASE, **facts)
        if timedelta(seconds=seconds) > OLD:
            return warning(f"{who}, so that nothing since can be cleaned up", end, **facts)
    said = "none is in the way" if sees_all else "none is in the way, of those that this role may see"
    return fine(said, open=len(found), sees_all=sees_all)


def session(patient: Patient) -> Check:
    """Whether the server's settings for sessions would hurt metering."""
    names = ",".join(f"'{name}'" for name in SETTINGS)
    with patient.line(reads=False) as connection:
        rows = connection.execute(f"SELECT name, setting FROM pg_settings WHERE name IN ({names})".encode()).fetchall()
    found = {str(name): str(value) for name, value in rows}
    for name in ("statement_timeout", "transaction_timeout"):
        if 0 < int(found.get(name, "0")) < SHORT:
            return warning(
                f"{name} is {int(found[name]):,} ms: a batch that waits for a lock is cut off",
                _set(patient, name, "0"),
                **found,
            )
    if int(found["idle_session_timeout"]) > 0:
        return warning(
            f"idle_session_timeout is {int(found['idle_session_timeout']):,} ms: an idle kit loses its connection",
            _set(patient, "idle_session_timeout", "0"),
            **found,
        )
    if found["fsync"] == "off":
        return warning(
            "fsync is off: a power cut may lose the whole ledger",
            "Run `psql \"$OWNER_URL\" -c 'ALTER SYSTEM SET fsync = on'`, and reload the server.",
            **found,
        )
    if found["synchronous_commit"] == "off":
        return warning(
            "synchronous_commit is off: a crash may lose holds of calls that were sent",
            _set(patient, "synchronous_commit", "on"),
            **found,
        )
    return fine("no time limit that would hurt, and what is committed stays", **found)


def disk(patient: Patient) -> Check:
    """How much room there is where the embedded server and the spool are."""
    folder = patient.settings.data_dir.expanduser()
    there = next((path for path in (folder, *folder.parents) if path.is_dir()), Path("/"))
    free = shutil.disk_usage(there).free
    size = None
    if patient.named.embedded:
        from aikit.database import embedded

        size = embedded.status(patient.settings.data_dir / "postgres").size_bytes
    what = f"; the embedded database takes {_bytes(size)}" if size is not None else ", for the spool"
    said = f"{_bytes(free)} free in {there}{what}"
    facts = {"folder": str(there), "free_bytes": free, "database_bytes": size}
    remedy = "Make room there, set AIKIT_DATA_DIR to another disk, or run `aikit db prune --help`."
    if free < NO_ROOM:
        return broken(said, remedy, Exit.DATABASE, **facts)
    return warning(said, remedy, **facts) if free < LITTLE_ROOM else fine(said, **facts)


def _set(patient: Patient, name: str, value: str) -> str:
    database = patient.database.name.rpartition("/")[2]
    return f'Run `psql "$DATABASE_URL" -c \'ALTER ROLE CURRENT_USER IN DATABASE "{database}" SET {name} = {value}\'`.'


def _bytes(number: int) -> str:
    return f"{number / 1e9:,.1f} GB" if number >= 1e9 else f"{number / 1e6:,.1f} MB"
