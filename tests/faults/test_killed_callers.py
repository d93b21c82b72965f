"""`kill -9` at every step of a call: once its hold has expired, the books are right and above the provider's bill."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.sim import Simulator
from support.attempts import set_policy
from support.crew import Crew
from support.embedded import wait_for
from support.kill_points import POINTS
from support.kits import QUIET, Books, write_config
from support.postgres import create_database, drop_database
from support.proxy import Proxy
from support.reckoning import assert_books_right, expire_all, reckon, usage_of
from support.sdks import wait_until_idle

WAYS = ("sdk", "raw", "complete")
SENDS = {"sent", "reading", "read", "committing"}


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    """One for all: what it has imported it has imported."""
    with Crew(tmp_path_factory.mktemp("crew")) as crew:
        yield crew


@pytest.fixture(scope="module")
def books(postgres_server: str, ledger_template: str) -> Iterator[Books]:
    """One for all: what a killed call has left must be right beside what others have left."""
    dsn = create_database(postgres_server, ledger_template)
    books = Books(dsn)
    books.limit()
    yield books
    drop_database(dsn)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("way", WAYS)
def test_a_killed_call_is_charged_with_what_it_cost_or_more_and_marked(
    crew: Crew, books: Books, simulator: Simulator, tmp_path: Path, point: str, stream: bool, way: str
) -> None:
    before = reckon(books, simulator.served())
    requests = simulator.served(0)["totals"]["requests"]
    fault = {"delay": 30.0} if point == "sent" else {"chunk_delay": 0.02} if point == "reading" else {}
    with Proxy(books.dsn) as proxy:
        config = write_config(tmp_path, simulator.url, proxy.dsn, QUIET)
        pid = crew.once(config, before.calls, point=point, way=way, stream=stream, **fault)
        if point == "sent":
            wait_for(lambda: crew.said_last() and simulator.served(0)["in_flight"])
        else:
            wait_for(lambda: any(line.get("here") == point for line in crew.said_last()))
        if point in ("admitting", "committing"):
            proxy.stall_at_the_next_answer()
            crew.go()
            proxy.wait_until_swallowed()
        assert crew.kill(pid)
    wait_until_idle(simulator)
    expired = expire_all(books)
    after = reckon(books, simulator.served())
    after.assert_nothing_lost()
    assert_books_right(books)
    settled = point == "committing"
    assert after.calls == before.calls + 2
    assert simulator.served(0)["totals"]["requests"] == requests + (2 if point in SENDS else 1)
    assert expired == (not settled)
    assert after.exact - before.exact == (2 if settled else 1)
    assert len(after.over) - len(before.over) == (not settled), "what was presumed is marked"


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_lease_is_charged_with_what_the_provider_had_sent_or_more(
    crew: Crew, books: Books, simulator: Simulator, tmp_path: Path, way: str
) -> None:
    """The provider is ahead of its reader: what waits in the sockets is billed, though no lease was extended for it."""
    set_policy(Database(books.dsn, False, "test"), "leased", limits=[], uncapped=True, lease=True)
    before = reckon(books, simulator.served())
    ahead = usage_of(before.calls + 1) | {"output": 3000}
    config = write_config(tmp_path, simulator.url, books.dsn)
    long = {"tenant": "leased", "max_tokens": 4096, "usage": ahead}
    pid = crew.once(config, before.calls, point="reading", way=way, stream=True, **long)
    wait_for(lambda: any("here" in line for line in crew.said_last()))
    wait_until_idle(simulator)
    (hold,) = books.rows("SELECT output_tokens FROM aikit.holds")
    assert hold["output_tokens"] < 3000, "this is no lease"
    assert crew.kill(pid)
    assert expire_all(books) == 1
    after = reckon(books, simulator.served())
    after.assert_nothing_lost()
    assert_books_right(books)
    assert len(after.over) == len(before.over) + 1
