"""A provider that answers the same request with the same bytes each time it is asked, directly or through a server.

Requests say which case they are by the header `x-case`. The first of a case is answered by the simulator, or by what
the test has put there; what it said is kept and said again. A chat stream that is then asked for with its usage is
told with what OpenAI puts in for that.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

from aikit.sim import Simulator

OWN = frozenset({"host", "connection", "content-length", "transfer-encoding", "accept-encoding", "keep-alive"})
"""Headers of one connection."""


USED = b'"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13}}'


@dataclass(frozen=True)
class Came:
    """A request as it came; the names of `headers` in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Said:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def pieces(self) -> list[bytes]:
        """A stream's events, each of which is sent by itself."""
        if not any("event-stream" in value for _, value in self.headers):
            return [self.body]
        return [event + b"\n\n" for event in self.body.removesuffix(b"\n\n").split(b"\n\n")]


@dataclass
class Replaying:
    """`came` has the requests by case, `said` the answers."""

    simulator: Simulator
    url: str = ""
    came: dict[str, list[Came]] = field(default_factory=dict)
    said: dict[str, Said] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, case: str, body: bytes, *, stream: bool = False) -> None:
        """Answer a case like this."""
        kind = "text/event-stream" if stream else "application/json"
        self.said[case] = Said(200, (("content-type", kind), ("x-request-id", "req-of-the-provider")), body)

    def answer(self, case: str, came: Came) -> Said:
        with self.lock:
            self.came.setdefault(case, []).append(came)
            if case in self.said:
                said = self.said[case]
                return replace(said, body=with_usage(said.body)) if _asks_for_usage(self.came[case]) else said
            method, path, _ = came.line.split(" ")
            headers = {name: value for name, value in came.headers.items() if name not in OWN}
            found = httpx2.request(method, self.simulator.url + path, headers=headers, content=came.body, verify=False)
            kept = tuple((name, value) for name, value in found.headers.items() if name not in OWN)
            said = Said(found.status_code, kept, found.content)
            if found.status_code == 200:
                self.said[case] = said
            return said


def with_null_usage(stream: bytes) -> bytes:
    """A chat stream with what its events have beside when usage is asked for: a usage that is null."""
    return re.sub(rb"\}\n\n", b',"usage":null}\n\n', stream)


def with_usage(stream: bytes) -> bytes:
    """The stream as OpenAI has it when usage is asked for: the last event tells it."""
    events = with_null_usage(stream)
    last = events.split(b"\n\n")[0].partition(b'"choices":')[0] + USED
    return events.replace(b"data: [DONE]", last + b"\n\ndata: [DONE]")


def _asks_for_usage(came: list[Came]) -> bool:
    """Whether the last request asks for it, and the first one did not."""
    asks = [b'"include_usage"' in one.body for one in came]
    return asks[-1] and not asks[0]


@contextmanager
def replaying(simulator: Simulator) -> Iterator[Replaying]:
    provider = Replaying(simulator)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            said = provider.answer(headers.get("x-case", ""), Came(self.requestline, headers, body))
            self.send_response_only(said.status)
            for name, value in said.headers:
                self.send_header(name, value)
            if len(said.pieces) == 1:
                self.send_header("content-length", str(len(said.body)))
                self.end_headers()
                self.wfile.write(said.body)
                return
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            for piece in [*said.pieces, b""]:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                self.wfile.flush()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
