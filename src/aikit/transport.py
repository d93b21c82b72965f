"""The two shells of the exchange: a sync and an async httpx2 transport. All that they add is the I/O."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol
from weakref import WeakSet

import httpx2

from aikit.config import Provider
from aikit.desk import Desk
from aikit.exchange import (
    Admit,
    Check,
    Effect,
    Forward,
    Head,
    Replayed,
    Result,
    Send,
    Streamed,
    Synthetic,
    Whole,
    Withheld,
    exchange,
)
from aikit.idempotency import HEADER
from aikit.passage import sent, sent_async
from aikit.prompts.model import Prompt
from aikit.raw_headers import raw_headers
from aikit.streams.account import StreamAccount
from aikit.streams.asynchronous import AsyncMeteredStream
from aikit.streams.drains import Drains
from aikit.streams.sync import MeteredStream
from aikit.streams.upstream import Connections, Extender
from aikit.types import Decision, Order, Tags
from aikit.wire.codec import WireReply, WireRequest

ERROR = "aikit.error"
"""Response extension: the error that a synthetic response words."""
ATTEMPT = "aikit.attempt"
"""Response extension: the attempt, with its decision and, once it has ended, its receipt."""
IDS = "aikit.ids"
"""Request extension: the ids of the call and of the attempt that a request is. Extensions are never sent."""
PROMPT = "aikit.prompt"
"""Request extension: the prompt that it was rendered from, which says what its answer must be."""
OUR_HEADERS = (b"x-aikit-", HEADER.encode())
"""How the request headers begin that are never sent on."""
HOP_HEADERS = {b"content-encoding", b"content-length", b"transfer-encoding"}
"""Response headers that are no longer true of a decoded body."""


class Admitter(Extender, Protocol):
    """Decides on orders and on what grows out of them; the meter does."""

    def admit(self, order: Order) -> Decision: ...

    async def admit_async(self, order: Order) -> Decision: ...


class TagSource(Protocol):
    """Says in whose name a call is made at the moment it is made."""

    def __call__(self) -> Tags: ...


class MeteredTransport(httpx2.BaseTransport):
    """Meters every request that passes, then hands it to `inner`."""

    def __init__(
        self,
        inner: httpx2.BaseTransport,
        provider: Provider,
        tags: TagSource,
        admitter: Admitter,
        desk: Desk,
        drains: Drains,
    ) -> None:
        self.inner = inner
        self._connections = Connections(inner)
        self._drains = drains
        self._open: WeakSet[MeteredStream] = WeakSet()
        self._provider = provider
        self._tags = tags
        self._admitter = admitter
        self._desk = desk

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        steps = exchange(wire_request(request, request.read()), self._provider, self._tags(), self._desk)
        response: httpx2.Response | None = None
        answer: Any = None
        result: Result | None = None
        try:
            effect: Effect = next(steps)
            while True:
                try:
                    if isinstance(effect, Admit):
                        answer = self._admitter.admit(effect.order)
                    elif isinstance(effect, Check):
                        answer = effect.run()
                    elif isinstance(effect, Send):
                        response = sent(self.inner, with_body(request, effect.body))
                        answer = Head(response.status_code, response.headers)
                    else:
                        assert response is not None
                        answer = response.read()
                except BaseException as error:
                    if response is not None:
                        response.close()
                    effect = steps.throw(error)
                else:
                    effect = steps.send(answer)
        except StopIteration as stop:
            result = stop.value
        if isinstance(result, Forward):
            return sent(self.inner, with_body(request, result.body))
        if isinstance(result, Streamed):
            assert response is not None
            stream = MeteredStream(response, result.account, self._connections, self._drains, self._admitter)
            self._open.add(stream)
            return streamed(response, stream, result.account, request)
        return finished(result, response, request)

    def close(self) -> None:
        """Its readers leave: their streams are drained over the connections before these are closed."""
        for stream in list(self._open):
            stream.close()
        if self._connections.close():
            self.inner.close()


class AsyncMeteredTransport(httpx2.AsyncBaseTransport):
    """Meters every request that passes, then hands it to `inner`."""

    def __init__(
        self,
        inner: httpx2.AsyncBaseTransport,
        provider: Provider,
        tags: TagSource,
        admitter: Admitter,
        desk: Desk,
        drains: Drains,
    ) -> None:
        self.inner = inner
        self._connections = Connections(inner)
        self._drains = drains
        self._open: WeakSet[AsyncMeteredStream] = WeakSet()
        self._provider = provider
        self._tags = tags
        self._admitter = admitter
        self._desk = desk

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        steps = exchange(wire_request(request, await body_of(request)), self._provider, self._tags(), self._desk)
        response: httpx2.Response | None = None
        answer: Any = None
        result: Result | None = None
        try:
            effect: Effect = next(steps)
            while True:
                try:
                    if isinstance(effect, Admit):
                        answer = await self._admitter.admit_async(effect.order)
                    elif isinstance(effect, Check):
                        answer = await asyncio.to_thread(effect.run) if effect.long else effect.run()
                    elif isinstance(effect, Send):
                        response = await sent_async(self.inner, with_body(request, effect.body))
                        answer = Head(response.status_code, response.headers)
                    else:
                        assert response is not None
                        answer = await response.aread()
                except BaseException as error:
                    if response is not None:
                        await response.aclose()
                    effect = steps.throw(error)
                else:
                    effect = steps.send(answer)
        except StopIteration as stop:
            result = stop.value
        if isinstance(result, Forward):
            return await sent_async(self.inner, with_body(request, result.body))
        if isinstance(result, Streamed):
            assert response is not None
            stream = AsyncMeteredStream(response, result.account, self._connections, self._drains, self._admitter)
            self._open.add(stream)
            return streamed(response, stream, result.account, request)
        return finished(result, response, request)

    async def aclose(self) -> None:
        """Its readers leave: their streams are drained over the connections before these are closed."""
        for stream in list(self._open):
            await stream.aclose()
        if self._connections.close():
            await self.inner.aclose()


class ClientTransport(httpx2.BaseTransport):
    """Sends through an existing client, with its proxies, certificates and limits.

    `owner` is kept, too: an SDK's client may close its connections when it is forgotten.
    """

    def __init__(self, client: httpx2.Client, owner: object = None) -> None:
        self._client = client
        self._owner = owner

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._client.send(request, stream=True, auth=None, follow_redirects=False)


class AsyncClientTransport(httpx2.AsyncBaseTransport):
    """The same for coroutines."""

    def __init__(self, client: httpx2.AsyncClient, owner: object = None) -> None:
        self._client = client
        self._owner = owner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._client.send(request, stream=True, auth=None, follow_redirects=False)


async def body_of(request: httpx2.Request) -> bytes:
    """The body; what is there as a whole takes no iterating."""
    return request.read() if isinstance(request.stream, httpx2.ByteStream) else await request.aread()


def wire_request(request: httpx2.Request, body: bytes) -> WireRequest:
    """The request as codecs read it."""
    headers = {name.decode("latin-1").lower(): value.decode("utf-8", "replace") for name, value in request.headers.raw}
    call, attempt = request.extensions.get(IDS, (None, None))
    query = request.url.query.decode("ascii", "replace")
    prompt = request.extensions.get(PROMPT)
    schema = prompt.output if isinstance(prompt, Prompt) else None
    return WireRequest(request.method, request.url.path, headers, body, query, call, attempt, schema)


def with_body(request: httpx2.Request, body: bytes) -> httpx2.Request:
    """The request as it is sent on: our headers removed, the body replaced if something was written into it."""
    request = without_tags(request)
    if body is request.content:
        return request
    headers = [item for item in request.headers.raw if item[0].lower() != b"content-length"]
    return httpx2.Request(request.method, request.url, headers=headers, content=body, extensions=request.extensions)


def without_tags(request: httpx2.Request) -> httpx2.Request:
    """The request without headers of ours, which are never sent on."""
    for name in {name.lower() for name, _ in request.headers.raw if name.lower().startswith(OUR_HEADERS)}:
        del request.headers[name.decode("latin-1")]
    return request


def finished(result: Result | None, response: httpx2.Response | None, request: httpx2.Request) -> httpx2.Response:
    """The response to a call that is over: the provider's, or ours."""
    if isinstance(result, Synthetic):
        reply = result.reply
        return _unread(reply, {}, request, {ERROR: result.error})
    if isinstance(result, Withheld):
        return _unread(result.reply, {}, request, {ERROR: result.error, ATTEMPT: result.attempt})
    if isinstance(result, Replayed):
        reply = result.reply
        return _unread(reply, result.attempt.headers(), request, {ATTEMPT: result.attempt})
    assert isinstance(result, Whole) and response is not None
    return rewound(response, result, request)


