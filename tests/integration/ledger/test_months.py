"""Entries and refusals are tables by month: made ahead by whoever posts, whatever the clocks say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from psycopg import errors

from aikit.database.connect import Database
from aikit.ledger import schema
from aikit.ledger.opening import migrate
from aikit.ledger.tenants import add_tenant
from aikit.ledger.verify import verify
from aikit.meter import workers
from aikit.meter.opening import SESSION, open_meter
from aikit.meter.plan import Batch
from aikit.meter.poster import Poster
from aikit.meter.rows import EndingRow, OrderRow
from aikit.meter.statement import Rejected
from aikit.types import Ending, Entry, Refusal
from support.clock import set_clock
from support.ledger import BOUND, MINI, SOME, Till, order, price_row, rows, tell
from support.months import id_of, month, part_of, parts, spend_in

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
FAR_OFF = [
    datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),
    datetime(2011, 3, 4, tzinfo=UTC),
    datetime(2105, 2, 3, tzinfo=UTC),
    datetime(9999, 12, 31, tzinfo=UTC),
]
PROCESS = """
import sys
from pathlib import Path
from datetime import datetime
from aikit.database.connect import Database
from aikit.meter.opening import open_meter
from aikit.types import Refusal
from support.ledger import BOUND, Till, order, price_row
from support.months import id_of
dsn, folder, moment = sys.argv[1], Path(sys.argv[2]), datetime.fromisoformat(sys.argv[3])
with open_meter(Database(dsn, False, "test"), folder, price_row) as meter:
    till = Till(meter)
    print("ready", flush=True)
    sys.stdin.readline()
    for _ in range(25):
        till.settle(meter.admit(order("acme", BOUND)._replace(attempt=id_of(moment))).hold)
        meter.refuse(Refusal(order(None, 0, price=None)._replace(attempt=id_of(moment)), "TENANT_REQUIRED"))
    till.flush()
