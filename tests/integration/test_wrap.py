"""Clients made by a kit or wrapped by it: metered, and so are their copies; nothing of theirs gets past the meter."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.errors import ConfigError, UnmeteredEndpoint
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import TENANT, Books

HELLO: Any = [{"role": "user", "content": "Hello there"}]


def chat(client: openai.OpenAI) -> Any:
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)


def message(client: anthropic.Anthropic) -> Any:
    return client.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=HELLO)


def generate(client: genai.Client) -> Any:
    return client.models.generate_content(model="gemini-2.5-flash", contents="Hello there")


def bare_gemini(settings: Settings) -> genai.Client:
    options = types.HttpOptions(base_url=settings.provider("gemini").base_url)
    return genai.Client(api_key="k", http_options=options)


def assert_metered(kit: AIKit | AsyncAIKit, books: Books, calls: int) -> None:
    kit.flush()
    assert [e["ending"] for e in books.entries()] == ["settled"] * calls
    assert {e["tenant"] for e in books.entries()} == {TENANT}
    books.assert_balanced()


def test_wrapped_clients_are_metered(kit: AIKit, settings: Settings, books: Books) -> None:
    of_openai, of_anthropic = settings.provider("openai").base_url, settings.provider("anthropic").base_url
    chat(kit.wrap(openai.OpenAI(api_key="k", base_url=of_openai), tenant=TENANT))
    message(kit.wrap(anthropic.Anthropic(api_key="k", base_url=of_anthropic), tenant=TENANT))
    generate(kit.wrap(bare_gemini(settings), tenant=TENANT))
    assert_metered(kit, books, 3)
    assert [e["provider"] for e in books.entries()] == ["openai", "anthropic", "gemini"]


async def test_wrapped_async_clients_are_metered(async_kit: AsyncAIKit, settings: Settings, books: Books) -> None:
    of_openai, of_anthropic = settings.provider("openai").base_url, settings.provider("anthropic").base_url
    first = async_kit.wrap(openai.AsyncOpenAI(api_key="k", base_url=of_openai), tenant=TENANT)
    await first.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    second = async_kit.wrap(anthropic.AsyncAnthropic(api_key="k", base_url=of_anthropic), tenant=TENANT)
    await second.messages.create(model="claude-haiku-4-5", max_tokens=50, messages=HELLO)
    third = async_kit.wrap(bare_gemini(settings), tenant=TENANT)
    await third.aio.models.generate_content(model="gemini-2.5-flash", contents="Hello there")
    assert_metered(async_kit, books, 3)


def test_the_original_stays_as_it_was(kit: AIKit, settings: Settings, books: Books) -> None:
    original = openai.OpenAI(api_key="k", base_url=settings.provider("openai").base_url, max_retries=7)
    wrapped = kit.wrap(original, tenant=TENANT)
    assert (wrapped.api_key, wrapped.max_retries, type(wrapped).__name__) == ("k", 7, "OpenAI")
    assert isinstance(wrapped, openai.OpenAI)
    chat(original)
    kit.flush()
    assert books.entries() == []
    wrapped.close()
    chat(original)


def test_a_client_keeps_its_own_connections(kit: AIKit, settings: Settings, books: Books) -> None:
    seen: list[str] = []
    own = httpx2.Client(event_hooks={"request": [lambda request: seen.append(request.url.path)]})
    client = openai.OpenAI(api_key="k", base_url=settings.provider("openai").base_url, http_client=own)
    chat(kit.wrap(client, tenant=TENANT))
    assert seen == ["/v1/chat/completions"]
    assert_metered(kit, books, 1)


def test_a_gemini_client_keeps_its_own_connections(kit: AIKit, settings: Settings, books: Books) -> None:
    seen: list[str] = []
    own = httpx2.Client(event_hooks={"request": [lambda request: seen.append(request.url.host)]})
    options = types.HttpOptions(base_url=settings.provider("gemini").base_url, httpx_client=own)
    generate(kit.wrap(genai.Client(api_key="k", http_options=options), tenant=TENANT))
    assert seen == ["127.0.0.1"]
    assert_metered(kit, books, 1)


def test_copies_stay_metered(kit: AIKit, books: Books) -> None:
    chat(kit.openai(tenant=TENANT).with_options(timeout=5).with_options(max_retries=1))
    message(kit.anthropic(tenant=TENANT).with_options(timeout=5).copy(max_retries=1))
    assert_metered(kit, books, 2)


def test_a_metered_client_that_is_wrapped_is_metered_once(kit: AIKit, books: Books) -> None:
    books.limit("other")
    chat(kit.wrap(kit.openai(tenant="other"), tenant=TENANT))
    message(kit.wrap(kit.anthropic(tenant="other"), tenant=TENANT))
    generate(kit.wrap(kit.gemini(tenant="other"), tenant=TENANT))
    assert_metered(kit, books, 3)


def test_an_unknown_address_is_refused_with_a_remedy(kit: AIKit) -> None:
    with pytest.raises(ConfigError, match=r"models\.example\.net") as refused:
        kit.wrap(openai.OpenAI(api_key="secret-key", base_url="https://models.example.net/v1"))
    assert "[providers.NAME]" in refused.value.remedy
    assert "secret-key" not in str(refused.value)


def test_an_unknown_address_can_be_given_to_a_provider(kit: AIKit, simulator: Simulator, books: Books) -> None:
    client = openai.OpenAI(api_key="k", base_url=simulator.url.replace("127.0.0.1", "localhost") + "/v1")
    with pytest.raises(ConfigError):
        kit.wrap(client)
    chat(kit.wrap(client, tenant=TENANT, provider="openai"))
    assert_metered(kit, books, 1)


def test_an_address_with_its_default_port_is_the_same_address(kit: AIKit, tmp_path: Any) -> None:
    from dataclasses import replace

    providers = {**kit.settings.providers}
    providers["openai"] = replace(providers["openai"], base_url="https://api.openai.com/v1")
    kit.settings = replace(kit.settings, providers=providers)
    assert kit.wrap(openai.OpenAI(api_key="k", base_url="https://api.openai.com:443/v1"))


def test_a_provider_of_another_kind_is_refused(kit: AIKit, settings: Settings) -> None:
    with pytest.raises(ConfigError, match="of kind anthropic"):
        kit.wrap(openai.OpenAI(api_key="k"), provider="anthropic")
    with pytest.raises(ConfigError, match="of kind openai"):
        kit.anthropic(provider="openai")
    with pytest.raises(ConfigError, match="no provider named"):
        kit.openai(provider="openia")


@pytest.mark.parametrize("thing", [None, "client", object(), httpx2.Client()], ids=lambda one: type(one).__name__)
def test_what_is_no_client_is_refused(kit: AIKit, thing: Any) -> None:
    with pytest.raises(ConfigError, match="takes a client of openai, anthropic or google-genai"):
        kit.wrap(thing)


def test_connections_of_ones_own_are_for_wrap(kit: AIKit) -> None:
    for make in (kit.openai, kit.anthropic):
        with pytest.raises(ConfigError, match="http_client") as refused:
            make(http_client=httpx2.Client())
        assert "wrap" in refused.value.remedy
    with pytest.raises(ConfigError, match="http_options"):
        kit.gemini(http_options={"base_url": "https://models.example.net"})


@pytest.fixture
def listener(kit: AIKit) -> Iterator[socket.socket]:
    """Stands where the providers are said to be; a connection to it would be one past the meter."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server
        with pytest.raises(BlockingIOError):
            server.accept()


