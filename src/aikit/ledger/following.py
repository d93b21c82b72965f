"""What a process remembers of the ledger, and reads again behind its callers' backs before it is old."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from time import monotonic

import psycopg

from aikit.errors import AIKitError

log = logging.getLogger("aikit.prompts")

SOON = 2.0
"""Seconds after which it is read again in the background: callers go on with what is known."""
LATEST = 4.0
"""Seconds after which callers wait until it was read again, if that is to be had."""
PATIENCE = 1.0
"""Seconds that callers wait for the ledger; then what was known last holds."""
FIRST = 3.0
"""The same for callers who have nothing to go on with."""


class Attempt:
    """One reading of the ledger, in a thread of its own."""

    def __init__(self) -> None:
        self.began = monotonic()
        self.done = threading.Event()

    def wait(self, patience: float) -> bool:
        """Wait until it is over, or until it has taken too long in all. False: it has."""
        return self.done.wait(max(0.0, self.began + patience - monotonic()))


class Follower:
    """Calls `read` in a thread, one at a time, and only while somebody asks: an idle process asks the ledger nothing.

    For several threads at once, and in a fork anew.
    """

    def __init__(self, read: Callable[[], None], what: str) -> None:
        """`read` raises psycopg.Error or AIKitError if the ledger is away; `what` names what is read, in the log."""
        self._read = read
        self._what = what
        self.known = False
        """It was read at least once."""
        self.failure: str | None = None
        """Why the last attempt failed; None if it went well."""
        self._start_anew()

    def _start_anew(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._under_way: Attempt | None = None
        self._as_of = float("-inf")
        """When the last reading began; when it ended, if it failed."""

    def follow(self, *, wait: bool = True) -> bool:
        """Have it read again if it is time to. False: the caller would have to wait for that, and does not want to."""
        age = monotonic() - self._as_of
        if age < SOON and self._process == os.getpid():
            return self.known or wait
        if self._process != os.getpid():
            self._start_anew()
        attempt = self._begin()
        if attempt is None or (self.known and age < LATEST):
            return True
        if not wait:
            return False
        if not attempt.wait(PATIENCE if self.known else FIRST):
            self._lost(f"no answer within {PATIENCE if self.known else FIRST:g} s")
        return True

    def _begin(self) -> Attempt | None:
        """The attempt that is under way, or a new one; None if one has ended well while we came here."""
        with self._lock:
            attempt = self._under_way
            if attempt is None:
                if self.known and monotonic() - self._as_of < SOON:
                    return None
                attempt = Attempt()
                threading.Thread(target=self._try, args=(attempt,), name="aikit-prompts", daemon=True).start()
                self._under_way = attempt
            return attempt

    def _try(self, attempt: Attempt) -> None:
        as_of = attempt.began
        try:
            self._read()
            self._reached()
        except (psycopg.Error, AIKitError) as error:
            self._lost(error.message if isinstance(error, AIKitError) else type(error).__name__)
            as_of = monotonic()
        finally:
            with self._lock:
                self._as_of, self._under_way = as_of, None
            attempt.done.set()

    def _reached(self) -> None:
        self.known = True
        failure, self.failure = self.failure, None
        if failure is not None:
            log.warning("%s are followed again: the ledger answers", self._what)

    def _lost(self, reason: str) -> None:
        failure, self.failure = self.failure, reason
        if failure is None and self.known:
            log.warning("%s stay as they were last read: %s", self._what, reason)
