"""A provider whose streams stand still: the first event at once, the rest when it is told. Other calls end at once.

Usage: python serve_held.py. Prints its URL; each line on stdin ends the streams that are held then, and it ends with
stdin. As light as Python can be, so that ten thousand streams are a matter of the server between.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Mapping
from typing import Any, cast

import uvloop

USAGE = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def event(data: Mapping[str, Any] | str) -> bytes:
    said = b"data: " + (data if isinstance(data, str) else json.dumps(data)).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(said), said)


def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
    named = {"id": "chatcmpl-held", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    return event({**named, "choices": choices, **more})


FIRST = HEAD + chunk([{"index": 0, "delta": {"role": "assistant", "content": "Wait"}, "finish_reason": None}])
REST = (
    chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    + chunk([], usage=USAGE)
    + event("[DONE]")
    + b"0\r\n\r\n"
)
ANSWER = json.dumps(
    {
        "id": "chatcmpl-whole",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "So."}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
).encode()
WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)


class Held(asyncio.Protocol):
    """One connection; one request at a time comes over it."""

    def __init__(self, holding: set[Held]) -> None:
        self._holding = holding
        self._seen = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, gap, body = self._seen.partition(b"\r\n\r\n")
        if not gap:
            return
        at = head.lower().index(b"content-length:") + 15
        if len(body) < int(head[at:].split(b"\r\n", 1)[0]):
            return
        self._seen = b""
        if json.loads(body).get("stream"):
            self._holding.add(self)
            self._transport.write(FIRST)
        else:
            self._transport.write(WHOLE)

    def connection_lost(self, error: Exception | None) -> None:
        self._holding.discard(self)

    def let_go(self) -> None:
        self._transport.write(REST)


async def serve() -> None:
    loop, over, holding = asyncio.get_running_loop(), asyncio.Event(), set[Held]()
    listening = await loop.create_server(lambda: Held(holding), "127.0.0.1", 0, backlog=4096)

    def end() -> None:
        for one in list(holding):
            one.let_go()
        holding.clear()

    def listen() -> None:
        for _ in sys.stdin:
            loop.call_soon_threadsafe(end)
        loop.call_soon_threadsafe(over.set)

    print(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
    threading.Thread(target=listen, daemon=True).start()
    await over.wait()


if __name__ == "__main__":
    uvloop.run(serve())
