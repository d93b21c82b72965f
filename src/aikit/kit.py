"""`AIKit`: the way in for plain code. It opens the database, runs the meter, and hands out metered clients."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack
from uuid import UUID

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


class AIKit(KitCore):
    """Metered model calls. Open one a process and share it among threads; close it, or use it as a context manager."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> bool:
        """Settle what is under way and stop. False: something had to be left in the spool for the next process."""
        self._drains.close()
        while self._clients:
            self._clients.popitem()[1].close()
        return self._stop()

    def openai(self, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
               provider: str = "openai", **options: Any) -> openai.OpenAI:  # fmt: skip
        """The official client for a provider of kind openai, metered. `options` go to `openai.OpenAI`."""
        named = self.named(provider, "openai")
        made: openai.OpenAI = clients.openai_client(
            named, self.channels(named, Tags(tenant, user, feature)), asynchronous=False, options=options
        )
        return made

    def anthropic(self, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
                  provider: str = "anthropic", **options: Any) -> anthropic.Anthropic:  # fmt: skip
        """The official client for a provider of kind anthropic, metered. `options` go to `anthropic.Anthropic`."""
        named = self.named(provider, "anthropic")
        made: anthropic.Anthropic = clients.anthropic_client(
            named, self.channels(named, Tags(tenant, user, feature)), asynchronous=False, options=options
        )
        return made

    def gemini(self, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
               provider: str = "gemini", **options: Any) -> genai.Client:  # fmt: skip
        """The official client for a provider of kind gemini, metered; `.aio` too. `options` go to `genai.Client`."""
        named = self.named(provider, "gemini")
        made: genai.Client = clients.gemini_client(named, self.channels(named, Tags(tenant, user, feature)), options)
        return made

    def wrap(self, client: Client, *, tenant: str | None = None, user: str | None = None, feature: str | None = None,
             provider: str | None = None) -> Client:  # fmt: skip
        """A metered copy of an existing SDK client, sync or async. The provider is found by the client's address.

        Raises ConfigError for an object that is no SDK client or an address that no provider is configured for.
        """
        return self.wrapped(client, provider, Tags(tenant, user, feature))

    def prompt(self, ref: str, /, **inputs: Any) -> Rendered:
        """A prompt of the registry, filled in: `summarize@v3` is a version, `summarize@production` what a label points
        to. May wait for the ledger, a second at most where it has been asked before.

        Raises PromptInvalid, PromptNotFound, PromptChanged, PromptInputInvalid (`aikit.errors`), or DatabaseUnavailable
        for a label if the ledger is away and was not asked before.
        """
        from aikit.prompts.rendering import render

        return render(self.registry.get(ref), inputs)

    def complete(self, prompt: Prompt, **ask: Unpack[Ask]) -> Reply:
        """Ask a model (`provider/model`) or the models of a route (`routes.NAME`). A bare model or none goes to the
        first configured provider.

        Raises Refused (SpendCapExceeded and its siblings) when nothing was sent, AIError when the provider failed,
        ConfigError for an unusable prompt, model or route, ValueError for an unusable tag.
        """
        ask = ask_of(prompt, ask)
        served = self._serve(ask, partial(self._complete, prompt, ask))
        reply: Reply = served.answer
        return replace(reply, tried=served.tried)

    def stream(self, prompt: Prompt, **ask: Unpack[Ask]) -> ReplyStream:
        """Like `complete`, but the text comes piece by piece: `for text in kit.stream(…)`; then `.reply`.

        If another model or another attempt may serve, it returns when the first piece is there: after that there is
        no way around a failure.
        """
        ask = ask_of(prompt, ask)
        served = self._serve(ask, partial(self._stream, prompt, ask))
        stream: ReplyStream = served.answer
        stream.tried = served.tried
        return stream

    def _serve(self, ask: Ask, send: Callable[[Route, Turn, UUID], Any]) -> Served[Any]:
        route, call = self._route(ask), new_id()
        steps = self._tries(route, ask)
        answer: Any = None
        try:
            step = next(steps)
            while True:
                if isinstance(step, Wait):
                    time.sleep(step.seconds)
                    answer = None
                else:
                    try:
                        answer = send(route, step, call)
                    except (AIError, Refused) as error:
                        answer = error
                step = steps.send(answer)
        except StopIteration as stop:
            served: Served[Any] = stop.value
            return served

    def _complete(self, prompt: Prompt, ask: Ask, route: Route, turn: Turn, call: UUID) -> Reply:
        sent = self._dispatch(prompt, ask, route, turn, call, stream=False)
        with tags(**own_tags(ask)):
            try:
                response = self._client(sent.provider).send(sent.request)
            except httpx2.HTTPError as error:
                raise from_exception(sent.provider.name, error) from error
        return read_reply(response, sent)

    def _stream(self, prompt: Prompt, ask: Ask, route: Route, turn: Turn, call: UUID) -> ReplyStream:
        sent = self._dispatch(prompt, ask, route, turn, call, stream=True)
        with tags(**own_tags(ask)):
            try:
                response = self._client(sent.provider).send(sent.request, stream=True)
                body = response.read() if response.status_code >= 300 else b""
            except httpx2.HTTPError as error:
                raise from_exception(sent.provider.name, error) from error
        check(response, body, sent.provider)
        stream = ReplyStream(response, sent)
        if route.has_more:
            stream.begin()
        return stream

    @cached_property
    def _clients(self) -> dict[str, httpx2.Client]:
        return {}

    def _client(self, provider: Provider) -> httpx2.Client:
        client = self._clients.get(provider.name)
        if client is None:
            client = self._clients[provider.name] = self.channels(provider, Tags()).sync(None)
        return client


class ReplyStream:
    """The texts of a streamed reply. Leaving its `with` block early closes the connection and settles."""

    def __init__(self, response: httpx2.Response, sent: Dispatch) -> None:
        self._response = response
        self._text = TextStream(response, sent)
        self._provider = sent.provider.name
        self._pieces = self._read()
        self._ahead: list[str] = []
        self.tried: tuple[Tried, ...] = ()

    def begin(self) -> None:
        """Read up to the first piece. Raises AIError if there is none because the provider failed."""
        self._ahead.extend(islice(self._pieces, 1))

    def __iter__(self) -> Iterator[str]:
        try:
            while self._ahead:
                yield self._ahead.pop(0)
            yield from self._pieces
        finally:
            self.close()

    def _read(self) -> Iterator[str]:
        try:
            for chunk in self._response.iter_bytes():
                yield from self._text.feed(chunk)
            yield from self._text.end()
        except httpx2.HTTPError as error:
            raise from_exception(self._provider, error) from error
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop reading; what was received so far is accounted for."""
        self._response.close()

    @property
    def reply(self) -> Reply:
        """The whole reply, with usage and cost, once the stream is over."""
        return replace(self._text.reply(), tried=self.tried)
