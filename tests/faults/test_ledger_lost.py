"""The ledger goes away in the middle: what was answered is booked once it is back, and nothing is sent meanwhile."""

from __future__ import annotations

import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import psycopg
import pytest

from aikit.config import Settings
from aikit.database import embedded
from aikit.database.connect import Database
from aikit.errors import DatabaseUnavailable, MeteringUnavailable
from aikit.kit import AIKit
from aikit.ledger.opening import migrate
from aikit.meter.spool import Spool
from aikit.sim import Simulator
from aikit.types import Entry
from support.embedded import postmaster, wait_for
from support.kits import KEYS, QUIET, TENANT, Books, settings_for
from support.proxy import Proxy

MODEL = "openai/gpt-4o-mini"


@pytest.fixture
def proxy(books: Books) -> Iterator[Proxy]:
    with Proxy(books.dsn) as proxy:
        yield proxy


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, proxy: Proxy) -> Settings:
    return settings_for(tmp_path, simulator, proxy.dsn, QUIET)


class Call:
    """A call in a thread, which takes as long as the simulator is told to."""

    def __init__(self, kit: AIKit, simulator: Simulator, delay: float = 0.3) -> None:
        simulator.fault(delay=delay, count=1)
        self._kit = kit
        self._answer: Any = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_for(lambda: simulator.served(0)["in_flight"])

    def _run(self) -> None:
        self._answer = self._kit.complete("Hi", model=MODEL, tenant=TENANT)

    def text(self) -> str:
        self._thread.join()
        assert self._answer is not None, "the call failed"
        return str(self._answer.text)


def spooled(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "spool").glob("*/*.jsonl"))


def test_an_answer_is_delivered_though_the_ledger_is_lost_and_booked_once_when_it_is_back(
    kit: AIKit, books: Books, proxy: Proxy, simulator: Simulator, tmp_path: Path
) -> None:
    call = Call(kit, simulator)
    proxy.cut()
    assert call.text()
    assert kit.flush() is False
    assert (books.holds(), books.entries()) == (1, [])
    (file,) = spooled(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert b"key-of-openai" not in file.read_bytes()
    proxy.restore()
    wait_for(kit.flush)
    assert (books.entry()["ending"], books.entry()["estimated"]) == ("settled", False)
    assert spooled(tmp_path) == []
    books.assert_balanced()


def test_while_the_ledger_is_away_nothing_is_sent(kit: AIKit, books: Books, proxy: Proxy, simulator: Simulator) -> None:
    proxy.cut()
    client = kit.openai(tenant=TENANT)
    with pytest.raises(openai.InternalServerError) as refused:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}])
    response = refused.value.response
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert response.headers["x-should-retry"] == "true"
    with pytest.raises(MeteringUnavailable) as unavailable:
        kit.complete("Hi", model=MODEL, tenant=TENANT)
    assert unavailable.value.retryable
    assert simulator.served()["totals"]["requests"] == 0
    proxy.restore()
    wait_for(lambda: answered(kit))
    wait_for(kit.flush)
    books.assert_balanced()
    assert [e["ending"] for e in books.entries()] == ["settled"]


def answered(kit: AIKit) -> bool:
    try:
        return bool(kit.complete("Hi", model=MODEL, tenant=TENANT).text)
    except MeteringUnavailable:
        return False


