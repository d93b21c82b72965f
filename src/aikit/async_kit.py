"""`AsyncAIKit`: the way in for coroutines; the same as `AIKit` otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack
from weakref import WeakKeyDictionary

import httpx2

from aikit import clients
from aikit.completion import Ask, Dispatch, Prompt, Reply, TextStream, check, own_tags, read_reply
from aikit.config import Provider
from aikit.context import tags
from aikit.failures.errors import from_exception
from aikit.kit_core import KitCore
from aikit.types import Tags

if TYPE_CHECKING:
    import anthropic
    import openai
    from google import genai

Client = TypeVar("Client")


class AsyncAIKit(KitCore):
    """Metered model calls from coroutines. Open one a process; it serves any number of event loops."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> bool:
        """Settle what is under way and stop. False: something had to be left in the spool for the next process."""
        await asyncio.to_thread(self._drains.close)
        for client in self._clients.pop(asyncio.get_running_loop(), {}).values():
            await client.aclose()
        self._clients.clear()
        return await asyncio.to_thread(self._stop)

    def openai(self, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
               provider: str = "openai", **options: Any) -> openai.AsyncOpenAI:  # fmt: skip
        """The official client for a provider of kind openai, metered. `options` go to `openai.AsyncOpenAI`."""
        named = self.named(provider, "openai")
        made: openai.AsyncOpenAI = clients.openai_client(
            named, self.channels(named, Tags(tenant, user, feature)), asynchronous=True, options=options
        )
        return made

    def anthropic(self, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
                  provider: str = "anthropic", **options: Any) -> anthropic.AsyncAnthropic:  # fmt: skip
        """The official client for a provider of kind anthropic, metered. `options` go to `anthropic.AsyncAnthropic`."""
        named = self.named(provider, "anthropic")
        made: anthropic.AsyncAnthropic = clients.anthropic_client(
            named, self.channels(named, Tags(tenant, user, feature)), asynchronous=True, options=options
        )
        return made

    def gemini(self, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
               provider: str = "gemini", **options: Any) -> genai.Client:  # fmt: skip
        """The official client for a provider of kind gemini, metered; use its `.aio`. `options` go to it."""
        named = self.named(provider, "gemini")
        made: genai.Client = clients.gemini_client(named, self.channels(named, Tags(tenant, user, feature)), options)
        return made

    def wrap(self, client: Client, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
             provider: str | None = None) -> Client:  # fmt: skip
        """A metered copy of an existing SDK client, sync or async. The provider is found by the client's address.

        Raises ConfigError for an object that is no SDK client or an address that no provider is configured for.
        """
        return self.wrapped(client, provider, Tags(tenant, user, feature))

    async def complete(self, prompt: Prompt, **ask: Unpack[Ask]) -> Reply:
        """Ask a model. `model` is `provider/model`; a bare model or none goes to the first configured provider.

        Raises Refused (SpendCapExceeded and its siblings) when nothing was sent, AIError when the provider failed,
        ConfigError for an unusable prompt or model, ValueError for an unusable tag.
        """
        sent = self._dispatch(prompt, ask, stream=False)
        with tags(**own_tags(ask)):
            try:
                response = await self._client(sent.provider).send(sent.request)
            except httpx2.HTTPError as error:
                raise from_exception(sent.provider.name, error) from error
        return read_reply(response, sent)

    async def stream(self, prompt: Prompt, **ask: Unpack[Ask]) -> AsyncReplyStream:
        """Like `complete`, but piece by piece: `async for text in await kit.stream(…)`; then its `.reply`."""
        sent = self._dispatch(prompt, ask, stream=True)
        with tags(**own_tags(ask)):
            try:
                response = await self._client(sent.provider).send(sent.request, stream=True)
                body = await response.aread() if response.status_code >= 400 else b""
            except httpx2.HTTPError as error:
                raise from_exception(sent.provider.name, error) from error
        check(response, body, sent.provider)
        return AsyncReplyStream(response, sent)

    @cached_property
    def _clients(self) -> WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, httpx2.AsyncClient]]:
        """Connections belong to the event loop that made them."""
        return WeakKeyDictionary()

    def _client(self, provider: Provider) -> httpx2.AsyncClient:
        clients = self._clients.setdefault(asyncio.get_running_loop(), {})
        client = clients.get(provider.name)
        if client is None:
            client = clients[provider.name] = self.channels(provider, Tags()).asynchronous(None)
        return client


class AsyncReplyStream:
    """The texts of a streamed reply. Leaving its `with` block early closes the connection and settles."""

    def __init__(self, response: httpx2.Response, sent: Dispatch) -> None:
        self._response = response
        self._text = TextStream(response, sent)
        self._provider = sent.provider.name

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            async for chunk in self._response.aiter_bytes():
                for text in self._text.feed(chunk):
                    yield text
            for text in self._text.end():
                yield text
        except httpx2.HTTPError as error:
            raise from_exception(self._provider, error) from error
        finally:
            await self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Stop reading; what was received so far is accounted for."""
        await self._response.aclose()

    @property
    def reply(self) -> Reply:
        """The whole reply, with usage and cost, once the stream is over."""
        return self._text.reply()
