"""Callers with connections of their own, as light as Python can be: the same request over and over.

Usage: python serve_load.py URL SECRET CALLERS SECONDS. Prints one JSON object: calls, failures, latencies in ms.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast
from urllib.parse import urlsplit

import uvloop

BODY = json.dumps(
    {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": "Say in one sentence what a ledger is."}],
        "max_completion_tokens": 40,
    }
).encode()


class Caller(asyncio.Protocol):
    """One connection: the next request goes out when the answer to the last one is there."""

    def __init__(self, request: bytes, until: float, over: asyncio.Event) -> None:
        self._request = request
        self._until = until
        self.over = over
        self.taken: list[float] = []
        self.failed = 0
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def _ask(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        if not gap:
            return
        at = head.lower().index(b"\r\ncontent-length:") + 17
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        now = time.perf_counter()
        self.taken.append(now - self._began)
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed += 1
            print(self._seen[:400], file=sys.stderr)
        self._seen = b""
        if now < self._until:
            self._ask()
        else:
            self._transport.close()
            self.over.set()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.is_set():
            self.failed += 1
            self.over.set()


async def load(url: str, secret: str, callers: int, seconds: float) -> dict[str, object]:
    parts = urlsplit(url)
    request = (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {secret}\r\n"
        f"content-type: application/json\r\naccept: application/json\r\nuser-agent: bench\r\n"
        f"content-length: {len(BODY)}\r\n\r\n"
    ).encode() + BODY
    loop = asyncio.get_running_loop()
    until = time.perf_counter() + seconds
    began = time.perf_counter()
    all_of = []
    for _ in range(callers):
        _, caller = await loop.create_connection(
            lambda: Caller(request, until, asyncio.Event()), parts.hostname, parts.port
        )
        all_of.append(caller)
    for caller in all_of:
        await caller.over.wait()
    lasted = time.perf_counter() - began
    taken = sorted(one for caller in all_of for one in caller.taken)
    return {
        "calls": len(taken),
        "rate": len(taken) / lasted,
        "failed": sum(caller.failed for caller in all_of),
        "p50": taken[len(taken) // 2] * 1000,
        "p95": taken[int(len(taken) * 0.95)] * 1000,
        "p99": taken[int(len(taken) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    url, secret, callers, seconds = sys.argv[1:]
    print(json.dumps(uvloop.run(load(url, secret, int(callers), float(seconds)))))
