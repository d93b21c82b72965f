"""Callers who hold streams: each reads its first event, and waits for the rest.

Usage: python serve_holders.py URL SECRET. One command a line on stdin, one JSON object for each on stdout:
`hold N` until so many are held, `ask N` that many calls one after the other, `ended` when all streams have ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

AT_ONCE = 64
"""Streams that are being opened at a time."""
PATH = "/v1/chat/completions"
ASK = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Wait for me."}], "max_completion_tokens": 40}


def request(host: str, secret: str, body: dict[str, Any]) -> bytes:
    said = json.dumps(body).encode()
    return (
        f"POST {PATH} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {secret}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(said)}\r\n\r\n"
    ).encode() + said


class Holder(asyncio.Protocol):
    """One stream. `begun` and `ended` are told how: True as it should be."""

    def __init__(self, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self.begun: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[bool] = loop.create_future()
        self.complaint = ""
        """What was heard instead of a stream."""
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        if not self._seen.startswith(b"HTTP/1.1 200") and not self.begun.done():
            self.complaint = self._seen.decode("utf-8", "replace").partition("\r\n\r\n")[2][:600]
            self._tell(self.begun, False)
            self._transport.close()
        elif not self.begun.done() and b"\n\n" in self._seen:
            self._tell(self.begun, True)
            self._seen = b""
        elif self._seen.endswith(b"0\r\n\r\n"):
            self._tell(self.ended, b'"stop"' in self._seen and b"data: [DONE]" in self._seen)
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self._tell(self.begun, False)
        self._tell(self.ended, False)

    def _tell(self, whom: asyncio.Future[bool], what: bool) -> None:
        if not whom.done():
            whom.set_result(what)


class Holders:
    def __init__(self, url: str, secret: str) -> None:
        parts = urlsplit(url)
        self._where = parts.hostname, parts.port
        self._streamed = request(parts.netloc, secret, ASK | {"stream": True})
        self._plain = request(parts.netloc, secret, ASK)
        self._all: list[Holder] = []

    async def hold(self, many: int) -> dict[str, Any]:
        began, before = time.perf_counter(), len(self._all)
        loop, room = asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE)

        async def one() -> bool:
            async with room:
                _, holder = await loop.create_connection(lambda: Holder(self._streamed, loop), *self._where)
                self._all.append(holder)
                return await holder.begun

        begun: list[bool] = await asyncio.gather(*[one() for _ in range(many - before)])
        complaints = sorted({one.complaint for one in self._all if one.complaint})[:3]
        self._all = [one for one in self._all if one.begun.result()]
        lasted = time.perf_counter() - began
        return {"failed": begun.count(False), "complaints": complaints, "seconds": lasted}

    async def ask(self, many: int) -> dict[str, Any]:
        reader, writer = await asyncio.open_connection(*self._where)
        taken, complaints = [], []
        for _ in range(many):
            began = time.perf_counter()
            writer.write(self._plain)
            head = await reader.readuntil(b"\r\n\r\n")
            at = head.lower().index(b"\r\ncontent-length:") + 17
            answer = await reader.readexactly(int(head[at:].split(b"\r\n", 1)[0]))
            taken.append((time.perf_counter() - began) * 1000)
            if not head.startswith(b"HTTP/1.1 200"):
                complaints.append(answer.decode("utf-8", "replace")[:600])
        writer.close()
        taken.sort()
        told = {"failed": len(complaints), "complaints": sorted(set(complaints))[:3]}
        return told | {"p50": taken[many // 2], "p99": taken[int(many * 0.99)]}

    async def ended(self) -> dict[str, float]:
        began = time.perf_counter()
        ends = await asyncio.gather(*[holder.ended for holder in self._all])
        self._all.clear()
        return {"whole": ends.count(True), "broken": ends.count(False), "seconds": time.perf_counter() - began}


async def obey(url: str, secret: str) -> None:
    holders, loop = Holders(url, secret), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command, *many = line.split()
        print(json.dumps(await getattr(holders, command)(*map(int, many))), flush=True)


if __name__ == "__main__":
    uvloop.run(obey(*sys.argv[1:]))
