"""Servers killed with -9 among callers: call by call, the ledger has all that the provider bills, and nothing twice."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from pathlib import Path

import httpx2

from aikit.sim import Simulator
from support.kits import Books, write_config
from support.reckoning import MAX_TOKENS, assert_books_right, expire_all, question, reckon
from support.sdks import chat_request, wait_until_idle
from support.serve_process import ServeProcess, a_key, serve_process, until

PATH = "/v1/chat/completions"
MEANWHILE = {"chunk_delay": 0.005, "delay": 0.01}


class Callers:
    """Call with numbers of their own, every second one a stream, and go on where the server hangs up, until `stop`."""

    def __init__(self, server: ServeProcess, secret: str, threads: int) -> None:
        self._server, self._secret = server, secret
        self._numbers = itertools.count()
        self._over = threading.Event()
        self.answered = 0
        self.cut = 0
        self.refused: list[str] = []
        self._threads = [threading.Thread(target=self._call, daemon=True) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)
        assert not self.refused, self.refused[0]

    def _call(self) -> None:
        with httpx2.Client(base_url=self._server.url, timeout=60, verify=False) as client:
            while not self._over.is_set():
                number = next(self._numbers)
                body = chat_request(question(number, MAX_TOKENS, **MEANWHILE)) | {"max_completion_tokens": MAX_TOKENS}
                headers = {"authorization": f"Bearer {self._secret}", "x-aikit-user": f"n{number}"}
                try:
                    answer = client.post(PATH, json=body | {"stream": number % 2 == 1}, headers=headers)
                    self.answered += answer.status_code == 200
                    self.refused += [answer.text] * (answer.status_code != 200)
                except httpx2.HTTPError:
                    self.cut += 1
                    self._over.wait(0.05)


def reckoned(books: Books, simulator: Simulator) -> None:
    wait_until_idle(simulator)
    expire_all(books)
    found = reckon(books, simulator.served())
    found.assert_nothing_lost()
    assert found.exact > found.calls / 2, found
    assert_books_right(books)


def test_workers_killed_under_load_lose_nothing_and_are_replaced(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    secret = a_key(books.dsn)
    with serve_process(write_config(tmp_path, simulator.url, books.dsn), "--workers", "2") as server:
        callers = Callers(server, secret, 16)
        for _ in range(3):
            answered = callers.answered
            until(lambda before=answered: callers.answered > before + 60, lambda: server.err)  # type: ignore[misc]
            workers = server.workers()
            os.kill(workers[0], signal.SIGKILL)
            until(lambda before=workers: len(set(server.workers()) - set(before)) == 1)  # type: ignore[misc]
        callers.stop()
        assert callers.cut
        server.terminate()
        assert server.ended() == 0
    reckoned(books, simulator)


def test_a_server_killed_under_load_loses_nothing(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    secret = a_key(books.dsn)
    with serve_process(write_config(tmp_path, simulator.url, books.dsn)) as server:
        callers = Callers(server, secret, 16)
        until(lambda: callers.answered > 100, lambda: server.err)
        server.process.kill()
        server.process.wait()
        callers.stop()
        assert books.holds()
    reckoned(books, simulator)
    with serve_process(write_config(tmp_path, simulator.url, books.dsn)) as server:
        signed = {"authorization": f"Bearer {secret}"}
        again = httpx2.post(server.url + PATH, json=chat_request("Hi."), headers=signed, timeout=60, verify=False)
        assert again.status_code == 200
