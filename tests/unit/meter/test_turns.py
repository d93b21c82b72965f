"""One batch at a time, and none for longer than its callers would wait."""

from __future__ import annotations

import threading
import time

from aikit.meter.turns import Turns


class Line:
    """Severing it lets the batch on it fail."""

    def __init__(self) -> None:
        self.severed = threading.Event()

    def sever(self) -> None:
        self.severed.set()


def test_a_turn_waits_for_the_one_before_it() -> None:
    turns, first, order = Turns(60), Line(), list[str]()
    turns.take(first)

    def second() -> None:
        turns.take(Line())
        order.append("second")
        turns.give()

    waiting = threading.Thread(target=second)
    waiting.start()
    time.sleep(0.02)
    order.append("first")
    turns.give()
    waiting.join(5)
    assert order == ["first", "second"]
    assert not first.severed.is_set()


def test_whoever_waits_behind_a_stalled_batch_hangs_up_on_its_connection() -> None:
    turns, stalled = Turns(0.05), Line()
    began = time.monotonic()
    turns.take(stalled)

    def fail_when_severed() -> None:
        assert stalled.severed.wait(5)
        turns.give()

    batch = threading.Thread(target=fail_when_severed)
    batch.start()
    turns.take(None)
    assert time.monotonic() - began >= 0.05
    batch.join()
    turns.give()
    assert turns.due is None


def test_a_batch_that_goes_nowhere_is_waited_for_and_never_severed() -> None:
    turns, mine, began = Turns(0.01), Line(), time.monotonic()
    turns.take(None)
    threading.Timer(0.05, turns.give).start()
    turns.take(mine)
    assert time.monotonic() - began >= 0.05
    assert not mine.severed.is_set()
    turns.give()


def test_due_says_until_when_the_batch_under_way_may_take() -> None:
    turns = Turns(5)
    assert turns.due is None
    turns.take(None)
    assert turns.due is not None and 4 < turns.due - time.monotonic() <= 5
    turns.give()
    assert turns.due is None
