"""`AsyncAIKit`: the way in for coroutines; the same as `AIKit` otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack
from uuid import UUID
from weakref import WeakKeyDictionary

import httpx2

from aikit import clients
from aikit.asking import Ask, ask_of, own_tags
from aikit.completion import Dispatch, Prompt, Reply, TextStream, check, read_reply
from aikit.config import Provider
from aikit.context import tags
from aikit.errors import AIError, Refused
from aikit.failures.errors import from_exception
from aikit.kit_core import KitCore
from aikit.prompts.model import Rendered
from aikit.routing.routes import Route
from aikit.routing.trying import Served, Tried, Turn, Wait
from aikit.types import Tags, new_id

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

    async def prompt(self, ref: str, /, **inputs: Any) -> Rendered:
        """A prompt of the registry, filled in: `summarize@v3` is a version, `summarize@production` what a label points
        to. Where that has to be read first, it is in another thread.

        Raises PromptInvalid, PromptNotFound, PromptChanged, PromptInputInvalid (`aikit.errors`), or DatabaseUnavailable
        for a label if the ledger is away and was not asked before.
        """
        from aikit.prompts.rendering import render

        found = self.registry.at_hand(ref)
        if found is None:
            found = await asyncio.to_thread(self.registry.get, ref)
        return render(found, inputs)

    async def complete(self, prompt: Prompt, **ask: Unpack[Ask]) -> Reply:
        """Ask a model (`provider/model`) or the models of a route (`routes.NAME`). A bare model or none goes to the
        first configured provider.

        Raises Refused (SpendCapExceeded and its siblings) when nothing was sent, AIError when the provider failed,
        ConfigError for an unusable prompt, model or route, ValueError for an unusable tag.
        """
        ask = ask_of(prompt, ask)
        served = await self._serve(ask, partial(self._complete, prompt, ask))
        reply: Reply = served.answer
        return replace(reply, tried=served.tried)

    async def stream(self, prompt: Prompt, **ask: Unpack[Ask]) -> AsyncReplyStream:
        """Like `complete`, but piece by piece: `async for text in await kit.stream(…)`; then its `.reply`.

        If another model or another attempt may serve, it returns when the first piece is there: after that there is
        no way around a failure.
        """
        ask = ask_of(prompt, ask)
        served = await self._serve(ask, partial(self._stream, prompt, ask))
        stream: AsyncReplyStream = served.answer
        stream.tried = served.tried
        return stream

    async def _serve(self, ask: Ask, send: Callable[[Route, Turn, UUID], Awaitable[Any]]) -> Served[Any]:
        route, call = self._route(ask), new_id()
        steps = self._tries(route, ask)
        answer: Any = None
        try:
            step = next(steps)
            while True:
                if isinstance(step, Wait):
                    await asyncio.sleep(step.seconds)
                    answer = None
                else:
                    try:
                        answer = await send(route, step, call)
                    except (AIError, Refused) as error:
                        answer = error
                step = steps.send(answer)
        except StopIteration as stop:
            served: Served[Any] = stop.value
            return served

    async def _complete(self, prompt: Prompt, ask: Ask, route: Route, turn: Turn, call: UUID) -> Reply:
        sent = self._dispatch(prompt, ask, route, turn, call, stream=False)
        with tags(**own_tags(ask)):
            try:
                response = await self._client(sent.provider).send(sent.request)
            except httpx2.HTTPError as error:
                raise from_exception(sent.provider.name, error) from error
        return read_reply(response, sent)

    async def _stream(self, prompt: Prompt, ask: Ask, route: Route, turn: Turn, call: UUID) -> AsyncReplyStream:
        sent = self._dispatch(prompt, ask, route, turn, call, stream=True)
        with tags(**own_tags(ask)):
            try:
                response = await self._client(sent.provider).send(sent.request, stream=True)
                body = await response.aread() if response.status_code >= 300 else b""
            except httpx2.HTTPError as error:
                raise from_exception(sent.provider.name, error) from error
        check(response, body, sent.provider)
        stream = AsyncReplyStream(response, sent)
        if route.has_more:
            await stream.begin()
        return stream

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
        self._pieces = self._read()
        self._ahead: list[str] = []
        self.tried: tuple[Tried, ...] = ()

    async def begin(self) -> None:
        """Read up to the first piece. Raises AIError if there is none because the provider failed."""
        try:
            self._ahead.append(await anext(self._pieces))
        except StopAsyncIteration:
            pass
        except BaseException:
            await self.close()
            raise

    async def __aiter__(self) -> AsyncIterator[str]:
        try:
            while self._ahead:
                yield self._ahead.pop(0)
            async for text in self._pieces:
                yield text
        finally:
            await self.close()

    async def _read(self) -> AsyncIterator[str]:
        try:
            async for chunk in self._response.aiter_bytes():
                for text in self._text.feed(chunk):
                    yield text
            for text in self._text.end():
                yield text
        except httpx2.HTTPError as error:
            raise from_exception(self._provider, error) from error

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
        return replace(self._text.reply(), tried=self.tried)
