"""POST /v1/ai/complete: the kit's own `complete` and `stream`, in the name of a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from aikit.async_kit import AsyncAIKit, AsyncReplyStream
from aikit.completion import Prompt, Reply
from aikit.config import Provider
from aikit.context import tags as named
from aikit.errors import AIError, AIKitError, PromptError, Refused, RequestInvalid
from aikit.meter.once import REPLAYED
from aikit.money import credits, parse_usd, usd_string
from aikit.prompts.model import Rendered
from aikit.serve.answers import INTERNAL, Answer, give, of_error, of_json
from aikit.serve.asked import OWN_KEY
from aikit.serve.completing import ASKED, DESCRIPTION, STREAM, Completed, Completion, TriedSaid
from aikit.serve.control.once import key_of
from aikit.serve.control.whose import tags_for
from aikit.serve.endpoints import Asking, Endpoint, for_caller, plain
from aikit.serve.leaving import UntilLeft
from aikit.serve.model import Exchanged, Key, Receive, Right, Send, Service
from aikit.serve.routes import Route
from aikit.types import Tags
from aikit.wire.refusing import sse

OURS = ("x-aikit-", "x-ratelimit-")
TOLD = frozenset({400, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504})
"""Statuses of a provider's failure that mean the same to a caller of ours."""
_answered: ContextVar[Mapping[str, str]] = ContextVar("aikit.serve.answered")
"""The headers of the last answer, a refusal's included, to the request at hand."""


class KitOf(AsyncAIKit):
    """The process's kit with a tenant's own keys to providers: everything else is the same."""

    def __init__(self, kit: AsyncAIKit, keys: Mapping[str, str]) -> None:
        kit._clients  # noqa: B018  # made now, so that it is shared
        self.__dict__.update(kit.__dict__)
        if keys:
            known = self.settings.providers
            own = {name: replace(one, api_key=keys.get(name, one.api_key)) for name, one in known.items()}
            self.settings = replace(self.settings, providers=own)

    def _client(self, provider: Provider) -> httpx2.AsyncClient:
        client = super()._client(provider)
        if not client.event_hooks["response"]:
            client.event_hooks = {"response": [_remember]}
        return client


async def _remember(response: httpx2.Response) -> None:
    _answered.set(response.headers)


