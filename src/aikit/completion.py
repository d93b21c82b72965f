"""One interface over the providers: a prompt or messages in, a `Reply` or a stream of text out. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx2

from aikit.asking import TIMEOUT, Ask, choose
from aikit.attempt import Attempt
from aikit.config import Provider, Settings
from aikit.errors import AIError, AIKitError, ConfigError, Refused
from aikit.failures.errors import filtered, from_event, from_response, no_answer, not_configured
from aikit.failures.filtered import is_filtered
from aikit.idempotency import HEADER
from aikit.money import usd_string
from aikit.prompts.model import Rendered
from aikit.routing.trying import Tried
from aikit.transport import ATTEMPT, ERROR, IDS, PROMPT
from aikit.types import Decision, Finding, Usage
from aikit.wire import registry
from aikit.wire.body import serialise
from aikit.wire.codec import ChatCodec, ChatRequest, Message
from aikit.wire.sse import SSESplitter

CONNECT = 5.0
"""Seconds that making a connection may take."""

Prompt = str | Sequence[Mapping[str, str]] | Rendered
"""A text, messages like `{"role": "user", "content": "…"}` with the roles system, user and assistant, or a prompt of
the registry, rendered."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model answered, and what it came to.

    `usage` is None and `estimated` true when the provider did not say what was used: then `cost_usd` is the upper
    bound that was held.
    """

    text: str
    provider: str
    model: str
    usage: Usage | None
    cost_usd: Decimal
    estimated: bool
    decision: Decision
    call_id: UUID
    raw: Mapping[str, Any]
    tried: tuple[Tried, ...] = ()
    """What was asked, in this order; the one that served is the last."""
    findings: tuple[Finding, ...] = ()
    """What guards found in the request and in the answer."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A provider-neutral call, turned into one provider's request."""

    provider: Provider
    codec: ChatCodec
    model: str
    request: httpx2.Request


def dispatch(
    settings: Settings,
    known: Callable[[str, str], bool],
    prompt: Prompt,
    ask: Ask,
    *,
    stream: bool,
    ids: tuple[UUID | None, UUID | None] = (None, None),
) -> Dispatch:
    """Choose the provider and write its request. `known(provider, model)` says whether a model has a price there.

    `ids` are those of the call and the attempt, None for new ones. Raises ConfigError for an unusable prompt or model,
    AIError (PROVIDER_NOT_CONFIGURED) without a key.
    """
    provider, name = choose(settings, known, ask.get("model"))
    if not provider.configured:
        raise not_configured(provider.name, provider.api_key_env)
    codec = registry.chat_codec(provider.kind)
    path, body = codec.compose(
        ChatRequest(
            model=name,
            messages=messages_of(prompt),
            system=ask.get("system"),
            max_tokens=ask.get("max_tokens"),
            temperature=ask.get("temperature"),
            stream=stream,
            extra=ask.get("extra") or {},
            native=provider.native,
        )
    )
    headers = {"content-type": "application/json"}
    if provider.api_key is not None:
        headers |= registry.auth_headers(provider.kind, provider.api_key, provider.api_version)
    elif provider.kind == "anthropic":
        headers |= {"anthropic-version": registry.ANTHROPIC_VERSION}
    if (key := ask.get("idempotency_key")) is not None:
        headers[HEADER] = key
    extensions: dict[str, Any] = {IDS: ids}
    if isinstance(prompt, Rendered):
        headers |= prompt.headers
        extensions[PROMPT] = prompt.prompt
    timeout = ask.get("timeout") or TIMEOUT
    limits = httpx2.Timeout(timeout, connect=min(timeout, CONNECT))
    request = httpx2.Request(
        "POST",
        provider.base_url + path,
        content=to_json(body),
        headers=httpx2.Headers(headers, encoding="utf-8"),
        extensions=extensions | {"timeout": limits.as_dict()},
    )
    if not codec.matches("POST", request.url.path):
        raise ConfigError(f"The model {name[:200]!r} can't be used: it is no name.", remedy="Give its bare name.")
    return Dispatch(provider, codec, name, request)


def to_json(body: Mapping[str, Any]) -> bytes:
    """The body as it is sent. Raises RequestInvalid or ConfigError for what JSON has no form for."""
    try:
        return serialise(body)
    except TypeError as error:
        raise ConfigError(f"The request can't be written as JSON: {error}.", remedy="Correct `extra`.") from None


