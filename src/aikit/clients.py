"""The official SDK clients, metered: made new, or copied from one that exists. The only place that knows the SDKs."""

# aikit: allow-file AK001 here the kit makes its clients, over its own transports

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, NoReturn

import httpx2

from aikit.config import Provider, Settings
from aikit.errors import ConfigError, UnmeteredEndpoint
from aikit.failures.errors import not_configured
from aikit.transport import AsyncClientTransport, AsyncMeteredTransport, ClientTransport, MeteredTransport

NO_KEY = "not-needed"
"""What an SDK that insists on a key is given for a server that needs none."""


@dataclass(frozen=True, slots=True)
class Channels:
    """Makes metered HTTP clients. Each takes the transport that it sends through; None for one of ours."""

    sync: Callable[[httpx2.BaseTransport | None], httpx2.Client]
    asynchronous: Callable[[httpx2.AsyncBaseTransport | None], httpx2.AsyncClient]


class NoWebSocket(httpx2.URL):
    """Stands where a client has its WebSocket address; whoever looks at it wants to open one, and may not."""

    def __init__(self) -> None:
        pass

    def __getattr__(self, name: str) -> NoReturn:
        refuse_websocket()


def refuse_websocket(*_: object, **__: object) -> NoReturn:
    """Raises UnmeteredEndpoint: what goes over a WebSocket can't be metered yet."""
    raise UnmeteredEndpoint(
        "WebSocket connections (realtime, live) are not metered, so they are not opened.",
        remedy="Use the plain or streamed calls, or an unmetered client of your own for these.",
    )


def openai_client(provider: Provider, channels: Channels, *, asynchronous: bool, options: dict[str, Any]) -> Any:
    """`openai.OpenAI` or `openai.AsyncOpenAI` for a provider of kind openai."""
    import openai

    common = _common(provider, options)
    return _without_websockets(
        openai.AsyncOpenAI(http_client=channels.asynchronous(None), **common)
        if asynchronous
        else openai.OpenAI(http_client=channels.sync(None), **common)
    )


def anthropic_client(provider: Provider, channels: Channels, *, asynchronous: bool, options: dict[str, Any]) -> Any:
    """`anthropic.Anthropic` or `anthropic.AsyncAnthropic` for a provider of kind anthropic."""
    import anthropic

    common = _common(provider, options)
    if asynchronous:
        return anthropic.AsyncAnthropic(http_client=channels.asynchronous(None), **common)
    return anthropic.Anthropic(http_client=channels.sync(None), **common)


def gemini_client(provider: Provider, channels: Channels, options: dict[str, Any]) -> Any:
    """`google.genai.Client` for a provider of kind gemini; its `aio` half is metered too."""
    from google import genai
    from google.genai import types

    _check_options(options, "http_options")
    client = genai.Client(
        http_options=types.HttpOptions(
            base_url=provider.base_url,
            api_version=provider.api_version,
            httpx_client=channels.sync(None),
            httpx_async_client=channels.asynchronous(None),
        ),
        **({"api_key": _key(provider, options)} | options),
    )
    return _without_live(client)


def _common(provider: Provider, options: dict[str, Any]) -> dict[str, Any]:
    _check_options(options, "http_client")
    return {"api_key": _key(provider, options), "base_url": provider.base_url, "max_retries": 0} | options


def _key(provider: Provider, options: dict[str, Any]) -> str:
    """The key to sign in with. Raises AIError (PROVIDER_NOT_CONFIGURED) where one is needed and there is none."""
    if not provider.configured and "api_key" not in options:
        raise not_configured(provider.name, provider.api_key_env)
    return provider.api_key or NO_KEY


def _check_options(options: dict[str, Any], ours: str) -> None:
    if ours in options:
        raise ConfigError(
            f"The option {ours} is taken: it is how a client is metered.",
            remedy="Make the client with the SDK and pass it to wrap(), which keeps its connections.",
        )


