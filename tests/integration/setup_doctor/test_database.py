"""What the doctor finds about a database, for each way in which one can be wrong."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aikit.database.connect import Database
from aikit.errors import Exit
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import State
from integration.setup_doctor.conftest import OpenPatient, made
from support.ledger import rows, tell


def name_of(ledger: Database) -> str:
    return str(conninfo_to_dict(ledger.conninfo)["dbname"])


def test_a_database_that_is_down_is_told_with_what_to_do(open_patient: OpenPatient) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    found = made(open_patient(f"postgresql://app:canary-pw@127.0.0.1:{port}/shop"), "database/reach")
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    assert "refused" in found.why and found.remedy
    assert "canary-pw" not in found.why + found.remedy


def test_no_database_at_all_is_told_with_how_to_begin(open_patient: OpenPatient) -> None:
    found = made(open_patient(), "database/reach")
    assert (found.state, found.exit) == (State.MISSING, Exit.DATABASE)
    assert "`aikit init`" in found.remedy


def test_a_database_that_is_well_is_told_with_its_version(patient: Patient) -> None:
    found = made(patient, "database/reach")
    assert found.state is State.OK
    assert found.facts["server_version"] in found.why


def test_how_fast_it_is_is_measured_by_round_trip_and_commit(patient: Patient) -> None:
    found = made(patient, "database/speed")
    assert found.facts["round_trip_ms"] > 0 and found.facts["commit_ms"] > 0


def test_a_slow_way_to_the_database_is_a_warning(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aikit.setup.doctor.looks.database.SLOW_ROUND_TRIP", 0.0)
    found = made(patient, "database/speed")
    assert found.state is State.WARNING and "every call waits" in found.why


@pytest.mark.parametrize(
    ("statement", "state", "said", "remedy"),
    [
        ("UPDATE aikit.schema_version SET version_num = '0007'", State.MISSING, "behind: 0007", "aikit db upgrade"),
        ("UPDATE aikit.schema_version SET version_num = '9999'", State.BROKEN, "ahead of this aikit", "pip install"),
        ("DROP SCHEMA aikit CASCADE", State.MISSING, "none yet", "aikit db upgrade"),
    ],
)
def test_another_schema_is_told_with_the_command(
    patient: Patient, ledger: Database, statement: str, state: State, said: str, remedy: str
) -> None:
    tell(ledger, statement)
    found = made(patient, "database/schema")
    assert (found.state, found.exit) == (state, Exit.DATABASE)
    assert said in found.why and remedy in found.remedy


def test_the_rights_that_a_role_lacks_are_named_and_what_is_granted_mends_it(
    open_patient: OpenPatient, ledger: Database, role: Callable[..., str]
) -> None:
    dsn = role("GRANT USAGE ON SCHEMA aikit TO {role}", "GRANT SELECT ON ALL TABLES IN SCHEMA aikit TO {role}")
    patient = open_patient(dsn)
    found = made(patient, "database/rights")
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    assert "INSERT on entries" in found.facts["lacking"]
    grants = found.remedy.partition("-c '")[2].partition("'")[0]
    tell(ledger, *grants.split("; "))
    assert made(patient, "database/rights").state is State.OK
    assert made(patient, "database/append-only").state is State.OK


def test_a_role_that_may_not_even_enter_the_schema_is_told_so(
    open_patient: OpenPatient, role: Callable[..., str]
) -> None:
    found = made(open_patient(role()), "database/rights")
    assert found.state is State.BROKEN and "USAGE on the schema" in found.why


def test_a_role_that_could_switch_the_triggers_off_is_a_warning(patient: Patient) -> None:
    found = made(patient, "database/append-only")
    assert found.state is State.WARNING and "is a superuser" in found.why


def test_triggers_that_are_off_are_a_failure_and_the_remedy_puts_them_back(patient: Patient, ledger: Database) -> None:
    tell(ledger, "ALTER TABLE aikit.entries DISABLE TRIGGER append_only")
    found = made(patient, "database/append-only")
    assert found.state is State.BROKEN and "append_only on entries" in found.why
    tell(ledger, *found.remedy.partition("-c '")[2].partition("'")[0].split("; "))
    assert made(patient, "database/append-only").state is State.WARNING


def test_a_database_that_takes_no_writes_is_a_failure_and_the_remedy_works(
    open_patient: OpenPatient, ledger: Database, role: Callable[..., str]
) -> None:
    dsn = role(f'ALTER ROLE {{role}} IN DATABASE "{name_of(ledger)}" SET default_transaction_read_only = on')
    patient = open_patient(dsn)
    found = made(patient, "database/writable")
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    remedy = found.remedy.partition("-c '")[2].partition("'")[0]
    with psycopg.connect(dsn, options="-c default_transaction_read_only=off", autocommit=True) as own:
        own.execute(remedy.encode())
    assert made(patient, "database/writable").state is State.OK


@pytest.mark.parametrize(
    ("off", "state"), [(0, State.OK), (5, State.WARNING), (-5, State.WARNING), (90, State.BROKEN), (-90, State.BROKEN)]
)
def test_a_clock_that_is_wrong_is_found_out(patient: Patient, off: int, state: State) -> None:
    patient.clock = lambda: datetime.now(UTC) + timedelta(seconds=off)
    found = made(patient, "database/clock")
    assert found.state is state
    assert found.facts["skew_seconds"] == pytest.approx(off, abs=0.9)
    if off:
        assert ("ahead of" if off > 0 else "behind") in found.why


def test_connections_that_run_out_are_told(patient: Patient, ledger: Database) -> None:
    assert made(patient, "database/connections").state is State.OK
    tell(ledger, f'ALTER DATABASE "{name_of(ledger)}" CONNECTION LIMIT 9')
    assert made(patient, "database/connections").state is State.WARNING
    held = [psycopg.connect(ledger.conninfo) for _ in range(7)]
    try:
        found = made(patient, "database/connections")
    finally:
        for connection in held:
            connection.close()
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    assert found.facts["left"] <= 2


def test_a_month_without_tables_is_a_warning(patient: Patient, ledger: Database) -> None:
    parts = [part for (part,) in rows(ledger, "SELECT part FROM aikit.parts WHERE since > now()")]
    coming = [part for part in parts if "2100" not in part]
    assert coming
    tell(ledger, *[f"DROP TABLE aikit.{part}" for part in coming])
    found = made(patient, "database/months")
    assert found.state is State.WARNING
    assert len(found.facts["lacking"]) == 1


@pytest.fixture
def busy(ledger: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """Somebody else's connection, with a transaction open in which the state is locked."""
    with psycopg.connect(ledger.conninfo, application_name="nightly job") as connection:
        connection.execute("SELECT FROM aikit.state FOR UPDATE")
        yield connection
        connection.rollback()