@dataclass(frozen=True)
class Completing(Endpoint):
    """Answers whole, or with server-sent events."""

    native: Native | None = None

    async def handle(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        assert self.native is not None
        asking = Asking(exchanged, self._body(exchanged), self._query(exchanged))
        _answered.set({})
        try:
            if asking.body.stream:
                await self.native.stream(asking, send)
            else:
                await give(await self.native.run(asking), send)
        except AIKitError as error:
            told = worded(error)
            answer = of_error(told, "native")
            await give(Answer(answer.status, dict(answer.headers) | ours() | _later(told), answer.body), send)


class Native:
    """Answers on its path."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._kit = service.kit

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            Completing(
                "POST",
                "/v1/ai/complete",
                Right.COMPLETE,
                "Ask a model by a prompt, a text or messages",
                self.run,
                answer=Completed,
                body=Completion,
                text=DESCRIPTION,
                errors=(402, 404, 409, 422, 502, 504),
                tag="Native",
                once=True,
                example=ASKED,
                events=STREAM.lstrip(),
                native=self,
            ),
        )

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple([endpoint.route for endpoint in self.endpoints])

    async def run(self, asking: Asking) -> Answer:
        kit, tags, prompt, ask = await self._asked(asking)
        with named(tenant=tags.tenant, user=tags.user, feature=tags.feature, environment=tags.environment):
            reply = await kit.complete(prompt, **ask)
        return of_json(plain(self._completed(reply, prompt)), headers=ours())

    async def stream(self, asking: Asking, send: Send) -> None:
        """Send the pieces as they come."""
        kit, tags, prompt, ask = await self._asked(asking)
        with named(tenant=tags.tenant, user=tags.user, feature=tags.feature, environment=tags.environment):
            stream = await kit.stream(prompt, **ask)
        headers = {"content-type": "text/event-stream", **ours()}
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        try:
            with UntilLeft(asking.exchanged.scope):
                await send({"type": "http.response.start", "status": 200, "headers": raw})
                async for event in self._events(stream, prompt):
                    await send({"type": "http.response.body", "body": event, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
        finally:
            await stream.close()

    async def _events(self, stream: AsyncReplyStream, prompt: Prompt) -> AsyncGenerator[bytes]:
        try:
            async for text in stream:
                yield sse({"text": text}, "delta")
            yield sse(plain(self._completed(stream.reply, prompt)) | {"text": None}, "done")
        except AIKitError as error:
            yield b"event: error\ndata: " + of_error(worded(error), "native").body + b"\n\n"
        except Exception:
            yield b"event: error\ndata: " + of_error(INTERNAL, "native").body + b"\n\n"

    async def _asked(self, asking: Asking) -> tuple[KitOf, Tags, Prompt, Any]:
        wanted: Completion = asking.body
        key = asking.exchanged.key
        assert key is not None
        tags = tags_for(asking.exchanged, wanted.user, wanted.feature)
        kit = KitOf(self._kit, await self._keys(asking.exchanged, key, wanted.model))
        prompt: Prompt
        if wanted.prompt is not None:
            prompt = await kit.prompt(wanted.prompt, **(wanted.inputs or {}))
        elif wanted.messages is not None:
            prompt = [{"role": message.role, "content": message.content} for message in wanted.messages]
        else:
            prompt = wanted.input or ""
        fields = ("model", "system", "max_tokens", "temperature", "attempts", "deadline", "extra")
        ask = {name: value for name in fields if (value := getattr(wanted, name)) is not None}
        ask |= {"tenant": tags.tenant, "user": tags.user, "feature": tags.feature}
        if (once := key_of(asking.exchanged, wanted.idempotency_key)) is not None:
            ask["idempotency_key"] = once
        return kit, tags, prompt, ask

    async def _keys(self, exchanged: Exchanged, key: Key, model: str | None) -> dict[str, str]:
        """The tenant's own keys to providers, and the one that came with this request alone."""
        providers = list(self._kit.settings.providers)
        assert key.tenant is not None
        found = await asyncio.gather(
            *[self._service.ring.provider_key(key.tenant, key.environment, name) for name in providers]
        )
        keys = {name: own for name, own in zip(providers, found, strict=True) if own is not None}
        if brought := exchanged.headers.get(OWN_KEY):
            name = (model or "").partition("/")[0]
            if name not in providers:
                raise RequestInvalid(
                    f"The header {OWN_KEY} is a key to one provider, and the model does not say to which.",
                    facts={"field": "model"},
                    remedy="Name it: PROVIDER/MODEL.",
                )
            keys[name] = brought
        return keys

    def _completed(self, reply: Reply, prompt: Prompt) -> Completed:
        nano = parse_usd(reply.cost_usd)
        return Completed(
            text=reply.text,
            provider=reply.provider,
            model=reply.model,
            prompt=prompt.id.id if isinstance(prompt, Rendered) else None,
            usage=None if reply.usage is None else reply.usage.classes(),
            cost_usd=usd_string(nano),
            credits=credits(nano, self._kit.nano_per_credit),
            estimated=reply.estimated,
            decision_id=reply.decision.id,
            call_id=reply.call_id,
            tried=[TriedSaid(model=one.model, code=one.code, attempt=one.attempt) for one in reply.tried],
            findings=[finding._asdict() for finding in reply.findings],
            replayed=reply.decision.reason_code == REPLAYED,
        )


def ours() -> dict[str, str]:
    """Our headers in the answer that came last."""
    return {name: value for name, value in _answered.get({}).items() if name.startswith(OURS)}


def worded(error: AIKitError) -> AIKitError:
    """An error as a caller of the server may hear it: a provider's no to our key is not a no to the caller's."""
    error = for_caller(error)
    if isinstance(error, AIError) and (error.status not in TOLD or error.code == "PROVIDER_NOT_CONFIGURED"):
        busy = error.code in ("PROVIDER_NOT_CONFIGURED", "OVERLOADED")
        error.status = 503 if busy else 400 if 400 <= error.status < 500 and error.code == "BAD_REQUEST" else 502
    if isinstance(error, PromptError) and error.status == 500:
        return RequestInvalid(error.message, code=error.code, facts=error.facts, remedy=error.remedy)
    return error


def _later(error: AIKitError) -> dict[str, str]:
    """When a provider's failure is worth another try, as far as the provider has said."""
    wait = error.retry_after if isinstance(error, AIError) else None
    return {} if wait is None or isinstance(error, Refused) else {"retry-after": str(max(1, round(wait)))}
