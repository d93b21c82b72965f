"""A server among callers that mean harm: it answers everybody else, and nothing is left of them when they have gone."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from aikit.sim import Simulator
from faults.hostile import ATTACKS, LARGE, OPTIONS, Attack, Target, attack, calm, held, much, resident, too_large, whole
from support.kits import Books, write_config
from support.serve_process import ServeProcess, a_key, serve_process


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator(answering=much) as running:
        yield running


@pytest.fixture
def server(tmp_path: Path, simulator: Simulator, books: Books) -> Iterator[ServeProcess]:
    with serve_process(write_config(tmp_path, simulator.url, books.dsn), *OPTIONS) as running:
        yield running


def test_hostile_callers_leave_nothing_behind(server: ServeProcess, books: Books) -> None:
    report = attack(server, books, seconds=15, threads=28, seed=20261121)
    assert not report.faults, report
    assert set(report.attacks) == {one.__name__ for one in ATTACKS}, report
    server.terminate()
    assert server.ended(20) == 0
    books.assert_balanced()


def test_two_hundred_bodies_of_fifty_megabytes_are_refused_in_bounded_memory(
    server: ServeProcess, books: Books
) -> None:
    to = Target(server.port, a_key(books.dsn))
    before, most, over = resident(server.pid), 0, threading.Event()

    def look() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, resident(server.pid))

    watching = threading.Thread(target=look)
    watching.start()
    with ThreadPoolExecutor(200) as pool:
        list(pool.map(lambda number: too_large(to, Random(number)), range(200)))
    over.set()
    watching.join()
    assert most - before < 100, (before, most)
    assert set(to.heard) <= {413, 503}
    assert to.heard[413]
    calm(server, books)
    assert books.rows("SELECT count(*) AS n FROM aikit.entries")[0]["n"] == 1


def test_a_large_body_is_refused_before_it_is_read(server: ServeProcess, books: Books) -> None:
    to = Target(server.port, a_key(books.dsn))
    assert to.send(to.head(f"Content-Length: {LARGE}")).startswith(b"HTTP/1.1 413 ")
    assert to.send(to.head(f"Content-Length: {LARGE}", "Expect: 100-continue")).startswith(b"HTTP/1.1 413 ")


def test_without_a_key_no_body_is_taken_up(server: ServeProcess) -> None:
    to = Target(server.port, "aik_test_" + "A" * 43)
    before = resident(server.pid)
    with ThreadPoolExecutor(50) as pool:
        list(pool.map(lambda number: too_large(to, Random(number)), range(50)))
    assert set(to.heard) <= {401, 413}
    assert resident(server.pid) - before < 30


def test_ten_thousand_connections_opened_and_dropped_are_forgotten(server: ServeProcess, books: Books) -> None:
    calm(server, books)
    before = held(server.pid)[0]
    many = []
    try:
        for _ in range(10):
            for _ in range(1000):
                one = socket.create_connection(("127.0.0.1", server.port), timeout=10)
                many.append(one)
            if len(many) >= 4000:
                for one in many:
                    one.close()
                many.clear()
    finally:
        for one in many:
            one.close()
    calm(server, books)
    assert held(server.pid)[0] <= before + 16


@pytest.mark.parametrize("one", [one for one in ATTACKS if one.__name__ in ("slow_head", "slow_body")])
def test_slow_callers_are_not_waited_for(one: Attack, server: ServeProcess, books: Books) -> None:
    to = Target(server.port, a_key(books.dsn))
    begun = time.monotonic()
    one(to, Random(1))
    assert time.monotonic() - begun < 15
    assert set(to.heard) == {408}


def test_what_comes_after_a_refused_body_is_no_request(
    server: ServeProcess, books: Books, simulator: Simulator
) -> None:
    """A request inside of a body that was refused is never carried out."""
    to = Target(server.port, a_key(books.dsn))
    inside = whole(to, b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"smuggled"}]}')
    to.send(to.head(f"Content-Length: {len(inside)}", path="/v1/nothing") + inside)
    to.send(to.head("Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n" + inside)
    time.sleep(0.3)
    assert simulator.served()["totals"]["requests"] == 0
