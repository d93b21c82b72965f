"""Hanging up on a database that takes what we say and answers nothing, so that whoever waits for it hears an error."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import psycopg


def line_of(connection: psycopg.Connection[Any]) -> socket.socket:
    """The connection's socket under a handle of our own: it stays this connection's even when libpq closes its own."""
    return socket.socket(fileno=os.dup(connection.pgconn.socket))


@contextmanager
def severed_after(connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
    """Hang up if the block takes longer than this: then what waits in it raises psycopg.OperationalError."""
    with closing(line_of(connection)) as line:
        timer = threading.Timer(seconds, _sever, (line,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()


def _sever(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
