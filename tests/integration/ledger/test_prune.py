"""Old months leave the ledger only once a file was proved to hold them, and the books still agree."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg.conninfo import conninfo_to_dict

from aikit.database.connect import Database
from aikit.errors import ConfigError, DatabaseError
from aikit.ledger import prune as pruning
from aikit.ledger.archived import archives_of, pruned_until
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.export.files import sha256_of
from aikit.ledger.prune import NotArchived, PrunedPart, old_parts, prune
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.ledger.verify import verify
from aikit.meter.opening import open_meter
from aikit.money import usd_string
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Refusal, Window
from support.clock import set_clock
from support.ledger import BOUND, MINI, SOME, Till, order, price_row, rows, tell
from support.months import id_of, month, part_of, parts, spend_in
from support.postgres import create_database, drop_database

COST = MINI.cost(SOME)
HOUR = timedelta(hours=1)
OLD = (month(2) + HOUR, month(2) + 30 * HOUR, month(3) + HOUR)
NEW = (month(4) + HOUR, month(5) + HOUR)
PRUNE = """
import sys, time
from pathlib import Path
from aikit.database.connect import Database
from aikit.ledger import prune as pruning
from datetime import datetime
detach = pruning._detach
def slow(*arguments):
    print("archived", flush=True)
    time.sleep(60)
pruning._detach = slow
database = Database(sys.argv[1], False, "test")
for old in pruning.old_parts(database, datetime.fromisoformat(sys.argv[2])):
    pruning.prune(database, old, Path(sys.argv[3]), format="jsonl")
