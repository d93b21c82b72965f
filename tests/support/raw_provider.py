"""A provider that says, byte for byte, what a test wants, and keeps every request as it came."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Came:
    """A request as its bytes came."""

    head: bytes
    body: bytes

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def headers(self) -> list[tuple[str, str]]:
        lines = self.head.split(b"\r\n")[1:]
        return [(name.decode().lower(), value.decode()) for name, _, value in (line.partition(b": ") for line in lines)]

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


Answer = Callable[[socket.socket], object]
"""Writes the answer to one request. A connection is kept unless it returns False."""


@dataclass
class RawProvider:
    url: str
    answer: Answer
    requests: list[Came] = field(default_factory=list)
    connections: int = 0


def says(head: str, body: bytes = b"", *, keep: bool = True) -> Answer:
    """These bytes. `{length}` in the head is that of the body; its lines may end in \\n."""

    def answer(connection: socket.socket) -> bool:
        lines = head.strip().format(length=len(body)).replace("\n", "\r\n")
        connection.sendall(lines.encode() + b"\r\n\r\n" + body)
        return keep

    return answer


@contextmanager
def raw_provider(answer: Answer) -> Iterator[RawProvider]:
    """Listens on a loopback port until the end of the block; one connection after another gets a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        provider = RawProvider(f"http://127.0.0.1:{listening.getsockname()[1]}", answer)
        peers: list[socket.socket] = []
        threads: list[threading.Thread] = []

        def accept() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                provider.connections += 1
                peers.append(connection)
                threads.append(threading.Thread(target=_answer, args=(provider, connection), daemon=True))
                threads[-1].start()

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        try:
            yield provider
        finally:
            with suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            for peer in peers:
                with suppress(OSError):
                    peer.shutdown(socket.SHUT_RDWR)
                peer.close()
            for thread in [accepting, *threads]:
                thread.join(10)


def _answer(provider: RawProvider, connection: socket.socket) -> None:
    seen = b""
    with suppress(OSError), connection:
        while True:
            while b"\r\n\r\n" not in seen:
                piece = connection.recv(65536)
                if not piece:
                    return
                seen += piece
            head, _, seen = seen.partition(b"\r\n\r\n")
            length = int(Came(head, b"").header("content-length") or 0)
            while len(seen) < length:
                piece = connection.recv(65536)
                if not piece:
                    return
                seen += piece
            provider.requests.append(Came(head, seen[:length]))
            seen = seen[length:]
            if provider.answer(connection) is False:
                return
