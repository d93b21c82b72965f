"""`aikit.strict()`: whatever library sends it, nothing reaches a provider past the kit; what the kit sends passes."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any
from urllib.parse import urlsplit

import anthropic
import httpx2
import openai
import pytest
import requests
import urllib3
from google import genai
from google.genai import types

import aikit
from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.errors import ConfigError, UnmeteredEndpoint
from aikit.kit import AIKit
from aikit.passage import sent
from aikit.seams import SEAMS
from aikit.sim import Simulator
from support.kits import TENANT, Books

HELLO: Any = [{"role": "user", "content": "Hello there"}]
BODY = {"model": "gpt-4o-mini", "messages": HELLO}


@pytest.fixture
def arrived(simulator: Simulator) -> Callable[[], int]:
    return lambda: len(simulator.served()["requests"])


@pytest.fixture
def strict(settings: Settings) -> Iterator[Any]:
    with aikit.strict(settings) as handle:
        yield handle


def raw_calls(url: str) -> dict[str, Callable[[], Any]]:
    """The same request by each library, over a connection of its own."""
    parts = urlsplit(url)
    data = json.dumps(BODY).encode()

    def by_http() -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        try:
            connection.request("POST", parts.path, data)
            connection.getresponse().read()
        finally:
            connection.close()

    def by_requests() -> None:
        with requests.Session() as session:
            session.post(url, json=BODY)

    def by_urllib3() -> None:
        with urllib3.PoolManager() as pool:
            pool.request("POST", url, json=BODY)

    async def by_httpx2() -> None:
        async with httpx2.AsyncClient() as client:
            await client.post(url, json=BODY)

    def stream() -> None:
        body = BODY | {"stream": True}
        with httpx2.Client(http2=False) as client, client.stream("POST", url, json=body) as response:
            response.read()

    return {
        "httpx2": lambda: httpx2.post(url, json=BODY),
        "httpx2 stream": stream,
        "httpx2 async": lambda: asyncio.run(by_httpx2()),
        "requests": by_requests,
        "urllib3": by_urllib3,
        "urllib": lambda: urllib.request.urlopen(urllib.request.Request(url, data)).read(),
        "http.client": by_http,
    }


LIBRARIES = sorted(raw_calls("http://127.0.0.1:1/v1"))


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_configured_provider_is_refused_to_each_library(
    library: str, strict: Any, simulator: Simulator, arrived: Callable[[], int]
) -> None:
    with pytest.raises(UnmeteredEndpoint, match="goes past the kit: it was not sent") as refused:
        raw_calls(f"{simulator.url}/v1/chat/completions")[library]()
    assert refused.value.code == "UNMETERED_ENDPOINT"
    assert "kit.wrap(client, tenant=…)" in refused.value.remedy
    assert refused.value.facts["host"] == urlsplit(simulator.url).netloc
    assert arrived() == 0


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_known_provider_is_refused_before_its_name_is_looked_up(
    library: str, strict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a connection was tried"))
    with pytest.raises(UnmeteredEndpoint, match=r"POST to api\.openai\.com \(OpenAI\)"):
        raw_calls("http://api.openai.com:80/v1/chat/completions")[library]()


@pytest.mark.parametrize("library", LIBRARIES)
def test_other_hosts_are_nobodys_business(library: str, settings: Settings, arrived: Callable[[], int]) -> None:
    with Simulator() as elsewhere, aikit.strict(settings):
        raw_calls(f"{elsewhere.url}/v1/chat/completions")[library]()
        assert len(elsewhere.served()["requests"]) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1/models",
        "https://API.OpenAI.com./v1/models",
        "https://us-central1-aiplatform.googleapis.com/v1/x",
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/x/invoke",
        "https://mine.openai.azure.com/openai/deployments/x",
    ],
)
def test_names_are_known_however_they_are_written(strict: Any, url: str) -> None:
    with pytest.raises(UnmeteredEndpoint):
        httpx2.get(url)


def test_neither_path_nor_query_are_in_what_is_said(strict: Any, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(UnmeteredEndpoint) as refused:
        httpx2.get("https://generativelanguage.googleapis.com/v1beta/canary-path?key=canary-key")
    said = f"{refused.value} {refused.value.facts} {caplog.text}"
    assert "generativelanguage.googleapis.com" in said
    assert "canary" not in said


def test_clients_made_before_are_refused_in_their_own_words_and_at_once(
    settings: Settings, arrived: Callable[[], int]
) -> None:
    url = settings.provider("anthropic").base_url
    with (
        openai.OpenAI(api_key="k", base_url=f"{url}/v1") as of_openai,
        anthropic.Anthropic(api_key="k", base_url=url) as of_anthropic,
        aikit.strict(settings),
    ):
        with pytest.raises(openai.PermissionDeniedError, match="goes past the kit") as refused:
            of_openai.chat.completions.create(**BODY)
        assert refused.value.code == "UNMETERED_ENDPOINT"
        assert "kit.openai(tenant=…)" in str(refused.value)
        with pytest.raises(openai.PermissionDeniedError):
            of_openai.chat.completions.create(**BODY, stream=True)
        with pytest.raises(anthropic.PermissionDeniedError, match="goes past the kit"):
            of_anthropic.messages.create(model="claude-haiku-4-5", max_tokens=5, messages=HELLO)
    assert arrived() == 0


async def test_async_clients_and_gemini_are_refused(settings: Settings, arrived: Callable[[], int]) -> None:
    url = settings.provider("gemini").base_url
    gemini = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=url))
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{url}/v1") as client:
        with aikit.strict(settings):
            with pytest.raises(openai.PermissionDeniedError, match="goes past the kit"):
                await client.chat.completions.create(**BODY)
            with pytest.raises(UnmeteredEndpoint):
                gemini.models.generate_content(model="gemini-2.5-flash", contents="Hello")
            with pytest.raises(UnmeteredEndpoint):
                await gemini.aio.models.generate_content(model="gemini-2.5-flash", contents="Hello")
    assert arrived() == 0
    gemini.close()
    await gemini.aio.aclose()


def test_what_the_kit_sends_passes(strict: Any, kit: AIKit, settings: Settings, books: Books) -> None:
    kit.openai(tenant=TENANT).chat.completions.create(**BODY)
    kit.anthropic(tenant=TENANT).messages.create(model="claude-haiku-4-5", max_tokens=50, messages=HELLO)
    kit.gemini(tenant=TENANT).models.generate_content(model="gemini-2.5-flash", contents="Hello there")
    assert kit.complete("Hello there", model="gpt-4o-mini", tenant=TENANT).text
    with kit.stream("Hello there", model="gpt-4o-mini", tenant=TENANT) as stream:
        assert "".join(stream)
    with openai.OpenAI(api_key="k", base_url=settings.provider("openai").base_url) as existing:
        kit.wrap(existing, tenant=TENANT).chat.completions.create(**BODY)
        with pytest.raises(openai.PermissionDeniedError):
            existing.chat.completions.create(**BODY)
    kit.flush()
    assert [entry["ending"] for entry in books.entries()] == ["settled"] * 6
    books.assert_balanced()


def test_what_the_kit_sends_from_threads_passes(strict: Any, kit: AIKit, books: Books) -> None:
    failed: list[BaseException] = []

    def call() -> None:
        try:
            kit.complete("Hello there", model="gpt-4o-mini", tenant=TENANT)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kit.flush()
    assert failed == []
    assert len(books.entries()) == 8


async def test_what_an_async_kit_sends_passes_while_another_task_is_refused(
    strict: Any, async_kit: AsyncAIKit, simulator: Simulator, books: Books
) -> None:
    async def past() -> None:
        async with httpx2.AsyncClient() as client:
            with pytest.raises(UnmeteredEndpoint):
                await client.post(f"{simulator.url}/v1/chat/completions", json=BODY)

    calls = [async_kit.complete("Hello there", model="gpt-4o-mini", tenant=TENANT) for _ in range(8)]
    await asyncio.gather(*calls, *(past() for _ in range(8)))
    stream = await async_kit.stream("Hello there", model="gpt-4o-mini", tenant=TENANT)
    assert [text async for text in stream]
    await asyncio.to_thread(async_kit.flush)
    assert len(books.entries()) == 9
    books.assert_balanced()


def test_a_copy_of_a_metered_request_does_not_pass(
    strict: Any, kit: AIKit, simulator: Simulator, arrived: Callable[[], int]
) -> None:
    raw = kit.openai(tenant=TENANT).chat.completions.with_raw_response.create(**BODY)
    again = raw.http_response.request
    with httpx2.Client() as client, pytest.raises((UnmeteredEndpoint, openai.APIError)) as refused:
        client.send(httpx2.Request(again.method, again.url, content=again.content, extensions=again.extensions))
    assert isinstance(refused.value, UnmeteredEndpoint)
    assert arrived() == 1


def test_a_hook_or_a_task_that_a_metered_call_has_started_does_not_pass(strict: Any, simulator: Simulator) -> None:
    left = []

    class Leaving(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            left.append(copy_context())
            with pytest.raises(UnmeteredEndpoint):
                httpx2.get("https://api.openai.com/v1/models")  # another host than the one that was metered
            return httpx2.Response(200)

    sent(Leaving(), httpx2.Request("POST", f"{simulator.url}/v1/chat/completions"))
    with pytest.raises(UnmeteredEndpoint):
        left[0].run(httpx2.get, f"{simulator.url}/v1/models")


def test_it_can_be_undone_and_leaves_nothing_behind(settings: Settings, simulator: Simulator) -> None:
    import httpcore2

    before = [http.client.HTTPConnection.putrequest, httpcore2.ConnectionPool.handle_request]
    with aikit.strict(settings):
        assert [http.client.HTTPConnection.putrequest, httpcore2.ConnectionPool.handle_request] != before
    assert [http.client.HTTPConnection.putrequest, httpcore2.ConnectionPool.handle_request] == before
    assert httpx2.post(f"{simulator.url}/v1/chat/completions", json=BODY).status_code == 200


def test_twice_is_as_good_as_once_until_both_are_undone(settings: Settings, simulator: Simulator) -> None:
    outer = aikit.strict(settings)
    replaced = http.client.HTTPConnection.putrequest
    with aikit.strict(settings):
        assert http.client.HTTPConnection.putrequest is replaced
    with pytest.raises(UnmeteredEndpoint):
        httpx2.get(f"{simulator.url}/v1/models")
    outer.undo()
    outer.undo()
    assert httpx2.post(f"{simulator.url}/v1/chat/completions", json=BODY).status_code == 200


def test_what_somebody_else_has_put_over_a_seam_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    handle = aikit.strict(settings)
    ours = http.client.HTTPConnection.putrequest
    monkeypatch.setattr(http.client.HTTPConnection, "putrequest", lambda self, *rest: ours(self, *rest))
    theirs = http.client.HTTPConnection.putrequest
    handle.undo()
    assert http.client.HTTPConnection.putrequest is theirs
    connection = http.client.HTTPConnection("api.openai.com")
    connection.putrequest("GET", "/")  # nothing is sent yet
    connection.close()


def test_it_says_what_it_covers(strict: Any) -> None:
    covered = strict.coverage()
    assert {"httpx2", "urllib", "urllib3"} <= set(covered.watched)
    assert set(covered.watched).isdisjoint(covered.waiting)
    assert set(covered.watched) | set(covered.waiting) == {seam.library for seam in SEAMS}


LATE = """
import sys, aikit
from aikit.errors import UnmeteredEndpoint
assert not {"httpcore2", "urllib3", "websockets"} & set(sys.modules)
handle = aikit.strict()
assert set(handle.coverage().waiting) >= {"httpx2", "urllib3", "websockets"}, handle.coverage()
import httpx2, requests, httpcore2, asyncio, inspect
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_sync
assert set(handle.coverage().watched) >= {"httpx2", "urllib3", "websockets"}, handle.coverage()
assert inspect.getsource(httpcore2)

async def live():
    async with connect("wss://generativelanguage.googleapis.com/ws"):
        pass

for send in (
    lambda: httpx2.get("https://api.openai.com/v1/models"),
    lambda: requests.get("https://api.openai.com/v1/models"),
    lambda: connect_sync("ws://api.openai.com/v1/realtime", sock=__import__("socket").socketpair()[0]),
):
    try:
        send()
    except UnmeteredEndpoint as error:
        print(error.facts["library"])
"""


def test_libraries_that_are_imported_later_are_watched_then() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["httpx2", "urllib3", "websockets"], done.stderr


def test_it_loads_no_sdk() -> None:
    code = (
        "import aikit; aikit.strict(); import sys; print(*{'openai', 'anthropic', 'google.genai'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == ""


def test_settings_that_cant_be_read_are_told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "aikit.toml"
    file.write_text("[providers.mine]\nkind = 3\n")
    monkeypatch.setenv("AIKIT_CONFIG", str(file))
    with pytest.raises(ConfigError):
        aikit.strict()
    assert "_aikit" not in str(http.client.HTTPConnection.putrequest)