def messages_of(prompt: Prompt) -> list[Message]:
    """The messages of a prompt. Raises ConfigError that says what is wrong with which one."""
    if isinstance(prompt, str):
        return [Message("user", prompt)]
    if isinstance(prompt, Rendered):
        return [Message(part.role, part.text) for part in prompt.parts]
    if not isinstance(prompt, list | tuple):
        raise ConfigError(
            f"The prompt must be a text, a list of messages or a rendered prompt, not {type(prompt).__name__}.",
            remedy='Pass a text, or messages like {"role": "user", "content": "…"}.',
        )
    messages = []
    for index, message in enumerate(prompt):
        known = message if isinstance(message, Mapping) else {}
        role, content = known.get("role"), known.get("content")
        if role not in ("system", "user", "assistant") or not isinstance(content, str):
            raise ConfigError(
                f"Message {index} can't be used: it needs a role (system, user or assistant) and a text as content.",
                remedy="For images, tools and the like use the provider's own client: kit.openai(…) and so on.",
            )
        messages.append(Message(role, content))
    if not messages:
        raise ConfigError("There are no messages.", remedy="Pass a text, or at least one message.")
    return messages


def check(response: httpx2.Response, body: bytes | None, provider: Provider) -> None:
    """Raise what a response that is no success means: our own refusal, or the provider's error."""
    refusal = response.extensions.get(ERROR)
    if isinstance(refusal, Refused):
        raise refusal
    if response.status_code >= 300:
        raise from_response(provider.name, response.status_code, body or b"", response.headers)


def read_reply(response: httpx2.Response, sent: Dispatch) -> Reply:
    """The reply in a whole response. Raises Refused or AIError: CONTENT_FILTERED only if a filter left no text."""
    check(response, response.content, sent.provider)
    try:
        raw: Any = json.loads(response.content)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        raise no_answer(sent.provider.name)
    text = sent.codec.reply_text(raw)
    if not text and raw.get("error"):
        raise from_event(sent.provider.name, raw)
    reply = _reply(sent, response, text, raw)
    if not text and is_filtered(raw):
        raise filtered(sent.provider.name, _facts(reply))
    return reply


def _facts(reply: Reply) -> dict[str, Any]:
    """Where to find what a reply without text came to."""
    return {"attempt": str(reply.decision.id), "call": str(reply.call_id), "costUsd": f"{reply.cost_usd:f}"}


def _reply(sent: Dispatch, response: httpx2.Response, text: str, raw: Mapping[str, Any]) -> Reply:
    attempt: Attempt = response.extensions[ATTEMPT]
    receipt = attempt.receipt
    assert receipt is not None
    return Reply(
        text=text,
        provider=sent.provider.name,
        model=sent.model,
        usage=receipt.usage,
        cost_usd=Decimal(usd_string(receipt.nano)),
        estimated=receipt.estimated,
        decision=receipt.decision,
        call_id=attempt.call_id,
        raw=raw,
        findings=attempt.findings,
    )


class TextStream:
    """Pulls the text out of a provider's stream; once it is over, `reply` says what it came to."""

    def __init__(self, response: httpx2.Response, sent: Dispatch) -> None:
        self._response = response
        self._sent = sent
        self._splitter = SSESplitter(self._see)
        self._fresh: list[str] = []
        self._parts: list[str] = []
        self._error: AIError | None = None
        self._filtered = False

    def feed(self, chunk: bytes) -> Iterable[str]:
        """The texts that these bytes complete."""
        self._splitter.feed(chunk)
        return self._take()

    def end(self) -> Iterable[str]:
        """The texts that were still incomplete. Raises Refused if we have stopped it, AIError if the provider has
        reported an error in its stream, or its filter stopped it before any text.
        """
        self._splitter.flush()
        stopped: Refused | None = self._response.extensions[ATTEMPT].stopped
        if stopped is not None:
            raise stopped
        if self._error is not None:
            raise self._error
        rest = self._take()
        if self._filtered and not self._parts:
            raise filtered(self._sent.provider.name, {"call": str(self._response.extensions[ATTEMPT].call_id)})
        return rest

    def reply(self) -> Reply:
        """The whole reply. Raises AIKitError before the stream is over, or while it is read on after it was left."""
        if self._response.extensions[ATTEMPT].receipt is None:
            if self._response.is_closed:
                raise AIKitError(
                    "The stream was left, and is still read on to learn what it costs.",
                    code="STREAM_OPEN",
                    retryable=True,
                    remedy="Ask again in a moment; [streams] drain_seconds bounds it.",
                )
            raise AIKitError("The stream is not over yet.", code="STREAM_OPEN", remedy="Read on, or close it.")
        return _reply(self._sent, self._response, "".join(self._parts), {})

    def _take(self) -> list[str]:
        fresh, self._fresh = self._fresh, []
        self._parts.extend(fresh)
        return fresh

    def _see(self, data: bytes) -> bool:
        try:
            event = json.loads(data)
        except ValueError:
            return False
        if isinstance(event, dict):
            if event.get("error"):
                self._error = from_event(self._sent.provider.name, event)
                return False
            self._filtered = self._filtered or is_filtered(event)
            if text := self._sent.codec.delta_text(event):
                self._fresh.append(text)
        return False
