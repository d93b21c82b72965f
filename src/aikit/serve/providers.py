"""Asks one provider: with the right key, over the process's connections, metered in the name of the request at hand."""

from __future__ import annotations

from contextvars import ContextVar
from functools import lru_cache
from typing import Any
from uuid import UUID

import httpx2

from aikit.config import Provider
from aikit.errors import AIError
from aikit.failures.errors import from_exception, from_response
from aikit.idempotency import HEADER
from aikit.kit_core import TIMEOUT
from aikit.serve.asked import Asked
from aikit.serve.model import Key, Service
from aikit.serve.upstream import upstream
from aikit.transport import ERROR, IDS
from aikit.types import Tags

TAGS: ContextVar[Tags] = ContextVar("aikit.serve.tags")
"""In whose name the request at hand is made: set for each, read by the exchange when it begins."""


class Providers:
    """Of one event loop. `close` it when no request runs any more."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transports: dict[str, httpx2.AsyncBaseTransport] = {}

    async def close(self) -> None:
        """Leave the streams that still run, which are drained, and give the connections back."""
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()

    async def ask(
        self,
        one: Asked,
        target: str,
        key: Key,
        *,
        ids: tuple[UUID, UUID] | None = None,
        once: str | None = None,
        seconds: float | None = None,
    ) -> httpx2.Response:
        """What a model, named `provider/model`, answers; a refusal of ours is such an answer, too.

        `ids` are those of the call and the attempt, `once` its idempotency key where the request's own is not meant,
        `seconds` what is left for it. Raises AIError where there is no answer, or none that is for the caller.
        """
        name, _, model = target.partition("/")
        provider = self._service.kit.settings.providers[name]
        request = one.request_to(provider, model, await self._key(one, provider, key))
        request.extensions["timeout"] = _timeout(seconds)
        if ids is not None:
            request.extensions[IDS] = ids
        if once is not None:
            request.headers[HEADER] = once
        try:
            response = await self._transport(provider).handle_async_request(request)
            if response.status_code == 401 and one.own_key is None and ERROR not in response.extensions:
                raise _signed_out(name, response, await response.aread())
        except httpx2.HTTPError as error:
            raise from_exception(name, error) from error
        return response

    async def _key(self, one: Asked, provider: Provider, key: Key) -> str | None:
        """The key to sign in with: the request's, the tenant's, or ours. Raises AIError where one is needed."""
        if one.own_key is not None:
            return one.own_key
        assert key.tenant is not None
        found = await self._service.ring.provider_key(key.tenant, key.environment, provider.name)
        if found is None and not provider.configured:
            raise _not_configured(provider)
        return found or provider.api_key

    def _transport(self, provider: Provider) -> httpx2.AsyncBaseTransport:
        transport = self._transports.get(provider.name)
        if transport is None:
            transport = self._service.kit.metered(provider, TAGS.get, upstream())
            self._transports[provider.name] = transport
        return transport


@lru_cache(maxsize=1)
def _usual() -> dict[str, Any]:
    return TIMEOUT.as_dict()


def _timeout(seconds: float | None) -> dict[str, Any]:
    usual = _usual()
    if seconds is None:
        return usual
    return {name: min(most, seconds) for name, most in usual.items()}


def _signed_out(name: str, response: httpx2.Response, body: bytes) -> AIError:
    """The provider refuses our key. Its answer would be read as if it were about the caller's, and may show of ours."""
    error = from_response(name, response.status_code, body, response.headers)
    error.status = 502
    return error


def _not_configured(provider: Provider) -> AIError:
    return AIError(
        f"The server has no key for {provider.name}.",
        provider=provider.name,
        code="PROVIDER_NOT_CONFIGURED",
        status=503,
        retryable=False,
        remedy=f"Have the operator set {provider.api_key_env} and start it again, or store a key of the tenant's own: "
        "aikit key provider set.",
    )