def _unread(
    reply: WireReply, more: Mapping[str, str], request: httpx2.Request, extensions: dict[str, Any]
) -> httpx2.Response:
    """A response of ours that nobody has read yet, so that it can be read in all ways there are."""
    headers = {**reply.headers, **more, "content-length": str(len(reply.body))}
    stream = httpx2.ByteStream(reply.body)
    return httpx2.Response(reply.status, headers=headers, stream=stream, request=request, extensions=extensions)


def rewound(response: httpx2.Response, result: Whole, request: httpx2.Request) -> httpx2.Response:
    """A response that we have read, as if nobody had: a new one would cost more than the rest of the exchange."""
    ours = {"content-length": str(len(result.body)), **result.attempt.headers()}
    headers, extensions = _headers(response, ours), {**response.extensions, ATTEMPT: result.attempt}
    stream = httpx2.ByteStream(result.body)
    if result.body is not response.content:  # guards have changed it
        status = response.status_code
        return httpx2.Response(status, headers=headers, stream=stream, request=request, extensions=extensions)
    response.headers = raw_headers(headers)
    response.extensions = extensions
    response.stream = stream
    response.is_stream_consumed = response.is_closed = False
    return response


def streamed(
    response: httpx2.Response,
    stream: httpx2.SyncByteStream | httpx2.AsyncByteStream,
    account: StreamAccount,
    request: httpx2.Request,
) -> httpx2.Response:
    """The response to a stream that has begun."""
    return httpx2.Response(
        response.status_code,
        headers=_headers(response, account.attempt.headers()),
        stream=stream,
        request=request,
        extensions={**response.extensions, ATTEMPT: account.attempt},
    )


def _headers(response: httpx2.Response, ours: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    """The provider's headers and ours. Where it tells of its own rate limits, those matter more to its SDK."""
    kept = [(name, value) for name, value in response.headers.raw if name.lower() not in HOP_HEADERS]
    added = [
        (name.encode(), value.encode())
        for name, value in ours.items()
        if not (name.startswith("x-ratelimit-") and name in response.headers)
    ]
    return [*kept, *added]
