"""A way to the database that a test can cut, stall or half-close: a TCP port in front of a PostgreSQL socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path
from typing import Literal, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Proxy:
    """Passes connections on to the server of a DSN; use its own `dsn` instead. A context manager."""

    def __init__(self, dsn: str) -> None:
        parts = conninfo_to_dict(dsn)
        self._server = str(Path(str(parts["host"])) / f".s.PGSQL.{parts.get('port', 5432)}")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self._silent: set[socket.socket] = set()
        """From these nothing is passed on any more, not even that they were closed."""
        self._state: Literal["up", "cut", "stalled"] = "up"
        self._at_next_answer: Literal["cut", "stall"] | None = None
        self._swallowed = threading.Event()
        port = self._listener.getsockname()[1]
        self.dsn = make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._listener.close()
        for one in self._sockets:
            one.close()

    def cut(self) -> None:
        """Hang up on everybody, and on whoever comes, until `restore`."""
        self._state = "cut"
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stall(self) -> None:
        """Say nothing more to anybody, nor to whoever comes, until `restore`, and hang up on nobody.

        Connections of before stay silent for ever, as behind a firewall that has forgotten them; the server keeps
        its ends of them open.
        """
        self._state = "stalled"
        self._silent.update(self._sockets)

    def half_close(self, towards: Literal["client", "server"]) -> None:
        """Say to one side of every connection that the other will say no more; what that side says is passed on."""
        for one in list(self._sockets):
            if (one.family == socket.AF_UNIX) == (towards == "server"):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_WR)

    def cut_at_the_next_answer(self) -> None:
        """Let the server do what it is asked once more, and hang up instead of handing its answer on."""
        self._at_next_answer = "cut"

    def stall_at_the_next_answer(self) -> None:
        """Let the server do what it is asked once more, and stall instead of handing its answer on."""
        self._at_next_answer = "stall"

    def wait_until_swallowed(self) -> None:
        """Wait for the answer that is not handed on."""
        assert self._swallowed.wait(10)

    def restore(self) -> None:
        """Pass on again what comes over new connections."""
        self._state = "up"

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._state == "cut":
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX)
            try:
                server.connect(self._server)
            except OSError:
                client.close()
                server.close()
                continue
            self._sockets += [client, server]
            if self._state == "stalled":
                self._silent.update((client, server))
            threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._at_next_answer and source.family == socket.AF_UNIX:
                    self._swallow()
                if source not in self._silent:
                    sink.sendall(data)
        if source in self._silent and self._state != "cut":
            return
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _swallow(self) -> None:
        todo, self._at_next_answer = self._at_next_answer, None
        self._silent.update(self._sockets)
        if todo == "cut":
            self.cut()
        else:
            self.stall()
        self._swallowed.set()
