"""The providers' own APIs: a request is metered, sent on with the provider's key, and its answer handed back as it is.

Request and response bytes pass unchanged, but for the name of the model where it says more than the provider knows, and
what the exchange itself writes in (the output limit, the usage option).
"""

from __future__ import annotations

from contextvars import ContextVar

import httpx2

from aikit.config import Provider
from aikit.errors import AIError
from aikit.failures.errors import from_exception, from_response
from aikit.kit_core import TIMEOUT
from aikit.serve.asked import Asked, asked
from aikit.serve.handing import hand_on
from aikit.serve.model import Exchanged, Key, Receive, Right, Send, Service
from aikit.serve.models import choose
from aikit.serve.routes import Route, Shape
from aikit.serve.shapes import shape_of
from aikit.serve.tagging import tags_of
from aikit.serve.upstream import upstream
from aikit.transport import ERROR
from aikit.types import Tags

PATHS: tuple[tuple[str, str, Shape], ...] = (
    ("POST", "/v1/chat/completions", "openai"),
    ("POST", "/v1/messages", "anthropic"),
    ("POST", "/v1/responses", "openai"),
    ("POST", "/v1/embeddings", "openai"),
    ("POST", "/v1/messages/count_tokens", "anthropic"),
    ("POST", "/v1beta/models/{rest...}", "gemini"),
    ("POST", "/v1/models/{rest...}", "gemini"),
    ("GET", "/v1/models", "openai"),
    ("GET", "/v1/models/{rest...}", "openai"),
    ("GET", "/v1beta/models", "gemini"),
    ("GET", "/v1beta/models/{rest...}", "gemini"),
)

TAGS: ContextVar[Tags] = ContextVar("aikit.serve.tags")
"""In whose name the request at hand is made: set for each, read by the exchange when it begins."""


class Proxy:
    """Answers on the paths of the providers' APIs. `close` it when no request runs any more."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._settings = service.kit.settings
        self._transports: dict[str, httpx2.AsyncBaseTransport] = {}

    @property
    def routes(self) -> tuple[Route, ...]:
        return tuple(Route(method, path, self.handle, Right.COMPLETE, shape) for method, path, shape in PATHS)

    async def close(self) -> None:
        """Leave the streams that still run, which are drained, and give the connections back."""
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()

    async def handle(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        """Answer one request. Raises Refused where nothing was sent, AIError where no provider could be reached."""
        TAGS.set(tags_of(exchanged))
        one = asked(exchanged, shape_of(exchanged.path, exchanged.headers))
        brought = one.own_key is not None
        choice = choose(self._settings, self.service.kit._has_price, one.kind, one.model, brought=brought)
        assert exchanged.key is not None
        (model,) = choice.route.models
        await hand_on(await self._ask(one, model, exchanged.key), receive, send)

    async def _ask(self, one: Asked, target: str, key: Key) -> httpx2.Response:
        """Ask one model, as `provider/model`. Raises AIError where there is no answer, or none for the caller."""
        name, _, model = target.partition("/")
        provider = self._settings.providers[name]
        request = one.request_to(provider, model, await self._key(one, provider, key))
        request.extensions["timeout"] = TIMEOUT.as_dict()
        try:
            response = await self._transport(provider).handle_async_request(request)
        except httpx2.HTTPError as error:
            raise from_exception(name, error) from error
        if response.status_code == 401 and one.own_key is None and ERROR not in response.extensions:
            raise _signed_out(name, response, await response.aread())
        return response

    async def _key(self, one: Asked, provider: Provider, key: Key) -> str | None:
        """The key to sign in with: the request's, the tenant's, or ours. Raises AIError where one is needed."""
        if one.own_key is not None:
            return one.own_key
        assert key.tenant is not None
        found = await self.service.ring.provider_key(key.tenant, key.environment, provider.name)
        if found is None and not provider.configured:
            raise _not_configured(provider.name)
        return found or provider.api_key

    def _transport(self, provider: Provider) -> httpx2.AsyncBaseTransport:
        transport = self._transports.get(provider.name)
        if transport is None:
            transport = self.service.kit.metered(provider, TAGS.get, upstream())
            self._transports[provider.name] = transport
        return transport


def _signed_out(name: str, response: httpx2.Response, body: bytes) -> AIError:
    """The provider refuses our key. Its answer would be read as if it were about the caller's, and may show of ours."""
    error = from_response(name, response.status_code, body, response.headers)
    error.status = 502
    return error


def _not_configured(name: str) -> AIError:
    return AIError(
        f"The server has no key for {name}.",
        provider=name,
        code="PROVIDER_NOT_CONFIGURED",
        status=503,
        retryable=False,
        remedy="Have the operator set one, or store one of the tenant's own.",
    )
