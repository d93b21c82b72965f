"""Calls from many threads of one process while a test breaks things, and what came of them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aikit.errors import MeteringUnavailable
from aikit.kit import AIKit
from support.embedded import wait_for
from support.kits import TENANT


class Load:
    """Outcomes by the moment (monotonic) they came: True for an answer, False for a refusal for want of the ledger."""

    def __init__(self) -> None:
        self.outcomes: list[tuple[float, bool]] = []
        self.failures: list[Exception] = []

    @property
    def answers(self) -> int:
        return sum(answered for _, answered in list(self.outcomes))

    def wait_for_answers(self, more: int = 20) -> None:
        """Wait until that many more calls have been answered."""
        enough = self.answers + more
        wait_for(lambda: self.answers >= enough or self.failures)

    def wait_for_refusal(self) -> None:
        """Wait until a call is refused that is still to be answered for."""
        known = len(self.outcomes)
        wait_for(lambda: not all(answered for _, answered in self.outcomes[known:]))

    def seconds_to_resume(self, since: float) -> float:
        """How long after that moment the first call was answered; waits for it."""
        wait_for(lambda: self._first_answer(since) is not None)
        first = self._first_answer(since)
        assert first is not None
        return first - since

    def _first_answer(self, since: float) -> float | None:
        return next((at for at, answered in list(self.outcomes) if answered and at >= since), None)


@contextmanager
def under_load(kit: AIKit, threads: int = 6) -> Iterator[Load]:
    """Call from so many threads, plain and streamed, until the block ends. Any error but a refusal is raised then."""
    load, stop = Load(), threading.Event()

    def run(stream: bool) -> None:
        while not stop.is_set():
            try:
                if stream:
                    for _ in kit.stream("Hi", model="openai/gpt-4o-mini", tenant=TENANT):
                        pass
                else:
                    kit.complete("Hi", model="openai/gpt-4o-mini", tenant=TENANT)
            except MeteringUnavailable:
                load.outcomes.append((time.monotonic(), False))
                time.sleep(0.01)
            except Exception as error:
                load.failures.append(error)
                return
            else:
                load.outcomes.append((time.monotonic(), True))

    running = [threading.Thread(target=run, args=(number % 2 == 0,)) for number in range(threads)]
    for thread in running:
        thread.start()
    try:
        yield load
    finally:
        stop.set()
        for thread in running:
            thread.join()
    assert load.failures == []
