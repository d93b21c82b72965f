"""Brings events from the call path to those who listen: one queue, one thread, so that nobody's call ever waits.

The queue's `put` may be called by a garbage collection, which a lock may not: a stream that nobody holds any more ends
its attempt wherever the collector finds it. It is bounded: if listeners can't keep up, events are dropped and counted.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
import weakref
from collections.abc import Sequence
from contextvars import Context
from queue import SimpleQueue
from typing import TYPE_CHECKING, cast

from aikit.errors import ConfigError
from aikit.events import Event
from aikit.signals.sink import Sink

if TYPE_CHECKING:
    from aikit.signals.prometheus import Exposition, Prometheus

log = logging.getLogger("aikit.signals")

MOST_QUEUED = 20_000
"""Events that wait to be told. They are small: a few hundred bytes each, beside what their calls' contexts hold."""
REST = 0.02
"""Seconds that events may wait for others: a thread that wakes for each would take turns with every call."""
CLOSE_SECONDS = 5.0
"""How long closing waits for listeners, in all."""


class Delivery:
    """Tells events to `sinks`, in the order in which they came, each in the context of its call."""

    def __init__(self, sinks: Sequence[Sink] = (), most_queued: int = MOST_QUEUED) -> None:
        self.sinks = tuple(sinks)
        self.dropped = 0
        """Events that nobody was told of, for too many waited."""
        self._always = any(type(sink).awake is Sink.awake for sink in self.sinks)
        self._most = most_queued
        self._queue: SimpleQueue[tuple[Event, Context | None] | threading.Event | None] = SimpleQueue()
        self._hurry = threading.Event()
        self._failed: set[tuple[str, str]] = set()
        self._process = os.getpid()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="aikit-signals", daemon=True)
        if self.sinks:
            self._thread.start()
            atexit.register(_close_at_exit, weakref.ref(self))

    @property
    def awake(self) -> bool:
        if self._always:
            return True
        for sink in self.sinks:  # noqa: SIM110 - on the path of every call, and a generator takes three times as long
            if sink.awake:
                return True
        return False

    def tell(self, event: Event, context: Context | None) -> None:
        """Queue an event. Returns at once."""
        if self._queue.qsize() >= self._most or self._closed or os.getpid() != self._process:
            self.dropped += 1
            if self.dropped == 1:
                log.warning("events are dropped: the listeners can't keep up, or the kit is closed")
        else:
            self._queue.put((event, context))

    def flush(self, seconds: float = CLOSE_SECONDS) -> bool:
        """Wait until all events so far have been told. False: it took too long."""
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            return True
        told = threading.Event()
        self._hurry.set()
        self._queue.put(told)
        try:
            return told.wait(seconds)
        finally:
            self._hurry.clear()

    def exposition(self) -> Exposition:
        """All Prometheus metrics, of all that has happened so far. Raises ConfigError unless they are configured."""
        for sink in self.sinks:
            if sink.name == "prometheus":
                self.flush()
                return cast("Prometheus", sink).exposition()
        raise ConfigError(
            "There are no Prometheus metrics: they are not turned on.", remedy="Add [signals.prometheus] to aikit.toml."
        )

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Tell what is queued, within this time, and stop. Idempotent."""
        if self._closed or os.getpid() != self._process:
            return
        deadline = time.monotonic() + seconds
        self._closed = True
        self._hurry.set()
        self._queue.put(None)
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(seconds)
        for sink in self.sinks:
            try:
                sink.close(max(0.0, deadline - time.monotonic()))
            except Exception:
                log.exception("%s could not be closed", sink.name)

    def _run(self) -> None:
        while (found := self._queue.get()) is not None:
            if isinstance(found, threading.Event):
                found.set()
                continue
            if self._queue.empty():
                self._hurry.wait(REST)
            self._tell(*found)
            time.sleep(0)  # lets a call go on that waits for the interpreter

    def _tell(self, event: Event, context: Context | None) -> None:
        for sink in self.sinks:
            try:
                if event.kind not in sink.kinds or not sink.awake:
                    continue
                if context is None:
                    sink.hear(event)
                else:
                    context.run(sink.hear, event)
            except BaseException:
                if (sink.name, event.kind) not in self._failed:
                    self._failed.add((sink.name, event.kind))
                    log.exception("%s failed to take an event (%s); this is logged once", sink.name, event.kind)


def _close_at_exit(delivery: weakref.ref[Delivery]) -> None:
    if (alive := delivery()) is not None:
        alive.close()
