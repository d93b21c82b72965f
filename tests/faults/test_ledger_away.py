"""`on_ledger_failure = "open"`: while the ledger is away calls pass unchecked, on disk first, and are posted later."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import openai
import pytest

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.errors import MeteringUnavailable, PolicyDenied
from aikit.events import Event
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.embedded import wait_for
from support.kits import KEYS, Books, settings_for
from support.proxy import Proxy

MODEL = "openai/gpt-4o-mini"
OPEN = """
[tenants.acme]
on_ledger_failure = "open"
models = { deny = ["openai/gpt-5"] }
limits = [{ cap_usd = "1000", window = "month" }, { metric = "requests", window = "hour", cap = 1000, each = "user" }]
[tenants.strict]
limits = [{ cap_usd = "1000", window = "month" }]
"""


@pytest.fixture
def proxy(books: Books) -> Iterator[Proxy]:
    books.limit("strict")
    books.policy(OPEN)
    with Proxy(books.dsn) as proxy:
        yield proxy


@pytest.fixture
def settings(tmp_path: Path, simulator: Simulator, proxy: Proxy) -> Settings:
    return settings_for(tmp_path, simulator, proxy.dsn)


def spooled(folder: Path) -> list[Path]:
    return sorted((folder / "data" / "spool").glob("*/*.jsonl"))


def learn(kit: AIKit) -> None:
    """One call while the ledger is there: from then on this process knows what the policy says."""
    kit.complete("Hi", model=MODEL, tenant="acme")
    kit.flush()


def test_a_call_passes_is_marked_spooled_and_posted_with_what_it_cost(
    settings: Settings,
    books: Books,
    proxy: Proxy,
    simulator: Simulator,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    events: list[Event] = []
    with AIKit.open(settings, on_event=events.append) as kit, caplog.at_level(logging.WARNING):
        learn(kit)
        proxy.cut()
        client = kit.openai(tenant="acme")
        raw = client.chat.completions.with_raw_response.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
        )
        assert raw.headers["x-aikit-ledger-failure"] == "open"
        reply = kit.complete("Hi", model=MODEL, tenant="acme")
        assert reply.decision.reason_code == "ALLOWED_LEDGER_FAILURE"
        assert reply.cost_usd > Decimal(0) and not reply.estimated
        assert kit.signals.flush()
        assert [event.kind for event in events].count("ledger_failure") == 2
        loud = [record for record in caplog.records if record.levelno == logging.CRITICAL]
        assert "sent with no limit checked" in loud[0].getMessage()
        assert kit.flush() is False
        assert len(spooled(tmp_path)) == 1
        proxy.restore()
        wait_for(kit.flush)
        wait_for(lambda: spooled(tmp_path) == [])
    entries = books.entries()
    assert [entry["reason_code"] for entry in entries].count("ALLOWED_LEDGER_FAILURE") == 2
    assert {entry["ending"] for entry in entries} == {"settled"}
    assert simulator.served()["totals"]["requests"] == 3
    books.assert_balanced()


def test_only_calls_whose_policy_says_so_pass_and_what_is_denied_stays_denied(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    with AIKit.open(settings) as kit:
        learn(kit)
        kit.complete("Hi", model=MODEL, tenant="strict")
        proxy.cut()
        with pytest.raises(MeteringUnavailable):
            kit.complete("Hi", model=MODEL, tenant="strict")
        with pytest.raises(MeteringUnavailable):  # never heard of: its rules are not known here
            kit.complete("Hi", model=MODEL, tenant="acme", user="new")
        with pytest.raises(MeteringUnavailable):  # nobody can tell whether it was sent before
            kit.complete("Hi", model=MODEL, tenant="acme", idempotency_key="k")
        with pytest.raises(PolicyDenied):
            kit.complete("Hi", model="openai/gpt-5", tenant="acme")
        proxy.restore()
        wait_for(kit.flush)
    assert simulator.served()["totals"]["requests"] == 2
    books.assert_balanced()


def test_a_policy_that_no_longer_says_so_is_heeded_once_it_was_heard_of(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    with AIKit.open(settings) as kit:
        learn(kit)
        books.policy(OPEN.replace('"open"', '"refuse"'))
        learn(kit)
        proxy.cut()
        with pytest.raises(MeteringUnavailable):
            kit.complete("Hi", model=MODEL, tenant="acme")
    assert simulator.served()["totals"]["requests"] == 2


async def test_coroutines_pass_too_streams_included(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    async with AsyncAIKit.open(settings) as kit:
        await kit.complete("Hi", model=MODEL, tenant="acme")
        kit.flush()
        proxy.cut()
        stream = await kit.stream("Hi", model=MODEL, tenant="acme")
        assert "".join([text async for text in stream])
        assert not stream.reply.estimated
        proxy.restore()
    with AIKit.open(settings) as heir:
        wait_for(heir.flush)
    assert [entry["ending"] for entry in books.entries()] == ["settled", "settled"]
    books.assert_balanced()


def test_without_room_in_the_spool_nothing_is_sent(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator, tmp_path: Path
) -> None:
    with AIKit.open(settings) as kit:
        learn(kit)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / "spool").write_text("")  # a file where the folder should be
        proxy.cut()
        with pytest.raises(MeteringUnavailable):
            kit.complete("Hi", model=MODEL, tenant="acme")
    assert simulator.served()["totals"]["requests"] == 1


CHILD = """
import sys
from pathlib import Path
from aikit.config import load
from aikit.kit import AIKit

kit = AIKit.open(load(Path(sys.argv[1]) / "aikit.toml", {keys}))
kit.complete("Hi", model="openai/gpt-4o-mini", tenant="acme")
kit.flush()
print("ready", flush=True)
sys.stdin.readline()
kit.complete("Hi", model="openai/gpt-4o-mini", tenant="acme")
"""


def test_a_process_killed_in_a_call_that_passed_leaves_what_it_may_have_cost(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator, tmp_path: Path
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD.format(keys=KEYS), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "ready\n"
    simulator.fault(hang=True, count=1)
    proxy.cut()
    child.stdin.write("\n")
    child.stdin.flush()
    wait_for(lambda: simulator.served(0)["in_flight"])
    child.kill()
    child.wait()
    proxy.restore()
    with AIKit.open(settings) as heir:
        wait_for(heir.flush)
    _, lost = books.entries()
    assert (lost["ending"], lost["error"], lost["estimated"]) == ("presumed_spent", "unheard", True)
    assert lost["nano"] == lost["held_nano"] > 0
    assert spooled(tmp_path) == []
    books.assert_balanced()


def test_the_sdk_of_a_refused_tenant_still_raises_its_own_class(
    settings: Settings, books: Books, proxy: Proxy, simulator: Simulator
) -> None:
    with AIKit.open(settings) as kit:
        learn(kit)
        proxy.cut()
        with pytest.raises(openai.InternalServerError):
            kit.openai(tenant="strict", max_retries=0).chat.completions.create(
                model="gpt-4o-mini", messages=[{"role": "user", "content": "Hi"}]
            )