def family(client: object) -> str:
    """Which SDK a client is of: openai, anthropic or gemini. Raises ConfigError for any other object."""
    for kind in type(client).__mro__:
        package = kind.__module__.split(".")
        if package[0] in ("openai", "anthropic"):
            return package[0]
        if package[:2] == ["google", "genai"]:
            return "gemini"
    raise ConfigError(
        f"wrap() takes a client of openai, anthropic or google-genai, not {type(client).__name__}.",
        remedy="Pass the SDK's client itself.",
    )


def base_url(client: Any) -> str:
    """Where a client sends its requests."""
    if family(client) == "gemini":
        return str(client._api_client._http_options.base_url)
    return str(client.base_url)


def provider_at(url: str, kind: str, settings: Settings) -> Provider:
    """The configured provider of this kind at this address. Raises ConfigError if there is none."""
    wanted = httpx2.URL(url)
    for provider in settings.providers.values():
        known = httpx2.URL(provider.base_url)
        if provider.kind == kind and (known.host, known.port) == (wanted.host, wanted.port):
            return provider
    raise ConfigError(
        f"No provider of kind {kind} is configured at {wanted.host}.",
        facts={"host": wanted.host, "kind": kind},
        remedy=f'Add [providers.NAME] with kind = "{kind}" and its base_url to aikit.toml, '
        "or name a configured one: wrap(client, provider=…).",
    )


def metered_copy(client: Any, channels: Channels) -> Any:
    """A copy of an SDK client that sends through the client's own connections, metered once."""
    match family(client):
        case "gemini":
            return _gemini_copy(client, channels)
        case sdk:
            inner = client._client
            copy = client.copy(
                http_client=channels.asynchronous(_async_inner(inner, client))
                if isinstance(inner, httpx2.AsyncClient)
                else channels.sync(_sync_inner(inner, client))
            )
            return _without_websockets(copy) if sdk == "openai" else copy


def _gemini_copy(client: Any, channels: Channels) -> Any:
    from google import genai

    api = client._api_client
    sync_client, async_client = api._httpx_client, api._async_httpx_client
    options = api._http_options.model_copy(
        update={
            "httpx_client": channels.sync(_sync_inner(sync_client, client) if sync_client else None),
            "httpx_async_client": channels.asynchronous(_async_inner(async_client, client) if async_client else None),
            "aiohttp_client": None,
        }
    )
    signed_in = (
        {"vertexai": True, "credentials": api._credentials, "project": api.project, "location": api.location}
        if api.vertexai
        else {"api_key": api.api_key}
    )
    return _without_live(genai.Client(http_options=options, **signed_in))


def _sync_inner(client: httpx2.Client, owner: object) -> httpx2.BaseTransport:
    """How to send through a client: as it does, or, if it is metered already, as the one below the meter does."""
    transport = client._transport
    return transport.inner if isinstance(transport, MeteredTransport) else ClientTransport(client, owner)


def _async_inner(client: httpx2.AsyncClient, owner: object) -> httpx2.AsyncBaseTransport:
    """The same for coroutines."""
    transport = client._transport
    return transport.inner if isinstance(transport, AsyncMeteredTransport) else AsyncClientTransport(client, owner)


def _without_websockets(client: Any) -> Any:
    """An OpenAI client that has no WebSocket address, whatever it or a copy of it is told."""
    client.__class__ = _socketless(client.__class__)
    return client


@cache
def _socketless(kind: Any) -> Any:
    address = property(lambda _: NoWebSocket(), lambda _, told: None)
    return type(kind.__name__, (kind,), {"websocket_base_url": address, "__module__": kind.__module__})


def _without_live(client: Any) -> Any:
    """google-genai opens its live connections beside httpx2, at the address that this method gives."""
    client._api_client._websocket_base_url = refuse_websocket
    return client


def wrong_kind(provider: Provider, kind: str) -> ConfigError:
    """A provider was named for a client of another kind."""
    return ConfigError(
        f"The provider {provider.name!r} is of kind {provider.kind}, not {kind}.",
        remedy=f"Use kit.{provider.kind}(provider={provider.name!r}).",
    )
