"""Reads labels and published prompts for the processes that use them: one small connection, without SQLAlchemy."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TypeVar

import psycopg

from aikit.database.connect import Database
from aikit.database.stall import severed_after
from aikit.errors import DatabaseUnavailable

ANSWER = 1.0
"""Seconds that the ledger has to answer; then it is hung up on."""
REST = 2.0
"""Seconds after a failure during which nobody tries again."""

Answer = TypeVar("Answer")
Key = tuple[str, str]
"""The name of a prompt, and one of its labels."""


class Pointer(NamedTuple):
    """Where a label points to."""

    version: int
    sha256: str


class Labels(NamedTuple):
    """All labels as they were after the move `seq`."""

    seq: int
    pointers: dict[Key, Pointer]


class Content(NamedTuple):
    """A published version as it is in the ledger; nobody has looked at its hash yet."""

    sha256: str
    source: str


class PromptLine:
    """The connection, made when it is needed and anew when it was lost. For several threads, one at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._start_anew()

    def _start_anew(self) -> None:
        """In a fork the connection is its parent's: it is left alone."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._failure: DatabaseUnavailable | None = None
        self._failed_at = 0.0

    def labels(self, seen: int | None) -> Labels | None:
        """Where all labels point to; None if that is as it was after the move `seen`. Raises DatabaseUnavailable."""
        return self._ask(lambda connection: _labels(connection, seen))

    def published(self, name: str, version: int) -> Content | None:
        """A published version; None if there is none. Raises DatabaseUnavailable."""
        return self._ask(lambda connection: _published(connection, name, version))

    def close(self) -> None:
        """Hang up; whoever asks later connects again."""
        if self._process == os.getpid() and self._lock.acquire(timeout=ANSWER):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _ask(self, question: Callable[[psycopg.Connection[Any]], Answer]) -> Answer:
        if self._process != os.getpid():
            self._start_anew()
        if not self._lock.acquire(timeout=ANSWER):
            raise self._database.unavailable(psycopg.OperationalError("it does not answer"))
        try:
            return self._answered(question)
        except DatabaseUnavailable as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        finally:
            self._lock.release()

    def _answered(self, question: Callable[[psycopg.Connection[Any]], Answer]) -> Answer:
        """What the ledger says. A connection that was used before may have been lost since: then by a new one."""
        if self._connection is not None:
            with suppress(DatabaseUnavailable):
                return self._asked(self._connection, question)
        elif self._failure is not None and time.monotonic() < self._failed_at + REST:
            raise self._database.unavailable(psycopg.OperationalError("it did not answer a moment ago"))
        self._connection = self._database.connect(role="prompts")
        answer = self._asked(self._connection, question)
        self._failure = None
        return answer

    def _asked(
        self, connection: psycopg.Connection[Any], question: Callable[[psycopg.Connection[Any]], Answer]
    ) -> Answer:
        try:
            with severed_after(connection, ANSWER):
                return question(connection)
        except psycopg.OperationalError as error:
            self._drop()
            raise self._database.unavailable(error) from error

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg.Error):
                connection.close()


def _labels(connection: psycopg.Connection[Any], seen: int | None) -> Labels | None:
    newest = connection.execute("SELECT coalesce(max(seq), 0) FROM aikit.prompt_moves").fetchone()
    if newest is not None and newest[0] == seen:
        return None
    found = connection.execute("SELECT name, label, version, sha256, seq FROM aikit.prompt_labels").fetchall()
    pointers = {(name, label): Pointer(version, sha256) for name, label, version, sha256, _ in found}
    return Labels(max([row[4] for row in found], default=0), pointers)


def _published(connection: psycopg.Connection[Any], name: str, version: int) -> Content | None:
    row = connection.execute(
        "SELECT sha256, source FROM aikit.prompt_versions WHERE name = %s AND version = %s", (name, version)
    ).fetchone()
    return None if row is None else Content(*row)