def test_an_ending_whose_commit_was_not_heard_of_is_posted_once(
    kit: AIKit, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    call = Call(kit, simulator)
    proxy.cut_at_the_next_answer()
    assert call.text()
    proxy.wait_until_swallowed()
    assert kit.flush() is False
    assert len(books.entries()) == 1
    proxy.restore()
    wait_for(kit.flush)
    assert len(books.entries()) == 1
    books.assert_balanced()


def test_an_admission_whose_commit_was_not_heard_of_is_voided_and_not_sent(
    kit: AIKit, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    kit.complete("Hi", model=MODEL, tenant=TENANT)
    kit.flush()
    proxy.cut_at_the_next_answer()
    with pytest.raises(MeteringUnavailable):
        kit.complete("Hi", model=MODEL, tenant=TENANT)
    proxy.wait_until_swallowed()
    assert books.holds() == 1
    proxy.restore()
    wait_for(kit.flush)
    assert simulator.served()["totals"]["requests"] == 1
    assert [(e["ending"], e["error"]) for e in books.entries()] == [("settled", None), ("voided", "undecided")]
    books.assert_balanced()


def test_many_answers_survive_an_outage_in_the_middle(
    kit: AIKit, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    outcomes: list[str] = []

    def run() -> None:
        for _ in range(15):
            try:
                kit.complete("Hi", model=MODEL, tenant=TENANT)
                outcomes.append("answered")
            except MeteringUnavailable:
                outcomes.append("refused")

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(outcomes) >= 10)
    proxy.cut()
    wait_for(lambda: "refused" in outcomes)
    proxy.restore()
    for thread in threads:
        thread.join()
    wait_for(kit.flush)
    answers = outcomes.count("answered")
    assert simulator.served()["totals"]["requests"] == answers
    assert [e["ending"] for e in books.entries()].count("settled") == answers
    assert {e["ending"] for e in books.entries()} <= {"settled", "voided"}
    books.assert_balanced()


def test_the_next_process_posts_what_a_dead_one_has_spooled(
    books: Books, proxy: Proxy, settings: Settings, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.fault(delay=0.3, count=1)
    child = start_child(tmp_path, 'print(kit.complete("Hi", model="openai/gpt-4o-mini", tenant="acme").text)\npause()')
    wait_for(lambda: simulator.served(0)["in_flight"])
    proxy.cut()
    wait_for(lambda: spooled(tmp_path) and spooled(tmp_path)[0].stat().st_size)
    child.kill()
    child.wait()
    assert len(spooled(tmp_path)) == 1
    proxy.restore()
    with AIKit.open(settings) as kit:
        wait_for(kit.flush)
    assert books.entry()["ending"] == "settled"
    assert spooled(tmp_path) == []
    books.assert_balanced()


def test_an_heir_posts_endings_at_prices_that_it_has_not_seen(
    books: Books, proxy: Proxy, settings: Settings, simulator: Simulator
) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        proxy.cut()
        usage = {"prompt_tokens": 10, "completion_tokens": 10}
        return httpx2.Response(200, json={"model": "gpt-5", "service_tier": "priority", "choices": [], "usage": usage})

    kit = AIKit.open(settings)
    url = settings.provider("openai").base_url
    inner = httpx2.Client(transport=httpx2.MockTransport(answer))
    client = kit.wrap(openai.OpenAI(api_key="k", base_url=url, http_client=inner), tenant=TENANT)
    client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": "Hi"}])
    assert kit.close() is False
    proxy.restore()
    with AIKit.open(settings) as heir:
        wait_for(heir.flush, 2)
        assert heir.complete("Hi", model=MODEL, tenant=TENANT).text
    # gpt-5, priority: $2.50 input, $20 output. 10 × 2,500 + 10 × 20,000
    assert books.entries()[0]["nano"] == 225_000
    assert books.holds() == 0


def test_a_kit_that_is_closed_during_the_outage_says_so_and_leaves_its_spool(
    books: Books, proxy: Proxy, settings: Settings, simulator: Simulator, tmp_path: Path
) -> None:
    kit = AIKit.open(settings)
    call = Call(kit, simulator)
    proxy.cut()
    assert call.text()
    assert kit.close() is False
    assert len(spooled(tmp_path)) == 1
    proxy.restore()
    with AIKit.open(settings) as heir:
        wait_for(heir.flush)
    assert books.entry()["ending"] == "settled"
    books.assert_balanced()


def unwritable(data: Path, _: pytest.MonkeyPatch) -> None:
    """Put a file where the spool's folder should be: nothing can be written there, whoever one is."""
    data.mkdir(exist_ok=True)
    (data / "spool").write_text("")


def full(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a write to the spool end in the middle of a line, as on a disk that has just become full."""
    append, (_, most) = Spool.append, resource.getrlimit(resource.RLIMIT_FSIZE)

    def append_a_little(self: Spool, entries: Iterable[Entry]) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, most))
        try:
            append(self, entries)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    monkeypatch.setattr(Spool, "append", append_a_little)


def bounded(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the spool's own bound be reached."""
    monkeypatch.setattr(Spool.__init__, "__kwdefaults__", {"max_bytes": 100})


@pytest.mark.parametrize("spoil", [unwritable, full, bounded])
def test_a_spool_that_cannot_be_written_is_said_loudly_and_nothing_is_lost(
    books: Books,
    proxy: Proxy,
    simulator: Simulator,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    spoil: Callable[[Path, pytest.MonkeyPatch], None],
) -> None:
    spoil(tmp_path / "data", monkeypatch)
    with AIKit.open(settings) as kit, caplog.at_level(logging.WARNING):
        call = Call(kit, simulator)
        proxy.cut()
        assert call.text()
        assert kit.flush() is False
        (loud,) = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert "1 endings are kept in memory only" in loud.getMessage()
        assert [file.stat().st_size for file in spooled(tmp_path)] in ([], [0]), "a torn line is left"
        proxy.restore()
        wait_for(kit.flush)
    assert books.entry()["ending"] == "settled"
    books.assert_balanced()


def test_a_server_that_is_killed_and_restarted_has_every_answer_in_its_books(
    made_root: Path, tmp_path: Path, simulator: Simulator
) -> None:
    dsn = embedded.ensure(made_root)
    migrate(Database(dsn, False, "test"))
    books = Books(dsn)
    books.limit()
    with AIKit.open(settings_for(tmp_path, simulator, dsn)) as kit:
        call = Call(kit, simulator)
        os.kill(postmaster(made_root), signal.SIGKILL)
        assert call.text()
        assert kit.flush() is False
        embedded.ensure(made_root)
        wait_for(kit.flush)
        assert kit.complete("Hi", model=MODEL, tenant=TENANT).text
    assert [e["ending"] for e in books.entries()] == ["settled", "settled"]
    books.assert_balanced()
    books.tell("DROP SCHEMA aikit CASCADE")


CHILD = """
import os, signal, sys, time
from pathlib import Path
import aikit.meter.engine
from aikit.config import load
from aikit.errors import DatabaseUnavailable, MeteringUnavailable
from aikit.kit import AIKit

def pause():
    print(flush=True)
    time.sleep(60)

aikit.meter.engine.ADMIT_TIMEOUT = 0.5
kit = AIKit.open(load(Path(sys.argv[1]) / "aikit.toml", {keys}))
"""


def start_child(folder: Path, code: str) -> subprocess.Popen[str]:
    """A process with an open `kit` of the same settings."""
    script = CHILD.format(keys=KEYS) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_process_that_is_killed_in_a_call_leaves_the_hold(
    books: Books, settings: Settings, simulator: Simulator, tmp_path: Path
) -> None:
    simulator.fault(hang=True)
    child = start_child(tmp_path, 'kit.complete("Hi", model="openai/gpt-4o-mini", tenant="acme")')
    wait_for(lambda: simulator.served(0)["in_flight"])
    child.kill()
    child.wait()
    (hold,) = books.rows("SELECT nano FROM aikit.holds")
    (counter,) = books.rows("SELECT used, held FROM aikit.counts")
    assert counter == {"used": 0, "held": hold["nano"]}


FORK = """
def call():
    return kit.complete("Hi", model="openai/gpt-4o-mini", tenant="acme").text

call()
child = os.fork()
if not child:
    try:
        call()
    except MeteringUnavailable:
        {leave}(7)
    {leave}(0)
ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
call()
assert kit.close()
print("child", ended)
"""


@pytest.mark.parametrize("leave", ["os._exit", "sys.exit"])
def test_a_fork_of_an_open_kit_fails_closed_and_harms_nobody(
    books: Books, settings: Settings, simulator: Simulator, tmp_path: Path, leave: str
) -> None:
    child = start_child(tmp_path, FORK.format(leave=leave))
    out, err = child.communicate(timeout=30)
    assert child.returncode == 0, err
    assert out.strip() == "child 7"
    assert simulator.served()["totals"]["requests"] == 2
    assert [e["ending"] for e in books.entries()] == ["settled", "settled"]
    books.assert_balanced()


def test_a_ledger_that_is_lost_while_a_kit_is_opened_is_told_in_our_words(
    settings: Settings, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr("aikit.meter.opening.poster_on", lost)
    with pytest.raises(DatabaseUnavailable, match="can't be reached"):
        AIKit.open(settings)