def at(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


OPENAI_SOCKETS: list[Callable[[Any], Any]] = [
    lambda client: client.realtime.connect(model="gpt-realtime"),
    lambda client: client.beta.realtime.connect(model="gpt-realtime"),
    lambda client: client.responses.connect(),
    lambda client: client.beta.responses.connect(),
    lambda client: client.with_options(timeout=5).realtime.connect(model="gpt-realtime"),
    lambda client: client.with_options(timeout=5).copy().responses.connect(),
    lambda client: client.with_options(data_residency="eu").realtime.connect(model="gpt-realtime"),
    lambda client: client.with_options(websocket_base_url="ws://127.0.0.1:9").realtime.connect(model="gpt-realtime"),
]


@pytest.mark.parametrize("connect", OPENAI_SOCKETS, ids=[str(n) for n in range(len(OPENAI_SOCKETS))])
def test_openai_opens_no_websocket(kit: AIKit, listener: socket.socket, connect: Callable[[Any], Any]) -> None:
    bare = openai.OpenAI(api_key="k", base_url=at(listener))
    for client in (
        kit.openai(tenant=TENANT, base_url=at(listener)),
        kit.openai(tenant=TENANT, websocket_base_url=at(listener).replace("http", "ws")),
        kit.wrap(bare, tenant=TENANT, provider="openai"),
    ):
        with pytest.raises(UnmeteredEndpoint), connect(client):
            pass


@pytest.mark.parametrize("connect", OPENAI_SOCKETS, ids=[str(n) for n in range(len(OPENAI_SOCKETS))])
async def test_async_openai_opens_no_websocket(
    async_kit: AsyncAIKit, listener: socket.socket, connect: Callable[[Any], Any]
) -> None:
    bare = openai.AsyncOpenAI(api_key="k", base_url=at(listener))
    for client in (
        async_kit.openai(tenant=TENANT, base_url=at(listener)),
        async_kit.wrap(bare, tenant=TENANT, provider="openai"),
    ):
        with pytest.raises(UnmeteredEndpoint):
            async with connect(client):
                pass


async def test_gemini_opens_no_websocket(async_kit: AsyncAIKit, listener: socket.socket) -> None:
    options = types.HttpOptions(base_url=at(listener))
    bare = genai.Client(api_key="k", http_options=options)
    for client in (async_kit.gemini(tenant=TENANT), async_kit.wrap(bare, tenant=TENANT, provider="gemini")):
        with pytest.raises(UnmeteredEndpoint):
            async with client.aio.live.connect(model="gemini-live"):
                pass
        with pytest.raises(UnmeteredEndpoint):
            async with client.aio.live.music.connect(model="lyria"):
                pass


def unmetered_calls(kit: AIKit) -> Iterator[Callable[[], Any]]:
    """Calls to endpoints that no codec knows."""
    of_openai, of_anthropic, of_google = kit.openai(tenant=TENANT), kit.anthropic(tenant=TENANT), kit.gemini()
    yield lambda: of_openai.images.generate(prompt="a cat")
    yield lambda: of_openai.audio.speech.create(input="hello", model="tts-1", voice="alloy")
    yield lambda: of_openai.completions.create(model="gpt-3.5-turbo-instruct", prompt="Hi")
    yield lambda: of_openai.moderations.create(input="Hi")
    yield lambda: of_openai.files.list()
    yield lambda: of_openai.batches.create(
        completion_window="24h", endpoint="/v1/chat/completions", input_file_id="file-1"
    )
    yield lambda: of_anthropic.messages.batches.create(requests=[])
    yield lambda: of_google.interactions.create(model="gemini-2.5-flash", input="Hi")
    yield lambda: of_google.models.embed_content(model="gemini-embedding-001", contents="Hi")
    yield lambda: of_google.caches.create(model="gemini-2.5-flash")
    yield lambda: of_google.batches.create(model="gemini-2.5-flash", src="files/1")
    yield lambda: of_google.files.upload(file=__file__, config={"mime_type": "text/plain"})


def test_no_other_endpoint_is_reached(kit: AIKit, simulator: Simulator, books: Books) -> None:
    calls = list(unmetered_calls(kit))
    for call in calls:
        with pytest.raises(Exception, match=r"UNMETERED_ENDPOINT|not metered") as refused:
            call()
        assert isinstance(
            refused.value, (openai.PermissionDeniedError, anthropic.PermissionDeniedError, genai_errors.ClientError)
        ) or "interactions" in type(refused.value).__module__ + str(refused.value)
    assert simulator.served()["totals"]["requests"] == 0
    kit.flush()
    assert {row["reason_code"] for row in books.refusals()} == {"UNMETERED_ENDPOINT"}
    assert len(books.refusals()) == len(calls)
    books.assert_balanced()


async def test_no_other_endpoint_is_reached_by_async_gemini(async_kit: AsyncAIKit, simulator: Simulator) -> None:
    client = async_kit.gemini(tenant=TENANT).aio
    for call in (
        client.interactions.create(model="gemini-2.5-flash", input="Hi"),
        client.models.embed_content(model="gemini-embedding-001", contents="Hi"),
        client.files.upload(file=__file__, config={"mime_type": "text/plain"}),
    ):
        with pytest.raises(Exception, match=r"UNMETERED_ENDPOINT|not metered"):
            await call
    assert simulator.served()["totals"]["requests"] == 0
