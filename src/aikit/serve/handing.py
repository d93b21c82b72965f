"""Hands a provider's answer to the caller: whole, or piece by piece as it comes.

A piece is asked for when the one before is on its way, so a slow caller slows the provider down. Of a caller who
leaves, the stream is left, and drained for what it costs.
"""

from __future__ import annotations

import httpx2

from aikit.serve.asked import handed_on
from aikit.serve.leaving import UntilLeft
from aikit.serve.model import Scope, Send


async def hand_on(response: httpx2.Response, scope: Scope, send: Send) -> None:
    """Send an answer. Raises what breaks a stream off, CallerLeft, too: then the answer is not ended."""
    start = {"type": "http.response.start", "status": response.status_code, "headers": handed_on(response.headers.raw)}
    if isinstance(response.stream, httpx2.ByteStream):
        await send(start)
        await send({"type": "http.response.body", "body": b"".join(response.stream)})
        return
    assert isinstance(response.stream, httpx2.AsyncByteStream)
    try:
        with UntilLeft(scope):
            await send(start)
            async for piece in response.stream:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
    finally:
        await response.stream.aclose()