print("done")
"""


@pytest.fixture
def acme(ledger: Database) -> Database:
    add_tenant(ledger, "acme", uncapped=True)
    return ledger


def poster_on(ledger: Database) -> Poster:
    connection = ledger.connect(role="meter")
    connection.execute(SESSION)
    return Poster(connection, price_row, hold_seconds=900)


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_new_ledger_has_this_month_the_next_and_one_table_at_each_end(ledger: Database) -> None:
    for relation in ("entries", "refusals"):
        assert parts(ledger, relation) == [
            part_of(f"{relation}_before", month(0)),
            part_of(relation, month(0)),
            part_of(relation, month(1)),
            f"{relation}_from_2100_01",
        ]
    bounds = rows(ledger, "SELECT since, until FROM aikit.parts WHERE relation = 'entries' ORDER BY 1 NULLS FIRST")
    assert bounds == [
        (None, month(0)),
        (month(0), month(1)),
        (month(1), month(2)),
        (datetime(2100, 1, 1, tzinfo=UTC), None),
    ]


def test_who_connects_makes_this_month_and_the_next(acme: Database, tmp_path: Path) -> None:
    set_clock(acme, month(5) - HOUR)
    with open_meter(acme, tmp_path, price_row):
        assert parts(acme)[-3:] == [part_of("entries", month(4)), part_of("entries", month(5)), "entries_from_2100_01"]


def test_a_meter_that_runs_on_makes_the_next_month_by_itself(
    acme: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 0.05)
    set_clock(acme, month(3) - HOUR)
    with open_meter(acme, tmp_path, price_row):
        assert part_of("refusals", month(4)) not in parts(acme, "refusals")
        set_clock(acme, month(3) + SECOND)
        wait_for(lambda: part_of("refusals", month(4)) in parts(acme, "refusals"))
        assert part_of("entries", month(4)) in parts(acme)


def test_four_processes_at_once_at_the_edge_make_one_month(acme: Database, tmp_path: Path) -> None:
    edge = month(6) + SECOND
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, acme.conninfo, str(tmp_path / str(n)), edge.isoformat()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        )
        for n in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    assert part_of("entries", month(6)) not in parts(acme)
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=60)[0] for process in processes] == ["done\n"] * 4
    for relation in ("entries", "refusals"):
        assert parts(acme, relation).count(part_of(relation, month(6))) == 1
        assert rows(acme, f"SELECT count(*) FROM aikit.{part_of(relation, month(6))}") == [(100,)]
    assert verify(acme).findings == []


def test_ids_of_wrong_clocks_are_posted_and_fail_nobody_else(acme: Database) -> None:
    poster = poster_on(acme)
    moments = [*FAR_OFF, month(7), month(8), datetime.now(UTC)]
    orders = [order("acme", BOUND)._replace(attempt=id_of(moment)) for moment in moments]
    decisions = poster.post(Batch(orders=[OrderRow.of(one) for one in orders]))
    ended = [Entry(d.hold, Ending.SETTLED, MINI.cost(SOME), SOME, status=200) for d in decisions if d.hold]
    refused = [Refusal(order(None, 0, price=None)._replace(attempt=id_of(m)), "TENANT_REQUIRED") for m in moments]
    poster.post(Batch(entries=[EndingRow.of(entry) for entry in ended], refusals=refused))
    for relation in ("entries", "refusals"):
        found = rows(
            acme, f"SELECT c.relname, count(*) FROM aikit.{relation} e JOIN pg_class c ON c.oid = e.tableoid GROUP BY 1"
        )
        assert dict(found) == {
            part_of(f"{relation}_before", month(0)): 2,
            f"{relation}_from_2100_01": 2,
            **{part_of(relation, moment): 1 for moment in moments[4:]},
        }
    poster.close()
    assert verify(acme).findings == []


def test_a_refused_order_of_a_month_that_is_not_there_is_recorded(acme: Database, tmp_path: Path) -> None:
    with open_meter(acme, tmp_path, price_row) as meter:
        decision = meter.admit(order("nobody", BOUND)._replace(attempt=id_of(month(9))))
        assert decision.reason_code == "TENANT_UNKNOWN"
    assert rows(acme, f"SELECT reason_code FROM aikit.{part_of('refusals', month(9))}") == [("TENANT_UNKNOWN",)]


def test_what_violates_another_rule_is_not_tried_again(acme: Database) -> None:
    poster = poster_on(acme)
    with pytest.raises(Rejected) as raised:
        poster.post(Batch(orders=[OrderRow.of(order("acme", -1))]))
    assert (raised.value.sqlstate, raised.value.constraint) == ("23514", "holds_nano_check")
    poster.close()


def test_a_month_is_opened_once(ledger: Database) -> None:
    query = "SELECT aikit.open_month(%s)"
    assert [rows(ledger, query, month(4) + SECOND * n)[0][0] for n in range(3)] == [True, False, False]
    assert rows(ledger, query, month(4) - SECOND) == [(True,)]
    assert rows(ledger, query, FAR_OFF[0]) == rows(ledger, query, FAR_OFF[-1]) == [(False,)]


def test_months_are_those_of_utc_wherever_a_session_is(ledger: Database) -> None:
    with ledger.connect(role="test") as connection:
        connection.execute("SET timezone = 'America/Los_Angeles'")
        connection.execute("SELECT aikit.open_month(%s)", (month(5) - SECOND,))
    query = "SELECT since, until FROM aikit.parts WHERE part = %s"
    assert rows(ledger, query, part_of("entries", month(4))) == [(month(4), month(5))]


def test_who_may_only_insert_opens_months_all_the_same(acme: Database) -> None:
    role = f"app_{uuid4().hex[:12]}"
    tell(
        acme,
        f"CREATE ROLE {role}",
        f"GRANT USAGE ON SCHEMA aikit TO {role}",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aikit TO {role}",
    )
    try:
        connection = acme.connect(role="meter")
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("CREATE TABLE aikit.mine ()")
        poster = Poster(connection, price_row, hold_seconds=900)
        (decision,) = poster.post(Batch(orders=[OrderRow.of(order("acme", BOUND)._replace(attempt=id_of(month(4))))]))
        assert decision.hold is not None
        poster.post(Batch([EndingRow.of(Entry(decision.hold, Ending.SETTLED, MINI.cost(SOME), SOME, status=200))]))
        poster.close()
        assert rows(acme, f"SELECT count(*) FROM aikit.{part_of('entries', month(4))}") == [(1,)]
    finally:
        tell(acme, f"DROP OWNED BY {role}", f"DROP ROLE {role}")


@pytest.mark.parametrize("change", ["UPDATE {} SET provider = 'x'", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize("relation", ["entries", "refusals"])
def test_a_month_is_as_unchangeable_as_the_whole(acme: Database, tmp_path: Path, relation: str, change: str) -> None:
    spend_in(acme, tmp_path, month(3))
    with pytest.raises(errors.RestrictViolation, match=f"aikit.{relation} is append-only"):
        tell(acme, change.format(f"aikit.{part_of(relation, month(3))}"))


def test_a_look_by_id_goes_to_one_month(acme: Database, tmp_path: Path) -> None:
    attempt, *_ = spend_in(acme, tmp_path, month(3), month(4))
    query = f"EXPLAIN SELECT * FROM aikit.entries WHERE tenant = 'acme' AND attempt = '{attempt}'"
    plan = "\n".join(line for (line,) in rows(acme, query))
    assert plan.count(" on ") == 1
    assert part_of("entries", month(3)) in plan


def migrate_to(ledger: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("aikit.ledger") / "migrations"))
    with ledger.engine().begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {schema.SCHEMA}"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


USED = ("tenants", "policies", "prices", "counters", "holds", "entries", "refusals", "rollups")


@pytest.fixture
def before(database: str, ledger: Database, tmp_path: Path) -> Database:
    """A ledger in use before there were months, with ids of clocks that were wrong. What it has was metered today."""
    add_tenant(ledger, "acme", uncapped=True)
    with open_meter(ledger, tmp_path, price_row) as meter:
        till = Till(meter)
        for moment in (*[datetime.now(UTC)] * 20, *FAR_OFF, month(-5), month(2)):
            hold = meter.admit(order("acme", BOUND)._replace(attempt=id_of(moment))).hold
            assert hold is not None
            till.settle(hold)
            meter.refuse(Refusal(order(None, 0, price=None)._replace(attempt=id_of(moment)), "TENANT_REQUIRED"))
        till.admit("acme")
        till.flush()
    old = Database(database, False, "test")
    migrate_to(old, "0003")
    for table in USED:
        copy_rows(ledger, old, table)
    ((version,),) = rows(ledger, "SELECT policy_version FROM aikit.state")
    tell(old, f"UPDATE aikit.state SET policy_version = {version}")
    assert rows(old, "SELECT count(*), sum(nano) FROM aikit.entries") == [(26, 26 * MINI.cost(SOME))]
    return old


def copy_rows(source: Database, target: Database, table: str) -> None:
    """All rows, in the columns that the target has."""
    query = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'aikit' AND table_name = %s"
    columns = ", ".join([f'"{name}"' for (name,) in rows(target, query, table)])
    with (
        source.connect(role="test") as reading,
        target.connect(role="test") as writing,
        reading.cursor().copy(f"COPY (SELECT {columns} FROM aikit.{table}) TO STDOUT") as out,
        writing.cursor().copy(f"COPY aikit.{table} ({columns}) FROM STDIN") as into,
    ):
        for block in out:
            into.write(block)


def test_a_ledger_that_was_in_use_becomes_the_first_part_as_it_is(before: Database) -> None:
    everything = "SELECT * FROM aikit.{} ORDER BY attempt"
    stored = "SELECT pg_relation_filenode('aikit.{}'), pg_relation_filenode('aikit.{}_pkey')"
    old = {name: rows(before, everything.format(name)) for name in ("entries", "refusals")}
    at = {name: rows(before, stored.format(name, name)) for name in ("entries", "refusals")}
    migrate(before)
    for name in ("entries", "refusals"):
        first = part_of(f"{name}_before", month(1))
        now = rows(before, everything.format(name))
        columns = len(old[name][0])
        assert [row[:columns] for row in now] == old[name]
        assert all(value is None for row in now for value in row[columns:]), "what came later is not known of it"
        assert rows(before, stored.format(first, first)) == at[name], "it was rewritten"
        assert rows(before, f"SELECT count(*) FROM aikit.{first}") == [(23,)]
        assert parts(before, name) == [
            first,
            part_of(name, month(1)),
            part_of(name, month(2)),
            f"{name}_from_2100_01",
        ]
    assert verify(before).findings == []
    assert rows(before, "SELECT count(*) FROM aikit.decisions") == [(53,)]


def test_a_ledger_that_was_in_use_goes_on(before: Database, tmp_path: Path) -> None:
    migrate(before)
    with open_meter(before, tmp_path / "after", price_row) as meter:
        till = Till(meter)
        till.spend("acme")
        till.flush()
    assert rows(before, "SELECT count(*) FROM aikit.entries") == [(27,)]
    assert verify(before).findings == []
    for name in ("entries", "refusals"):
        with pytest.raises(errors.RestrictViolation):
            tell(before, f"DELETE FROM aikit.{name}")
        with pytest.raises(errors.RestrictViolation):
            tell(before, f"TRUNCATE aikit.{part_of(f'{name}_before', month(1))}")


def test_an_upgrade_keeps_what_roles_may_do(before: Database) -> None:
    tell(before, "GRANT SELECT ON aikit.entries TO PUBLIC")
    held = (  # but for the role of isolated reads, which a later migration makes
        "SELECT regexp_replace(relacl::text, ',aikit_tenant_\\w+=r/\\w+', '') "
        "FROM pg_class WHERE oid = 'aikit.entries'::regclass"
    )
    granted = rows(before, held)
    migrate(before)
    assert rows(before, held) == granted
