"""Hands a provider's answer to the caller: whole, or piece by piece as it comes.

A piece is asked for when the one before is on its way, so a slow caller slows the provider down. A caller who leaves a
stream is noticed between two pieces, too: the stream is left, and drained for what it costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx2

from aikit.serve.asked import handed_on
from aikit.serve.model import Receive, Send

LONGEST_STALL = 60.0
"""Seconds after which a caller who takes nothing of what waits for it is taken for gone."""


async def hand_on(response: httpx2.Response, receive: Receive, send: Send) -> None:
    """Send an answer. Raises what breaks a stream off."""
    await send({
        "type": "http.response.start",
        "status": response.status_code,
        "headers": handed_on(response.headers.raw),
    })  # fmt: skip
    if isinstance(response.stream, httpx2.ByteStream):
        await send({"type": "http.response.body", "body": b"".join(response.stream)})
        return
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    try:
        await _stream(aiter(response.stream), receive, send)
    finally:
        await response.stream.aclose()


async def _stream(pieces: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """Send pieces until the end, or until the caller has left: then the answer is not ended."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    left = False

    def leave(_: object = None) -> None:
        nonlocal left
        left = True
        task.cancel()

    watch = loop.create_task(_until_left(receive), name="aikit-caller")
    watch.add_done_callback(leave)
    try:
        async for piece in pieces:
            stalled = loop.call_later(LONGEST_STALL, leave)
            try:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            finally:
                stalled.cancel()
        await send({"type": "http.response.body", "body": b""})
    except asyncio.CancelledError:
        if not left:
            raise
        task.uncancel()
    finally:
        watch.remove_done_callback(leave)
        watch.cancel()


async def _until_left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
