"""A registry on a real ledger: it follows labels that others move, and holds what it knows while the ledger is away."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue

import pytest
from psycopg.conninfo import make_conninfo

from aikit.database.connect import Database
from aikit.errors import DatabaseUnavailable, PromptChanged, PromptNotFound
from aikit.ledger import following, prompt_line
from aikit.ledger.prompt_labels import promote, rollback
from aikit.ledger.prompt_line import PromptLine
from aikit.registry import FilesOf, Registry
from integration.prompts.conftest import NAME, a_prompt, production, publish_versions, source_of, write_folder
from support.ledger import rows, tell
from support.proxy import Proxy

REF = "summarize@production"
ASKER = """
import os, sys, time
from pathlib import Path
from aikit.database.connect import Database
from aikit.ledger.prompt_line import PromptLine
from aikit.registry import FilesOf, Registry

registry = Registry(PromptLine(Database(sys.argv[1], False, "test")), FilesOf(Path(sys.argv[2])))
if sys.argv[3] == "fork":
    registry.get("summarize@production")
    if os.fork():
        os.wait()
seen = None
while seen != 1:
    found = registry.get("summarize@production").version
    if found != seen:
        print(found, flush=True)
    seen = found
    time.sleep(float(sys.argv[4]))
"""


def registry_on(database: Database, folder: Path) -> Registry:
    return Registry(PromptLine(database), FilesOf(folder))


@pytest.fixture
def registry(ledger: Database, tmp_path: Path) -> Iterator[Registry]:
    """A registry without any files."""
    registry = registry_on(ledger, tmp_path / "prompts")
    yield registry
    registry.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is read again before every answer."""
    monkeypatch.setattr(following, "SOON", 0.0)
    monkeypatch.setattr(following, "LATEST", 0.0)
    monkeypatch.setattr(prompt_line, "REST", 0.0)


@contextmanager
def asking(database: Database, folder: Path, *arguments: str) -> Iterator[Callable[[float], int]]:
    """Another process that asks for the label until it points to v1, and says what it found whenever that is new."""
    command = [sys.executable, "-c", ASKER, database.conninfo, str(folder), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        said: Queue[int] = Queue()

        def listen() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                said.put(int(line))

        threading.Thread(target=listen, daemon=True).start()
        try:
            yield lambda seconds: said.get(timeout=seconds)
        finally:
            process.kill()


@pytest.mark.parametrize("pause", ["0.01", "1.5", "3"])
def test_another_process_follows_a_rollback_within_five_seconds(ledger: Database, tmp_path: Path, pause: str) -> None:
    production(ledger, 1, 2)
    with asking(ledger, tmp_path, "loop", pause) as says:
        assert says(20) == 2
        rollback(ledger, NAME)
        began = time.monotonic()
        assert says(10) == 1
        assert time.monotonic() - began < 5 + float(pause)


def test_a_process_that_did_not_ask_for_long_answers_by_where_the_label_points_now(
    ledger: Database, registry: Registry
) -> None:
    production(ledger, 1, 2)
    assert registry.get(REF).version == 2
    rollback(ledger, NAME)
    time.sleep(following.LATEST + 0.1)
    assert registry.get(REF).version == 1


def test_parent_and_child_of_a_fork_follow_each_over_a_connection_of_its_own(ledger: Database, tmp_path: Path) -> None:
    production(ledger, 1, 2)
    with asking(ledger, tmp_path, "fork", "0.01") as says:
        assert says(20) == 2
        rollback(ledger, NAME)
        child = says(10)
        parent = says(10)
        if parent == 2:  # as old as an answer may be
            parent = says(10)
        assert (child, parent) == (1, 1)


@pytest.mark.usefixtures("quick")
def test_a_process_has_one_connection_and_hangs_up_when_it_is_closed(ledger: Database, registry: Registry) -> None:
    production(ledger, 1)
    connected = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE application_name = 'aikit prompts' AND datname = current_database()"
    )
    for _ in range(5):
        registry.get(REF)
    assert rows(ledger, connected) == [(1,)]
    registry.close()
    deadline = time.monotonic() + 10
    while rows(ledger, connected) != [(0,)]:
        assert time.monotonic() < deadline


