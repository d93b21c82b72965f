"""The stream that a caller reads: accounted for as it passes, and read on by a thread once the caller has left."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import httpx2

from aikit.errors import MeteringUnavailable
from aikit.streams.account import StreamAccount
from aikit.streams.drains import Drains
from aikit.streams.upstream import Connections, Extender, Upstream
from aikit.types import Extension


class SyncUpstream(Upstream):
    """Read by one thread at a time. It owns the one iterator over the response: closing that closes the connection."""

    def __init__(
        self,
        response: httpx2.Response,
        account: StreamAccount,
        connections: Connections[httpx2.BaseTransport],
        drains: Drains,
        extender: Extender,
    ) -> None:
        super().__init__(response, account)
        self._extender = extender
        self._cut = False
        self._chunks = response.iter_bytes()
        self._connections = connections
        self._drains = drains
        self._turn = threading.Lock()
        self._leaving = threading.Lock()
        drains.opened(self)

    def read(self) -> bytes | None:
        """The next bytes to hand on; None at the end. Raises what the connection raises."""
        with self._turn:
            if self.left:
                raise httpx2.ReadError("The stream has been closed.")
            return None if self.blocked else self._next()

    def _next(self) -> bytes | None:
        if self._cut:
            return None
        if (extension := self.wanted()) is not None and (last := self._extend(extension)) is not None:
            self._cut = True
            self.response.close()
            return last
        try:
            chunk = next(self._chunks, None)
        except BaseException as error:
            self.settle(error)
            raise
        if chunk is not None:
            return self.feed(chunk)
        return self.finish() or None

    def _extend(self, extension: Extension) -> bytes | None:
        try:
            return self.answered(self._extender.extend(extension))
        except MeteringUnavailable as error:
            return self.answered(error)

    def leave(self) -> None:
        """The caller reads no more: hang up if all is known, else leave the rest to a drain. Never blocks."""
        with self._leaving:
            if self.left:
                return
            self.left = True
        if self.settled or not self._drains.willing:
            self.settle()
            self._over()
            self.response.close()
            return
        self.deadline = time.monotonic() + self._drains.seconds
        self._connections.keep()
        self._drains.take(self)

    def drain(self) -> None:
        try:
            with self._turn:
                while not self.settled and self._next() is not None:
                    pass
        except Exception:
            self.settle()
        finally:
            self.hang_up()

    def give_up(self) -> None:
        """Settle by what was seen, and wake the thread that reads, if one does."""
        self.settle()
        self._over()
        network = self.response.extensions.get("network_stream")
        found = network.get_extra_info("socket") if network is not None else None
        if isinstance(found, socket.socket):
            with suppress(OSError):
                # Not SSLSocket.shutdown: that takes the TLS state away from under the thread.
                socket.socket.shutdown(found, socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Close the connection, and those of its client if they were waiting for this."""
        with suppress(Exception):
            self.response.close()
        if self._connections.release():
            with suppress(Exception):
                self._connections.transport.close()
        self._over()

    def _over(self) -> None:
        self._drains.forget(self)
        self.over.set()


class MeteredStream(httpx2.SyncByteStream):
    """A response stream that is accounted for as it passes, to its terminal event even if nobody reads that far."""

    def __init__(
        self,
        response: httpx2.Response,
        account: StreamAccount,
        connections: Connections[httpx2.BaseTransport],
        drains: Drains,
        extender: Extender,
    ) -> None:
        self._upstream = SyncUpstream(response, account, connections, drains, extender)

    def __iter__(self) -> Iterator[bytes]:
        upstream = self._upstream
        try:
            while (passed := upstream.read()) is not None:
                if passed:
                    yield passed
        finally:
            upstream.leave()

    def close(self) -> None:
        self._upstream.leave()

    def __del__(self) -> None:
        self._upstream.leave()