"""


@pytest.fixture(scope="module")
def used_template(
    postgres_server: str, ledger_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    ledger = Database(create_database(postgres_server, ledger_template), False, "test")
    add_tenant(ledger, "free", uncapped=True)
    add_tenant(ledger, "acme")
    for window in (Window.TOTAL, Window.MONTH, Window.DAY):
        set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, window, 100 * BOUND))
    for metric in (Metric.REQUESTS, Metric.TOKENS):
        for window in (Window.MINUTE, Window.HOUR, Window.TOTAL):
            set_limit(ledger, "acme", StatedLimit(metric, window, 10**9))
    spend_in(ledger, tmp_path_factory.mktemp("spool"), *OLD, *NEW)
    yield ledger
    drop_database(ledger.conninfo)


@pytest.fixture
def used(postgres_server: str, used_template: Database) -> Iterator[Database]:
    """Three attempts in two old months, two in the months in use; it is the sixth month from now."""
    template = str(conninfo_to_dict(used_template.conninfo)["dbname"])
    ledger = Database(create_database(postgres_server, template), False, "test")
    set_clock(ledger, NEW[-1])  # a copy of a database is without its settings
    yield ledger
    drop_database(ledger.conninfo)


def prune_all(ledger: Database, folder: Path, **how: Any) -> list[PrunedPart]:
    return [prune(ledger, old, folder, **how) for old in old_parts(ledger, month(4)) if old.kept_because is None]


def used_in_all(ledger: Database, metric: str = "credits") -> list[tuple[int]]:
    return rows(ledger, "SELECT used FROM aikit.counts WHERE name = %s AND subject = ''", f"{metric}/total")


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_month_is_in_a_file_and_gone_and_the_books_agree(used: Database, tmp_path: Path, format: str) -> None:
    assert verify(used).findings == []
    whole = rows(used, "SELECT count(*) FROM aikit.entries")
    done = {one.old.part: one for one in prune_all(used, tmp_path / "archive", format=format)}
    filled = {name: one for name, one in done.items() if one.file}
    assert {name: one.old.rows for name, one in filled.items()} == {
        part_of("entries", month(2)): 2,
        part_of("refusals", month(2)): 2,
        part_of("entries", month(3)): 1,
        part_of("refusals", month(3)): 1,
    }
    for name, one in filled.items():
        assert one.file == tmp_path / "archive" / f"{name}.{format}"
        assert one.sha256 == sha256_of(one.file)
        assert one.file.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "archive").stat().st_mode & 0o777 == 0o700
    assert whole == [(5,)]
    assert rows(used, "SELECT count(*), sum(nano) FROM aikit.entries") == [(2, 2 * COST)]
    assert not {part_of("entries", month(n)) for n in (2, 3)} & set(parts(used))
    found = verify(used)
    assert (found.findings, found.entries, found.pruned) == ([], 2, 3)


def test_detached_tables_stay_under_another_name_as_unchangeable_as_they_were(used: Database, tmp_path: Path) -> None:
    done = prune_all(used, tmp_path / "archive")
    names = {one.left_as for one in done if one.old.rows}
    assert f"pruned_{part_of('entries', month(2))}" in names
    assert {one.left_as for one in done if not one.old.rows} == {None}, "nobody needs an empty table"
    for name in names:
        for change in (f"DELETE FROM aikit.{name}", f"TRUNCATE aikit.{name}"):
            with pytest.raises(Exception, match="append-only"):
                tell(used, change)


def test_dropped_tables_are_gone(used: Database, tmp_path: Path) -> None:
    assert {one.left_as for one in prune_all(used, tmp_path / "archive", drop=True)} == {None}
    query = "SELECT count(*) FROM pg_class WHERE relname LIKE %s"
    assert rows(used, query, f"%{part_of('entries', month(2))}%") == [(0,)]
    assert verify(used).findings == []


def test_limits_on_the_whole_count_on_and_are_enforced(used: Database, tmp_path: Path) -> None:
    prune_all(used, tmp_path / "archive", drop=True)
    assert used_in_all(used) == [(5 * COST,)]
    set_limit(used, "acme", StatedLimit(Metric.CREDITS, Window.TOTAL, 5 * COST + BOUND - 1))
    with open_meter(used, tmp_path / "later", price_row) as meter:
        decision = Till(meter).ask("acme")
        assert decision.reason_code == "TOTAL_BUDGET_EXCEEDED"
    set_limit(used, "acme", StatedLimit(Metric.CREDITS, Window.TOTAL, 5 * COST + BOUND))
    with open_meter(used, tmp_path / "later", price_row) as meter:
        assert Till(meter).ask("acme").hold is not None
    assert verify(used).findings == []


def test_a_limit_that_is_new_counts_what_was_pruned(used: Database, tmp_path: Path) -> None:
    prune_all(used, tmp_path / "archive", drop=True)
    set_limit(used, "acme", StatedLimit(Metric.CREDITS, Window.TOTAL, 10 * BOUND, each="user"))
    with open_meter(used, tmp_path / "later", price_row) as meter:
        meter.admit(order("acme", BOUND, user="ann")._replace(attempt=id_of(month(5) + 2 * HOUR)))
    query = "SELECT used FROM aikit.counts WHERE name = 'credits/total' AND subject = 'user=ann'"
    assert rows(used, query) == [(5 * COST,)]
    assert verify(used).findings == []


def test_counters_that_have_not_rolled_on_since_are_no_findings(ledger: Database, tmp_path: Path) -> None:
    add_tenant(ledger, "acme")
    for window in (Window.MINUTE, Window.HOUR, Window.DAY, Window.MONTH):
        set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, window, 100 * BOUND))
    set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.WEEK, 100 * BOUND, zone="Asia/Kathmandu"))
    spend_in(ledger, tmp_path / "spool", *OLD)
    set_clock(ledger, month(6))
    prune_all(ledger, tmp_path / "archive")
    assert verify(ledger).findings == []


def test_verify_finds_rollups_and_totals_that_do_not_fit_what_was_pruned(used: Database, tmp_path: Path) -> None:
    prune_all(used, tmp_path / "archive", drop=True)
    tell(
        used,
        "SET LOCAL session_replication_role = replica",
        f"UPDATE aikit.rollups SET nano = nano + 7 WHERE hour = '{OLD[0].isoformat()}' AND calls > 0",
        "UPDATE aikit.pruned SET nano = nano + 11 WHERE relation = 'entries' AND rows = 1",
        f"UPDATE aikit.pruned_rollups SET nano = nano + 5 WHERE hour = '{OLD[1].isoformat()}' AND calls > 0",
    )
    found = {(one.kind, (one.found or 0) - (one.expected or 0)) for one in verify(used).findings}
    assert {("rollup", 7), ("rollup", -5), ("pruned", -11), ("pruned", 5), ("counter_used", -5)} == found


def test_attempts_at_the_edge_belong_to_the_month_of_their_id(ledger: Database, tmp_path: Path) -> None:
    """Their ids were made before midnight, they were admitted after it: rollups and counters are of the later month."""
    add_tenant(ledger, "acme")
    for window in (Window.TOTAL, Window.MONTH, Window.MINUTE, Window.HOUR):
        set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, window, 100 * BOUND))
    before, after = month(3) - timedelta(seconds=2), month(3) + timedelta(seconds=1)
    spend_in(ledger, tmp_path / "spool", month(2) + HOUR)
    spend_in(ledger, tmp_path / "spool", after, made=before)
    spend_in(ledger, tmp_path / "spool", after + timedelta(seconds=1))
    set_clock(ledger, month(4) + HOUR)
    going = [old for old in old_parts(ledger, month(3)) if old.kept_because is None]
    for old in going:
        prune(ledger, old, tmp_path / "archive")
    assert rows(ledger, f"SELECT count(*) FROM aikit.pruned_{part_of('entries', month(2))}") == [(2,)]
    assert verify(ledger).findings == []
    set_clock(ledger, month(6))
    prune_all(ledger, tmp_path / "archive")
    assert rows(ledger, "SELECT count(*) FROM aikit.entries") == [(0,)]
    assert verify(ledger).findings == []


def test_the_months_in_use_are_refused(used: Database) -> None:
    for before in (month(4) + timedelta(seconds=1), month(5), month(6), month(60)):
        with pytest.raises(ConfigError, match=f"The months from {month(4):%Y-%m} on are in use") as raised:
            old_parts(used, before)
        assert f"--before {month(4):%Y-%m-%d}" in raised.value.remedy
    assert [old.part for old in old_parts(used, month(3) + HOUR)][-1] == part_of("refusals", month(2))


def test_a_month_in_which_a_hold_is_pending_stays(used: Database, tmp_path: Path) -> None:
    set_clock(used, month(3) + HOUR)
    with open_meter(used, tmp_path / "spool", price_row) as meter:
        hold = meter.admit(order("free", BOUND)._replace(attempt=id_of(month(3) + HOUR))).hold
        set_clock(used, NEW[-1])
        kept = {old.part for old in old_parts(used, month(4)) if old.kept_because}
        assert kept == {part_of("entries", month(3)), part_of("refusals", month(3))}
        reasons = {old.kept_because for old in old_parts(used, month(4)) if old.kept_because}
        assert reasons == {"1 of its attempts are still held; `aikit ledger expire` ends those that have expired"}
        assert hold is not None
        Till(meter).settle(hold)
        assert meter.flush()
    assert not [old for old in old_parts(used, month(4)) if old.kept_because]


def test_a_part_with_new_attempts_of_a_clock_that_is_behind_stays(used: Database, tmp_path: Path) -> None:
    spend_in(used, tmp_path / "spool", NEW[-1] + HOUR, made=month(2) + HOUR)
    kept = {old.part: old.kept_because for old in old_parts(used, month(4)) if old.kept_because}
    assert kept.keys() == {part_of("entries", month(2)), part_of("refusals", month(2))}
    assert f"made since {month(4):%Y-%m-%d}, by a clock that was wrong" in str(kept.popitem()[1])


def damage_value(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"gpt-4o-mini"', b'"gpt-4o-mono"', 1))


def damage_row(path: Path) -> None:
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))


def damage_bytes(path: Path) -> None:
    """In many places: what lies between the columns of a Parquet file, and says nothing, may be damaged unnoticed."""
    content = bytearray(path.read_bytes())
    for at in range(len(content) // 4, len(content) // 2, 7):
        content[at] ^= 0xFF
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("format", "damage"),
    [("jsonl", damage_value), ("jsonl", damage_row), ("jsonl", damage_bytes), ("parquet", damage_bytes)],
)
def test_a_damaged_file_is_noticed_and_nothing_is_detached(
    used: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str, damage: Callable[[Path], None]
) -> None:
    read = pruning.tally_file

    def read_damaged(path: Path, *rest: Any) -> Any:
        damage(path)
        return read(path, *rest)

    monkeypatch.setattr(pruning, "tally_file", read_damaged)
    before = (parts(used), rows(used, "SELECT * FROM aikit.entries ORDER BY attempt"))
    (old,) = [old for old in old_parts(used, month(4)) if old.part == part_of("entries", month(2))]
    with pytest.raises(NotArchived, match="Nothing was detached"):
        prune(used, old, tmp_path / "archive", format=format)
    assert (parts(used), rows(used, "SELECT * FROM aikit.entries ORDER BY attempt")) == before
    assert rows(used, "SELECT count(*) FROM aikit.pruned") == [(0,)]
    assert list((tmp_path / "archive").iterdir()) == []
    monkeypatch.undo()
    assert prune(used, old, tmp_path / "archive", format=format).old.rows == 2


def test_what_comes_while_a_month_is_archived_keeps_it(
    used: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detach = pruning._detach

    def after_another(*arguments: Any) -> None:
        with open_meter(used, tmp_path / "spool", price_row) as meter:
            refused = order(None, 0, price=None)._replace(attempt=id_of(month(2) + HOUR))
            meter.refuse(Refusal(refused, "TENANT_REQUIRED"))
        detach(*arguments)

    monkeypatch.setattr(pruning, "_detach", after_another)
    (old,) = [old for old in old_parts(used, month(4)) if old.part == part_of("refusals", month(2))]
    with pytest.raises(NotArchived, match="has changed while it was archived"):
        prune(used, old, tmp_path / "archive")
    monkeypatch.undo()
    assert rows(used, "SELECT count(*) FROM aikit.pruned") == [(0,)]
    done = prune(used, old, tmp_path / "archive")
    assert done.old.rows == 3
    assert done.file == tmp_path / "archive" / f"{old.part}.2.parquet", "what another prune wrote is left alone"


def test_a_prune_that_was_killed_is_run_again_with_the_file_that_it_left(used: Database, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    arguments = [sys.executable, "-c", PRUNE, used.conninfo, month(4).isoformat(), str(folder)]
    while not (part := old_parts(used, month(4))[0]).rows:
        prune(used, part, folder)  # what comes before the first month is empty
    killed = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "archived\n"
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    killed.stdout.close()
    (left,) = list(folder.iterdir())
    written = left.stat().st_mtime_ns
    assert part_of("entries", month(2)) in parts(used)
    assert rows(used, "SELECT count(*) FROM aikit.pruned WHERE rows > 0") == [(0,)]
    done = prune_all(used, folder, format="jsonl")
    assert (left.stat().st_mtime_ns, left) == (written, done[0].file)
    assert {one.file for one in done if one.file} == set(folder.iterdir())
    assert verify(used).findings == []


def test_a_month_that_comes_back_is_pruned_once_more(used: Database, tmp_path: Path) -> None:
    prune_all(used, tmp_path / "archive")
    spend_in(used, tmp_path / "spool", month(2) + HOUR, refused=0, tenant="free")
    set_clock(used, NEW[-1])
    assert f"entries_before_{month(4):%Y_%m}" in parts(used)
    assert verify(used).findings == []
    prune_all(used, tmp_path / "archive")
    assert rows(used, "SELECT count(*) FROM aikit.entries") == [(2,)]
    spend_in(used, tmp_path / "spool", month(2) + 2 * HOUR, refused=0, tenant="free")
    set_clock(used, NEW[-1])
    (again,) = [one for one in prune_all(used, tmp_path / "archive") if one.file]
    assert again.file == tmp_path / "archive" / f"entries_before_{month(4):%Y_%m}.2.parquet"
    assert again.left_as == f"pruned_entries_before_{month(4):%Y_%m}_2"
    found = verify(used)
    assert (found.findings, found.pruned) == ([], 5)


def test_calls_go_on_while_a_reader_is_in_the_way_and_it_is_tried_again(used: Database, tmp_path: Path) -> None:
    (old,) = [old for old in old_parts(used, month(4)) if old.part == part_of("entries", month(2))]
    slowest = 0.0
    with used.connect(role="reader") as reader:
        reader.autocommit = False
        reader.execute("SELECT count(*) FROM aikit.entries").fetchone()
        done: list[PrunedPart] = []
        pruner = threading.Thread(target=lambda: done.append(prune(used, old, tmp_path / "archive")))
        pruner.start()
        with open_meter(used, tmp_path / "busy", price_row) as meter:
            until = time.monotonic() + 3
            while time.monotonic() < until:
                started = time.monotonic()
                hold = meter.admit(order("free", BOUND)).hold
                assert hold is not None
                Till(meter).settle(hold)
                assert meter.flush()
                slowest = max(slowest, time.monotonic() - started)
        assert not done
        reader.rollback()
        pruner.join(20)
    assert [one.old.part for one in done] == [old.part]
    assert slowest < 1.0
    assert verify(used).findings == []


def test_a_reader_without_end_leaves_everything_as_it_was(
    used: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "TRIES", 2)
    monkeypatch.setattr(pruning, "PAUSE", 0.01)
    (old,) = [old for old in old_parts(used, month(4)) if old.part == part_of("entries", month(2))]
    with used.connect(role="reader") as reader:
        reader.autocommit = False
        reader.execute("SELECT count(*) FROM aikit.entries").fetchone()
        with pytest.raises(DatabaseError, match="in 2 tries somebody was always reading entries"):
            prune(used, old, tmp_path / "archive")
    assert old.part in parts(used)
    assert rows(used, "SELECT count(*) FROM aikit.pruned") == [(0,)]


def test_a_part_that_is_gone_is_not_pruned_twice(used: Database, tmp_path: Path) -> None:
    old = old_parts(used, month(4))[-1]
    prune(used, old, tmp_path / "archive")
    with pytest.raises(DatabaseError, match="being pruned, or was just now"):
        prune(used, old, tmp_path / "archive")


def test_a_prune_is_on_the_record_and_says_which_file_holds_an_attempt(used: Database, tmp_path: Path) -> None:
    ((attempt,),) = rows(used, f"SELECT attempt FROM aikit.{part_of('entries', month(3))}")
    assert pruned_until(used) is None
    assert archives_of(used, attempt) == []
    prune_all(used, tmp_path / "archive", why="yearly")
    assert pruned_until(used) == month(4)
    assert [(one.relation, one.file, one.rows) for one in archives_of(used, attempt)] == [
        (name, f"{part_of(name, month(3))}.parquet", 1) for name in ("entries", "refusals")
    ]
    change = next(row for row in list_audit(used, action="ledger.prune") if row.subject == part_of("entries", month(3)))
    assert change.why == "yearly"
    assert change.after["file"] == str(tmp_path / "archive" / f"{change.subject}.parquet")
    assert (change.after["rows"], change.after["cost_usd"]) == (1, usd_string(COST))
    assert verify_audit(used).ok
    assert json.dumps(change.after)


def test_an_archive_is_in_a_format_that_can_be_read_back(used: Database, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="An archive can't be 'csv'"):
        prune(used, old_parts(used, month(4))[0], tmp_path, format="csv")
