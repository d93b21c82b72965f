"""The server's connections to providers, over aiohttp: several times as many requests a second as httpx2's own.

No cookies, no redirections, nothing decompressed, no header added but those of the connection. Where the environment
names proxies, httpx2's own transport is used, which knows how to read that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from functools import lru_cache
from types import TracebackType
from typing import Any
from urllib.request import getproxies

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

from aikit.kit_core import async_inner, certificates
from aikit.raw_headers import raw_headers

IDLE_SECONDS = 30.0
"""How long a connection is kept for the next request."""
READ_AHEAD = 65_536
"""Bytes of an answer that wait for their reader before the provider is made to wait."""
SHORT = 300
"""Characters of an address that is remembered."""
ADDED = ("accept", "accept-encoding", "user-agent", "content-type")
"""Headers that aiohttp would add; what is sent is what came."""


def upstream() -> httpx2.AsyncBaseTransport:
    """Connections to providers, of the event loop that first sends over them."""
    return async_inner() if getproxies() else AiohttpTransport()


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """Sends one request; the answer's bytes are read as the caller asks for them."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Raises httpx2's exceptions: ConnectError, ConnectTimeout and UnsupportedProtocol if nothing was sent."""
        session = self._session or self._open()
        body = await request.aread()
        with mapped:
            answer = await session.request(
                request.method,
                _url(str(request.url)),
                headers=_texts(request.headers.raw),
                data=body or None,
                allow_redirects=False,
                timeout=_timeout(tuple(request.extensions.get("timeout", {}).items())),
            )
        return _Answer(
            answer.status,
            headers=raw_headers(answer.raw_headers),
            stream=_Body(answer),
            extensions={"reason_phrase": (answer.reason or "").encode("latin-1", "replace")},
            request=request,
        )

    async def aclose(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_SECONDS, ssl=certificates(), ttl_dns_cache=30)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            skip_auto_headers=ADDED,
            read_bufsize=READ_AHEAD,
        )
        return self._session


class _Answer(httpx2.Response):
    """Reads itself whole without the layers that reading piece by piece goes through."""

    async def aread(self) -> bytes:
        stream = self.stream
        if self.is_stream_consumed or not isinstance(stream, _Body) or "content-encoding" in self.headers:
            return await super().aread()
        self.is_stream_consumed = True
        self._content = await stream.whole()
        self.is_closed = True
        return self._content


class _Body(httpx2.AsyncByteStream):
    """What comes, as it comes. Left before its end, its connection is closed."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def whole(self) -> bytes:
        with mapped:
            return await self._answer.read()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._answer.content
        with mapped:
            try:
                while piece := await content.readany():
                    yield piece
            except (aiohttp.ClientError, OSError):
                if came := b"".join(content._buffer):  # before it broke off: aiohttp would forget it
                    content._buffer.clear()
                    yield came
                raise

    async def aclose(self) -> None:
        self._answer.close()


class _Mapped:
    """What aiohttp raises, as httpx2 has it: `failures` tells by it what was never sent."""

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, TimeoutError | aiohttp.ClientError | OSError):
            raise next(kind for of, kind in KINDS if isinstance(error, of))(type(error).__name__) from error


mapped = _Mapped()


KINDS: tuple[tuple[type[BaseException], type[httpx2.HTTPError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx2.ConnectError),
    (aiohttp.ServerFingerprintMismatch, httpx2.ConnectError),
    (aiohttp.NonHttpUrlClientError, httpx2.UnsupportedProtocol),
    (aiohttp.InvalidURL, httpx2.UnsupportedProtocol),
    (asyncio.TimeoutError, httpx2.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx2.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx2.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx2.RemoteProtocolError),
    (BaseException, httpx2.ReadError),
)
"""The first that fits. After those of the upper half nothing has been sent."""


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    """Headers as aiohttp takes them. It writes UTF-8: so what is UTF-8 goes out as it came."""
    items = list(headers)
    try:
        return CIMultiDict([(name.decode(), value.decode()) for name, value in items])
    except UnicodeDecodeError:
        return CIMultiDict([(name.decode("latin-1"), value.decode("latin-1")) for name, value in items])


def _url(url: str) -> URL:
    return _usual_url(url) if len(url) < SHORT else URL(url, encoded=True)


@lru_cache(maxsize=1024)
def _usual_url(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=64)
def _timeout(stated: tuple[tuple[str, Any], ...]) -> aiohttp.ClientTimeout:
    seconds = dict(stated)
    return aiohttp.ClientTimeout(total=None, sock_connect=seconds.get("connect"), sock_read=seconds.get("read"))
