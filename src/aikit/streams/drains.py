"""Streams that their callers have left are read on for a while by threads of our own, to learn what they cost.

A provider bills what it generated, read or not, and says how much only at the end. So whoever leaves a stream early
leaves it to a drain: until the terminal event, or the deadline. Coroutines have drains of their own, in their event
loop (`asynchronous`); here they are only known, so that closing the kit can wait for them.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
import time
import weakref
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Protocol

from aikit.streams.upstream import Upstream

MOST_THREADS = 64
"""Streams that are drained at once. A stream that is left beyond them is settled by what was seen of it."""
GRACE = 1.0
"""Seconds beyond its deadline that closing waits for a drain, which only has to be told by then."""


class ThreadDrain(Protocol):
    """An upstream that a thread can read on."""

    deadline: float
    over: threading.Event

    def drain(self) -> None:
        """Read on until the stream is settled; blocks."""

    def give_up(self) -> None:
        """Settle by what was seen, and wake the thread."""

    def hang_up(self) -> None:
        """Close the connection."""


class Drains:
    """All streams under way of one kit. `seconds` is how long one is read on; 0: not at all."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        # Held here, so that a garbage collection that finds the caller's end of a stream does not close ours, too.
        self._open: set[Upstream] = set()
        self._queue: SimpleQueue[ThreadDrain | None] = SimpleQueue()  # a garbage collection may call its put
        self._at_work: set[ThreadDrain] = set()
        self._keeper: threading.Thread | None = None
        self._starting = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        atexit.register(_close_at_exit, weakref.ref(self))

    def opened(self, upstream: Upstream) -> None:
        """A stream has begun."""
        self._open.add(upstream)
        if self._keeper is None:
            with self._starting:
                if self._keeper is None:
                    self._keeper = threading.Thread(target=self._keep, name="aikit-drains", daemon=True)
                    self._keeper.start()

    @property
    def willing(self) -> bool:
        """Whether a stream that is left now is read on. In a fork it is not: its connection is another process's."""
        return bool(self.seconds) and not self._closed and os.getpid() == self._process

    def forget(self, upstream: Upstream) -> None:
        """The stream is over."""
        self._open.discard(upstream)

    def take(self, drain: ThreadDrain) -> None:
        """Drain in a thread. Returns at once and may be called from anywhere, even from a garbage collection."""
        self._queue.put(drain)

    def close(self) -> None:
        """Wait until what is being drained is over, at most until its deadline, then settle all that is under way.

        Blocks. Streams that are drained by the event loop of the calling thread can't go on meanwhile, so they are
        not waited for.
        """
        if os.getpid() != self._process:
            return
        for upstream in [one for one in list(self._open) if one.waits()]:
            upstream.over.wait(max(0.0, upstream.deadline + GRACE - time.monotonic()))
        self._closed = True
        self._queue.put(None)
        for upstream in list(self._open):
            if upstream.left:
                upstream.give_up()
            else:
                upstream.settle()

    def _keep(self) -> None:
        """What the keeper does: start a thread for each stream that was left, and end those whose time is up."""
        running: set[ThreadDrain] = set()
        while True:
            due = min((drain.deadline for drain in running), default=None)
            with suppress(Empty):
                drain = self._queue.get(timeout=None if due is None else max(0.0, due - time.monotonic()))
                if drain is not None and self._begin(drain):
                    running.add(drain)
                del drain
            now = time.monotonic()
            for late in [one for one in running if one.over.is_set() or one.deadline <= now]:
                running.discard(late)
                if not late.over.is_set():
                    late.give_up()
            if self._closed and not running and self._queue.empty():
                return

    def _begin(self, drain: ThreadDrain) -> bool:
        if len(self._at_work) < MOST_THREADS:
            self._at_work.add(drain)
            with suppress(RuntimeError):  # no thread can be started any more
                threading.Thread(target=self._work, args=(drain,), name="aikit-drain", daemon=True).start()
                return True
            self._at_work.discard(drain)
        drain.give_up()
        drain.hang_up()
        return False

    def _work(self, drain: ThreadDrain) -> None:
        try:
            drain.drain()
        finally:
            self._at_work.discard(drain)


def running_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether `loop` runs in this very thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _close_at_exit(drains: weakref.ref[Drains]) -> None:
    if (alive := drains()) is not None:
        alive.close()
