"""How what the kit sends is known as such on its way: a mark for one request, while it is being sent.

The mark is in the context, so that it holds for whatever transport is below; it names the host, and is void as soon as
the response has begun. So neither a hook that sends something of its own nor a task that is left behind can use it.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


class Passage:
    """For one request to one host."""

    __slots__ = ("host", "open")

    def __init__(self, host: str) -> None:
        self.host = host
        self.open = True


_current: ContextVar[Passage | None] = ContextVar("aikit.passage", default=None)


def passes(host: str) -> bool:
    """Whether what is sent to this host now is a request of the kit."""
    passage = _current.get()
    return passage is not None and passage.open and passage.host == host


def sent(inner: httpx2.BaseTransport, request: httpx2.Request) -> httpx2.Response:
    """Hand a request of the kit to the transport below."""
    passage = Passage(request.url.host)
    token = _current.set(passage)
    try:
        return inner.handle_request(request)
    finally:
        passage.open = False
        _current.reset(token)


async def sent_async(inner: httpx2.AsyncBaseTransport, request: httpx2.Request) -> httpx2.Response:
    """The same for coroutines."""
    passage = Passage(request.url.host)
    token = _current.set(passage)
    try:
        return await inner.handle_async_request(request)
    finally:
        passage.open = False
        _current.reset(token)
