"""Callers with connections of their own, as light as Python can be: the same request over and over.

Usage: python serve_load.py URL SECRET CALLERS SECONDS [--delay SECONDS] [--rate CALLS]. Without a rate each caller asks
again as soon as it is answered. With one, calls are due at even distances whether or not others are answered, and a
call's time counts from when it was due. `delay` is how long the simulated provider takes to answer, give or take a half
of it, so that callers do not fall into step; a call's time is what it took beyond that. Prints one JSON object: calls,
failures, latencies in ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

DELAYS = 64
"""So many different ones."""
QUESTION = "Say in one sentence what a ledger is."


def body_of(delay: float = 0) -> dict[str, Any]:
    wish = f" [[sim: {json.dumps({'delay': delay})}]]" if delay else ""
    return {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": QUESTION + wish}],
        "max_completion_tokens": 40,
    }


def request_of(url: str, secret: str, delay: float = 0) -> bytes:
    parts, body = urlsplit(url), json.dumps(body_of(delay)).encode()
    return (
        f"POST {parts.path} HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {secret}\r\n"
        f"content-type: application/json\r\naccept: application/json\r\nuser-agent: bench\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


def requests_of(url: str, secret: str, delay: float) -> list[tuple[float, bytes]]:
    """Requests to draw from, each with what the provider takes for it, in seconds."""
    delays = [round(delay * (0.5 + one / (DELAYS - 1)), 4) for one in range(DELAYS)] if delay else [0]
    return [(one, request_of(url, secret, one)) for one in delays]


class Caller(asyncio.Protocol):
    """One connection, one call at a time. `free` hears when it is free, and says from when the next call counts;
    None: there is none for now.
    """

    def __init__(
        self, requests: list[tuple[float, bytes]], chance: Random, free: Callable[[Caller], float | None]
    ) -> None:
        self._requests = requests
        self._chance = chance
        self._delay = 0.0
        self._free = free
        self._began: float | None = None
        self.taken: list[float] = []
        self.failed = 0
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def ask(self, began: float) -> None:
        self._began = began
        self._delay, request = self._chance.choice(self._requests)
        self._transport.write(request)

    @property
    def busy(self) -> bool:
        return self._began is not None

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        if not gap:
            return
        at = head.lower().index(b"\r\ncontent-length:") + 17
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        assert self._began is not None
        self.taken.append(time.perf_counter() - self._began - self._delay)
        if not head.startswith(b"HTTP/1.1 200"):
            self.failed += 1
            print(self._seen[:400], file=sys.stderr)
        self._seen = b""
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if self.busy:
            self.failed += 1
            self._began = None
            self._free(self)

    def _next(self) -> None:
        self._began = None
        if (began := self._free(self)) is not None:
            self.ask(began)


class Load:
    """All callers, until the time is over and the last of them is answered."""

    def __init__(self, requests: list[tuple[float, bytes]], seconds: float, rate: float | None) -> None:
        self._requests = requests
        self._chance = Random(1)
        self._loop = asyncio.get_running_loop()
        self._began = time.perf_counter()
        self._seconds = seconds
        self._until = self._began + seconds
        self._rate = rate
        self._over = asyncio.Event()
        self._callers: list[Caller] = []
        self._idle: deque[Caller] = deque()
        self._due: deque[float] = deque()
        self._asked = 0

    async def run(self, url: str, callers: int) -> dict[str, Any]:
        parts = urlsplit(url)
        for _ in range(callers):
            _, caller = await self._loop.create_connection(
                lambda: Caller(self._requests, self._chance, self._free), parts.hostname, parts.port
            )
            self._callers.append(caller)
        if self._rate is not None:
            self._began = time.perf_counter()
            self._until = self._began + self._seconds
            self._tick()
        await self._over.wait()
        return self._told(time.perf_counter() - self._began)

    def _free(self, caller: Caller) -> float | None:
        now = time.perf_counter()
        if self._rate is None and now < self._until:
            return now
        if now < self._until:
            if self._due:
                return self._due.popleft()
            self._idle.append(caller)
        elif not any(one.busy for one in self._callers if one is not caller):
            self._over.set()
        return None

    def _tick(self) -> None:
        """Ask what is due by now; who finds no connection free waits, and its time runs."""
        assert self._rate is not None
        now = time.perf_counter()
        while (due := self._began + self._asked / self._rate) <= now:
            self._asked += 1
            if self._idle:
                self._idle.popleft().ask(due)
            else:
                self._due.append(due)
        if now < self._until:
            self._loop.call_later(due - now, self._tick)
        elif not any(one.busy for one in self._callers):
            self._over.set()

    def _told(self, lasted: float) -> dict[str, Any]:
        taken = sorted(one for caller in self._callers for one in caller.taken)
        return {
            "calls": len(taken),
            "rate": len(taken) / lasted,
            "failed": sum(caller.failed for caller in self._callers),
            "never_asked": len(self._due),
            "p50": taken[len(taken) // 2] * 1000,
            "p95": taken[int(len(taken) * 0.95)] * 1000,
            "p99": taken[int(len(taken) * 0.99)] * 1000,
        }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("secret")
    parser.add_argument("callers", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--rate", type=float)
    chosen = parser.parse_args()
    load = Load(requests_of(chosen.url, chosen.secret, chosen.delay), chosen.seconds, chosen.rate)
    print(json.dumps(await load.run(chosen.url, chosen.callers)))


if __name__ == "__main__":
    uvloop.run(main())