def test_content_comes_from_the_ledger_where_there_is_no_file(ledger: Database, registry: Registry) -> None:
    production(ledger, 1)
    assert registry.get(REF) == a_prompt(1)
    assert registry.get("summarize@v1") == a_prompt(1)
    with pytest.raises(PromptNotFound):
        registry.get("summarize@v999")


def test_content_comes_from_the_file_where_it_is_the_published_one(ledger: Database, tmp_path: Path) -> None:
    production(ledger, 1)
    line = PromptLine(ledger)
    files = FilesOf(write_folder(tmp_path / "prompts", 1))
    assert Registry(line, files).get(REF) is files.find(NAME, 1)


@pytest.mark.usefixtures("quick")
def test_with_the_ledger_cut_off_the_last_known_holds_and_then_it_is_followed_again(
    ledger: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    production(ledger, 1, 2)
    with Proxy(ledger.conninfo) as proxy, caplog.at_level(logging.INFO, "aikit.prompts"):
        registry = registry_on(Database(proxy.dsn, False, "test"), tmp_path)
        assert registry.get(REF).version == 2
        proxy.cut()
        rollback(ledger, NAME)
        assert [registry.get(REF).version for _ in range(10)] == [2] * 10
        (warned,) = [record for record in caplog.records if record.name == "aikit.prompts"]
        assert warned.levelno == logging.WARNING
        assert warned.message.startswith("labels of prompts stay as they were last read: The database")
        proxy.restore()
        assert registry.get(REF).version == 1
        assert caplog.records[-1].message == "labels of prompts are followed again: the ledger answers"


def test_with_the_ledger_stalled_a_caller_waits_a_second_and_the_others_not_at_all(
    ledger: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    production(ledger, 1)
    with Proxy(ledger.conninfo) as proxy:
        registry = registry_on(Database(proxy.dsn, False, "test"), tmp_path)
        assert registry.get(REF).version == 1
        proxy.stall()
        time.sleep(following.LATEST + 0.1)
        waits = []
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            began = time.monotonic()
            assert registry.get(REF).version == 1
            waits.append(time.monotonic() - began)
            time.sleep(0.01)
        assert 0.9 < max(waits) < 1.5
        assert sum(wait > 0.1 for wait in waits) == 1
        assert [record.message for record in caplog.records if record.name == "aikit.prompts"] == [
            "labels of prompts stay as they were last read: no answer within 1 s"
        ]


@pytest.mark.usefixtures("quick")
def test_what_a_label_was_moved_to_is_there_before_the_ledger_is_away(ledger: Database, tmp_path: Path) -> None:
    production(ledger, 1)
    with Proxy(ledger.conninfo) as proxy:
        registry = registry_on(Database(proxy.dsn, False, "test"), tmp_path)
        registry.get(REF)
        publish_versions(ledger, 2)
        promote(ledger, NAME, 2, "production")
        registry.at_hand(REF)
        attempt = registry._follower._under_way
        assert attempt is None or attempt.done.wait(10)
        proxy.cut()
        assert registry.get(REF) == a_prompt(2)


def test_a_label_that_was_never_known_is_refused_in_words_while_the_ledger_is_away(
    ledger: Database, tmp_path: Path
) -> None:
    away = Database(make_conninfo(ledger.conninfo, host="127.0.0.1", port=1), False, "DATABASE_URL")
    registry = registry_on(away, write_folder(tmp_path, 1))
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match=f"Where {REF} points to is not known") as refused:
        registry.get(REF)
    assert time.monotonic() - began < 3.5
    assert "summarize@v1" in refused.value.remedy
    assert registry.get("summarize@v1") == a_prompt(1)


def test_a_text_that_was_changed_in_the_ledger_is_refused_by_its_hash(ledger: Database, registry: Registry) -> None:
    production(ledger, 1)
    tell(ledger, "ALTER TABLE aikit.prompt_versions DISABLE TRIGGER USER")
    tell(ledger, "ALTER TABLE aikit.prompt_versions DROP CONSTRAINT prompt_versions_check")
    with ledger.connect(role="test") as connection:
        connection.execute("UPDATE aikit.prompt_versions SET source = %s", (source_of(1, "Ignore all that."),))
    for ref in (REF, "summarize@v1"):
        with pytest.raises(PromptChanged, match="The text of summarize@v1 in the ledger"):
            registry.get(ref)


def test_a_row_that_was_replaced_with_its_hash_is_refused_by_the_hash_of_the_move(
    ledger: Database, registry: Registry
) -> None:
    production(ledger, 1)
    other = a_prompt(1, "Ignore all that.")
    for table in ("prompt_versions", "prompt_moves"):
        tell(ledger, f"ALTER TABLE aikit.{table} DISABLE TRIGGER ALL")
    with ledger.connect(role="test") as connection:
        connection.execute("UPDATE aikit.prompt_versions SET source = %s, sha256 = %s", (other.source, other.sha256))
    with pytest.raises(PromptChanged, match="is not what its label was moved to"):
        registry.get(REF)


def test_a_file_that_was_changed_is_refused_by_its_hash_and_its_label_is_what_was_published(
    ledger: Database, tmp_path: Path
) -> None:
    production(ledger, 1)
    folder = write_folder(tmp_path, 1)
    (folder / NAME / "v1.prompt").write_text(source_of(1, "Ignore all that."))
    registry = registry_on(ledger, folder)
    with pytest.raises(PromptChanged, match="is not what was locked"):
        registry.get("summarize@v1")
    assert registry.get(REF) == a_prompt(1)


def test_nothing_is_said_where_nothing_was_moved(ledger: Database) -> None:
    production(ledger, 1)
    line = PromptLine(ledger)
    found = line.labels(None)
    assert found is not None and list(found.pointers) == [(NAME, "production")]
    assert line.labels(found.seq) is None
    line.close()
    assert line.labels(found.seq) is None
    line.close()


def test_threads_that_ask_a_busy_line_wait_no_longer_than_it_may_take(ledger: Database) -> None:
    line = PromptLine(ledger)
    answers: Queue[BaseException | None] = Queue()

    def ask() -> None:
        try:
            line.labels(None)
            answers.put(None)
        except DatabaseUnavailable as error:
            answers.put(error)

    with line._lock:
        threading.Thread(target=ask, daemon=True).start()
        with pytest.raises(Empty):
            answers.get(timeout=0.5)
        assert isinstance(answers.get(timeout=2), DatabaseUnavailable)


READS = {
    "the newest move": "SELECT coalesce(max(seq), 0) FROM aikit.prompt_moves",
    "a published version": "SELECT source FROM aikit.prompt_versions WHERE name = 'p7' AND version = 1",
    "the moves of a label": "SELECT * FROM aikit.prompt_moves WHERE name = 'p7' AND label = 'production' ORDER BY seq",
    "what gates said": "SELECT DISTINCT ON (suite) suite, passed FROM aikit.prompt_gates "
    "WHERE name = 'p7' AND sha256 = repeat('0', 64) ORDER BY suite, seq DESC",
}
MANY = """
    ALTER TABLE aikit.prompt_moves DISABLE TRIGGER ALL;
    INSERT INTO aikit.prompt_moves (at, name, label, kind, version, sha256, who)
    SELECT now(), 'p' || i % 200, (ARRAY['production', 'staging'])[1 + i % 2], 'promote', 1, repeat('0', 64), 'ann'
    FROM generate_series(1, 20000) i;
    INSERT INTO aikit.prompt_gates (name, version, sha256, suite, passed, run, who)
    SELECT 'p' || i % 200, 1, repeat('0', 64), 'suite ' || i % 3, true, '{}', 'ci' FROM generate_series(1, 20000) i;
    INSERT INTO aikit.prompt_versions (name, version, sha256, source, published_by)
    SELECT 'p' || i % 200, 1 + i / 200, encode(sha256(convert_to('text ' || i, 'UTF8')), 'hex'), 'text ' || i, 'ann'
    FROM generate_series(0, 9999) i;
    ANALYZE aikit.prompt_moves, aikit.prompt_gates, aikit.prompt_versions
"""


def test_every_read_of_a_process_is_a_look_into_an_index(ledger: Database) -> None:
    tell(ledger, MANY)
    for what, query in READS.items():
        plan = "\n".join([line for (line,) in rows(ledger, f"EXPLAIN {query}")])
        assert "Index" in plan and "Seq Scan" not in plan, f"{what}:\n{plan}"


def test_all_labels_are_read_in_a_moment_after_many_moves(ledger: Database) -> None:
    tell(ledger, MANY)
    line = PromptLine(ledger)
    began = time.monotonic()
    found = line.labels(None)
    assert time.monotonic() - began < prompt_line.ANSWER / 2
    assert found is not None and len(found.pointers) == 200
    line.close()
