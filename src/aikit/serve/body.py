"""The body of a request: read whole, within bounds of size and time."""

from __future__ import annotations

import asyncio

from aikit.errors import Refused, RequestInvalid, RequestTooLarge
from aikit.serve.leaving import CallerLeft
from aikit.serve.model import Exchanged, Receive, ServeOptions
from aikit.serve.room import Take


async def read_body(exchanged: Exchanged, receive: Receive, options: ServeOptions, take: Take) -> bytes:
    """The whole body, for which room is taken as it comes.

    Raises RequestTooLarge (413), Refused with the status 408 or 503, RequestInvalid, CallerLeft.
    """
    declared = _declared(exchanged, options)
    try:
        async with asyncio.timeout(options.body_seconds):
            return await _read(receive, options.most_body, declared, take)
    except TimeoutError:
        raise Refused(
            f"The request took longer than {options.body_seconds:g} s to arrive.",
            code="REQUEST_TIMEOUT",
            status=408,
            facts={"seconds": options.body_seconds},
            remedy="Send it faster, or in parts.",
        ) from None


async def _read(receive: Receive, most: int, declared: int | None, take: Take) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise CallerLeft
        piece: bytes = message.get("body", b"")
        size += len(piece)
        if size > most:
            raise _too_large(most, None)
        take(len(piece))
        if not message.get("more_body", False):
            if declared is not None and size != declared:
                raise RequestInvalid("The body is not as long as its Content-Length says.")
            return b"".join([*pieces, piece]) if pieces else piece
        pieces.append(piece)


def _declared(exchanged: Exchanged, options: ServeOptions) -> int | None:
    """How long the body is by its head; None: it does not say. Raises RequestTooLarge, RequestInvalid."""
    stated = exchanged.headers.get("content-length")
    if stated is None:
        return None
    if not (stated.isascii() and stated.isdigit()):
        raise RequestInvalid("The Content-Length is not a number of bytes.")
    declared = int(stated) if len(stated) < 20 else options.most_body + 1
    if declared > options.most_body:
        raise _too_large(options.most_body, stated[:20])
    return declared


def _too_large(most: int, declared: str | None) -> RequestTooLarge:
    return RequestTooLarge(
        f"The request is larger than {most:,} bytes.",
        code="BODY_TOO_LARGE",
        facts={"mostBytes": most} | ({"bytes": declared} if declared else {}),
        remedy="Send less, or have the operator raise the server's limit.",
    )
