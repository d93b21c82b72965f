"""The two shells of the exchange: a sync and an async httpx2 transport. All that they add is the I/O."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Protocol

import httpx2

from aikit.attempt import TAG_HEADERS, Desk, StreamAccount
from aikit.config import Provider
from aikit.exchange import Admit, Effect, Forward, Result, Send, Streamed, Synthetic, Whole, exchange
from aikit.types import Decision, Order, Tags
from aikit.wire.codec import WireRequest

ERROR = "aikit.error"
"""Response extension: the error that a synthetic response words."""
ATTEMPT = "aikit.attempt"
"""Response extension: the attempt, with its decision and, once it has ended, its receipt."""
HOP_HEADERS = {"content-encoding", "content-length", "transfer-encoding"}
"""Response headers that are no longer true of a decoded body."""


class Admitter(Protocol):
    """Decides on orders; the meter does."""

    def admit(self, order: Order) -> Decision: ...

    async def admit_async(self, order: Order) -> Decision: ...


class TagSource(Protocol):
    """Says in whose name a call is made at the moment it is made."""

    def __call__(self) -> Tags: ...


class MeteredTransport(httpx2.BaseTransport):
    """Meters every request that passes, then hands it to `inner`."""

    def __init__(
        self, inner: httpx2.BaseTransport, provider: Provider, tags: TagSource, admitter: Admitter, desk: Desk
    ) -> None:
        self._inner = inner
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
                    elif isinstance(effect, Send):
                        response = self._inner.handle_request(with_body(request, effect.body))
                        answer = response.status_code
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
            return self._inner.handle_request(without_tags(request))
        if isinstance(result, Streamed):
            assert response is not None
            return streamed(response, MeteredStream(response, result.account), result.account, request)
        return finished(result, response, request)

    def close(self) -> None:
        self._inner.close()


class AsyncMeteredTransport(httpx2.AsyncBaseTransport):
    """Meters every request that passes, then hands it to `inner`."""

    def __init__(
        self, inner: httpx2.AsyncBaseTransport, provider: Provider, tags: TagSource, admitter: Admitter, desk: Desk
    ) -> None:
        self._inner = inner
        self._provider = provider
        self._tags = tags
        self._admitter = admitter
        self._desk = desk

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        steps = exchange(wire_request(request, await request.aread()), self._provider, self._tags(), self._desk)
        response: httpx2.Response | None = None
        answer: Any = None
        result: Result | None = None
        try:
            effect: Effect = next(steps)
            while True:
                try:
                    if isinstance(effect, Admit):
                        answer = await self._admitter.admit_async(effect.order)
                    elif isinstance(effect, Send):
                        response = await self._inner.handle_async_request(with_body(request, effect.body))
                        answer = response.status_code
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
            return await self._inner.handle_async_request(without_tags(request))
        if isinstance(result, Streamed):
            assert response is not None
            return streamed(response, AsyncMeteredStream(response, result.account), result.account, request)
        return finished(result, response, request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class MeteredStream(httpx2.SyncByteStream):
    """A response stream that is accounted for as it passes."""

    def __init__(self, response: httpx2.Response, account: StreamAccount) -> None:
        self._response = response
        self._account = account

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._response.iter_bytes():
            if passed := self._account.feed(chunk):
                yield passed
        if rest := self._account.finish():
            yield rest

    def close(self) -> None:
        self._account.finish()
        self._response.close()


class AsyncMeteredStream(httpx2.AsyncByteStream):
    """A response stream that is accounted for as it passes."""

    def __init__(self, response: httpx2.Response, account: StreamAccount) -> None:
        self._response = response
        self._account = account

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_bytes():
            if passed := self._account.feed(chunk):
                yield passed
        if rest := self._account.finish():
            yield rest

    async def aclose(self) -> None:
        self._account.finish()
        await self._response.aclose()


class ClientTransport(httpx2.BaseTransport):
    """Sends through an existing client, with its proxies, certificates and limits."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._client.send(request, stream=True, auth=None, follow_redirects=False)


class AsyncClientTransport(httpx2.AsyncBaseTransport):
    """Sends through an existing client, with its proxies, certificates and limits."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        return await self._client.send(request, stream=True, auth=None, follow_redirects=False)


def wire_request(request: httpx2.Request, body: bytes) -> WireRequest:
    """The request as codecs read it."""
    return WireRequest(
        request.method, request.url.path, request.headers, body, request.url.query.decode("ascii", "replace")
    )


def with_body(request: httpx2.Request, body: bytes) -> httpx2.Request:
    """The request as it is sent on: our headers removed, the body replaced if something was written into it."""
    headers = [
        (name, value)
        for name, value in request.headers.multi_items()
        if name not in TAG_HEADERS and name != "content-length"
    ]
    return httpx2.Request(request.method, request.url, headers=headers, content=body, extensions=request.extensions)


def without_tags(request: httpx2.Request) -> httpx2.Request:
    """A request without body of ours, for endpoints that are not metered."""
    for name in TAG_HEADERS:
        if name in request.headers:
            del request.headers[name]
    return request


def finished(result: Result | None, response: httpx2.Response | None, request: httpx2.Request) -> httpx2.Response:
    """The response to a call that is over: the provider's, or ours."""
    if isinstance(result, Synthetic):
        reply = result.reply
        return httpx2.Response(
            reply.status,
            headers=dict(reply.headers),
            content=reply.body,
            request=request,
            extensions={ERROR: result.error},
        )
    assert isinstance(result, Whole) and response is not None
    return httpx2.Response(
        response.status_code,
        headers=_headers(response, result.attempt.headers()),
        content=result.body,
        request=request,
        extensions={**response.extensions, ATTEMPT: result.attempt},
    )


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


def _headers(response: httpx2.Response, ours: Mapping[str, str]) -> list[tuple[str, str]]:
    kept = [(name, value) for name, value in response.headers.multi_items() if name not in HOP_HEADERS]
    return [*kept, *ours.items()]