@pytest.mark.parametrize("as_role", [False, True])
def test_a_transaction_that_blocks_aikit_is_a_failure(
    open_patient: OpenPatient,
    ledger: Database,
    busy: psycopg.Connection[tuple[object, ...]],
    role: Callable[..., str],
    as_role: bool,
) -> None:
    """Also for a role that may not see what others do."""
    grants = ("GRANT USAGE ON SCHEMA aikit TO {role}", "GRANT SELECT, UPDATE ON aikit.state TO {role}")
    dsn = role(*grants) if as_role else ledger.conninfo
    patient = open_patient(dsn)
    well = made(patient, "database/transactions")
    assert well.state is State.OK and ("may see" in well.why) is as_role
    waiting = Database(dsn, False, "test").connect(role="meter")
    waiting.pgconn.send_query(b"UPDATE aikit.state SET policy_version = policy_version")
    try:
        deadline = time.monotonic() + 20
        while (found := made(patient, "database/transactions")).ok and time.monotonic() < deadline:
            time.sleep(0.05)
    finally:
        busy.rollback()
        waiting.close()
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    assert "nightly job" in found.why and f"pg_terminate_backend({busy.info.backend_pid})" in found.remedy


def test_a_transaction_that_is_open_for_long_is_a_warning(
    patient: Patient, busy: psycopg.Connection[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aikit.setup.doctor.looks.server.OLD", timedelta(0))
    found = made(patient, "database/transactions")
    assert found.state is State.WARNING and str(busy.info.backend_pid) in found.why


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("statement_timeout = '2s'", "statement_timeout is 2,000 ms"),
        ("idle_session_timeout = '60s'", "idle_session_timeout is 60,000 ms"),
        ("synchronous_commit = off", "synchronous_commit is off"),
    ],
)
def test_settings_of_the_server_that_would_hurt_are_warnings(
    open_patient: OpenPatient, ledger: Database, role: Callable[..., str], setting: str, said: str
) -> None:
    dsn = role(f'ALTER ROLE {{role}} IN DATABASE "{name_of(ledger)}" SET {setting}')
    patient = open_patient(dsn)
    found = made(patient, "database/session")
    assert found.state is State.WARNING and said in found.why
    with psycopg.connect(dsn, autocommit=True) as own:
        own.execute(found.remedy.partition("-c '")[2].partition("'")[0].encode())
    assert made(patient, "database/session").state is State.OK


def test_a_disk_that_is_full_is_told(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 5_000_000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    found = made(patient, "database/disk")
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    usage.free = 500_000_000  # type: ignore[attr-defined]
    assert made(patient, "database/disk").state is State.WARNING


def test_a_server_that_takes_what_is_said_and_never_answers_is_told_in_time(open_patient: OpenPatient) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        dsn = make_conninfo(host="127.0.0.1", port=silent.getsockname()[1], dbname="shop", user="app")
        began = time.monotonic()
        found = made(open_patient(dsn), "database/reach")
    assert found.state is State.BROKEN
    assert time.monotonic() - began < 10


def test_the_embedded_server_that_was_never_made_is_not_made_by_a_look(
    open_patient: OpenPatient, tmp_path: Path
) -> None:
    patient = open_patient()
    for exam in ("database/reach", "database/disk", "books/spool"):
        made(patient, exam)
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_missing_role_for_isolated_reads_is_a_warning_with_what_makes_it(patient: Patient, ledger: Database) -> None:
    found = made(patient, "database/isolation")
    assert found.state is State.OK
    tell(ledger, f"DROP POLICY {found.facts['role']} ON aikit.entries")
    found = made(patient, "database/isolation")
    assert found.state is State.WARNING
    assert "SELECT aikit.isolate();" in found.remedy
    tell(ledger, "SELECT aikit.isolate()")
    assert made(patient, "database/isolation").state is State.OK
