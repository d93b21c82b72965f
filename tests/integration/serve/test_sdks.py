"""The official SDKs for Python, with another base URL and key alone: the same bytes as directly, and their errors."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from support.byte_equal import World, a_world, assert_same_answer, assert_same_request
from support.replaying import with_null_usage
from support.sdks import CHAT_MODEL, CLAUDE, GEMINI, chat_request, messages_request

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CHAT = chat_request("Say something.") | {"max_completion_tokens": 200}
STREAM = {"stream": True, "stream_options": {"include_usage": True}}
FUNCTION = {"type": "function", "function": {"name": "weather", "description": "Of a city.", "parameters": WEATHER}}
MESSAGES = messages_request("Say something.")
TOOL = {"name": "weather", "description": "Of a city.", "input_schema": WEATHER}
RESPONSES = {"model": CHAT_MODEL, "input": "Say something.", "max_output_tokens": 200}
SEEN = [
    {"type": "text", "text": "What is it?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
]
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
DECLARED = types.Tool(function_declarations=[types.FunctionDeclaration(name="weather", parameters_json_schema=WEATHER)])


@dataclass
class Wire:
    """What a client saw on its connections."""

    exchanges: list[dict[str, Any]] = field(default_factory=list)

    def keep(self, response: httpx2.Response) -> None:
        response.read()
        self._keep(response)

    async def keep_async(self, response: httpx2.Response) -> None:
        await response.aread()
        self._keep(response)

    def _keep(self, response: httpx2.Response) -> None:
        self.exchanges.append({
            "sent": response.request.content,
            "status": response.status_code,
            "headers": response.headers.multi_items(),
            "body": response.content,
        })  # fmt: skip


class Clients:
    """The official clients at one address."""

    def __init__(self, url: str, key: str, case: str) -> None:
        self.wire = Wire()
        self._http = httpx2.Client(event_hooks={"response": [self.wire.keep]}, timeout=60)
        named = {"x-case": case}
        self.openai = openai.OpenAI(base_url=f"{url}/v1", api_key=key, http_client=self._http, default_headers=named)
        self.anthropic = anthropic.Anthropic(base_url=url, api_key=key, http_client=self._http, default_headers=named)
        options = types.HttpOptions(base_url=url, headers=named, httpx_client=self._http)
        self.google = genai.Client(api_key=key, http_options=options)

    def close(self) -> None:
        self._http.close()


class AsyncClients:
    """The same for an event loop."""

    def __init__(self, url: str, key: str, case: str) -> None:
        self.wire = Wire()
        self._http = httpx2.AsyncClient(event_hooks={"response": [self.wire.keep_async]}, timeout=60)
        named = {"x-case": case}
        self.openai = openai.AsyncOpenAI(
            base_url=f"{url}/v1", api_key=key, http_client=self._http, default_headers=named
        )
        self.anthropic = anthropic.AsyncAnthropic(
            base_url=url, api_key=key, http_client=self._http, default_headers=named
        )
        options = types.HttpOptions(base_url=url, headers=named, httpx_async_client=self._http)
        self.google = genai.Client(api_key=key, http_options=options).aio

    async def close(self) -> None:
        await self._http.aclose()


def generate(clients: Clients, contents: Any = "Say something.", **config: Any) -> types.GenerateContentResponse:
    settings = types.GenerateContentConfig(max_output_tokens=200, **config)
    return clients.google.models.generate_content(model=GEMINI, contents=contents, config=settings)


def messages_stream(clients: Clients, **more: Any) -> Any:
    with clients.anthropic.messages.stream(**MESSAGES, **more) as stream:
        return stream.get_final_message()


CASES: dict[str, Callable[[Clients], Any]] = {
    "openai.chat": lambda to: to.openai.chat.completions.create(**CHAT),
    "openai.chat.stream": lambda to: list(to.openai.chat.completions.create(**CHAT, **STREAM)),
    "openai.chat.stream.unasked": lambda to: list(to.openai.chat.completions.create(**CHAT, stream=True)),
    "openai.chat.tools": lambda to: to.openai.chat.completions.create(**CHAT, tools=[FUNCTION]),
    "openai.chat.tools.stream": lambda to: list(to.openai.chat.completions.create(**CHAT, **STREAM, tools=[FUNCTION])),
    "openai.chat.image": lambda to: to.openai.chat.completions.create(
        **CHAT | {"messages": [{"role": "user", "content": SEEN}]}
    ),
    "openai.responses": lambda to: to.openai.responses.create(**RESPONSES),
    "openai.responses.stream": lambda to: list(to.openai.responses.create(**RESPONSES, stream=True)),
    "openai.responses.tools": lambda to: to.openai.responses.create(
        **RESPONSES, tools=[{"type": "function", "name": "weather", "parameters": WEATHER, "strict": False}]
    ),
    "openai.embeddings": lambda to: to.openai.embeddings.create(model="text-embedding-3-small", input=["one", "two"]),
    "openai.models": lambda to: to.openai.models.list().data,
    "anthropic.messages": lambda to: to.anthropic.messages.create(**MESSAGES),
    "anthropic.messages.stream": lambda to: list(to.anthropic.messages.create(**MESSAGES, stream=True)),
    "anthropic.messages.helper": messages_stream,
    "anthropic.messages.tools": lambda to: to.anthropic.messages.create(**MESSAGES, tools=[TOOL]),
    "anthropic.messages.tools.stream": lambda to: messages_stream(to, tools=[TOOL]),
    "anthropic.messages.image": lambda to: to.anthropic.messages.create(
        **MESSAGES | {"messages": [{"role": "user", "content": [IMAGE, SEEN[0]]}]}
    ),
    "anthropic.count_tokens": lambda to: to.anthropic.messages.count_tokens(
        model=CLAUDE, messages=MESSAGES["messages"]
    ),
    "anthropic.models": lambda to: to.anthropic.models.list().data,
    "google.generate": generate,
    "google.generate.stream": lambda to: list(
        to.google.models.generate_content_stream(model=GEMINI, contents="Say something.")
    ),
    "google.generate.tools": lambda to: generate(
        to,
        tools=[DECLARED],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    ),
    "google.generate.image": lambda to: generate(
        to, [types.Part.from_bytes(data=base64.b64decode(PIXEL), mime_type="image/png"), "What is it?"]
    ),
    "google.models": lambda to: list(to.google.models.list()),
}
FREE = {"openai.models", "anthropic.count_tokens", "anthropic.models", "google.models"}


async def _all(stream: Awaitable[Any]) -> list[Any]:
    return [piece async for piece in await stream]


ASYNC: dict[str, Callable[[AsyncClients], Awaitable[Any]]] = {
    "async.openai.chat": lambda to: to.openai.chat.completions.create(**CHAT),
    "async.openai.chat.stream": lambda to: _all(to.openai.chat.completions.create(**CHAT, **STREAM)),
    "async.openai.chat.stream.unasked": lambda to: _all(to.openai.chat.completions.create(**CHAT, stream=True)),
    "async.openai.responses.stream": lambda to: _all(to.openai.responses.create(**RESPONSES, stream=True)),
    "async.anthropic.messages": lambda to: to.anthropic.messages.create(**MESSAGES),
    "async.anthropic.messages.stream": lambda to: _all(to.anthropic.messages.create(**MESSAGES, stream=True)),
    "async.google.generate": lambda to: to.google.models.generate_content(model=GEMINI, contents="Say something."),
    "async.google.generate.stream": lambda to: _all(
        to.google.models.generate_content_stream(model=GEMINI, contents="Say something.")
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_server: str, ledger_template: str) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("sdks"), postgres_server, ledger_template) as world:
        yield world


def called(case: str, url: str, key: str) -> tuple[Any, list[dict[str, Any]]]:
    if case in ASYNC:
        return asyncio.run(_called(case, url, key))
    clients = Clients(url, key, case)
    try:
        return CASES[case](clients), clients.wire.exchanges
    finally:
        clients.close()


async def _called(case: str, url: str, key: str) -> tuple[Any, list[dict[str, Any]]]:
    clients = AsyncClients(url, key, case)
    try:
        return await ASYNC[case](clients), clients.wire.exchanges
    finally:
        await clients.close()


@pytest.mark.parametrize("case", [*CASES, *ASYNC])
def test_a_call_comes_to_the_same_as_directly_byte_for_byte_and_is_charged_exactly(case: str, world: World) -> None:
    before = len(world.books.entries())
    direct, direct_wire = called(case, world.provider.url, "sim")
    served, served_wire = called(case, world.server.url, world.secret)

    assert served and _told(served) == _told(direct)
    assert len(direct_wire) == len(served_wire) == 1
    assert served_wire[0]["sent"] == direct_wire[0]["sent"]
    if "unasked" in case:
        direct_wire[0]["body"] = with_null_usage(direct_wire[0]["body"])
    assert_same_answer(direct_wire[0], served_wire[0])
    written_in: tuple[str, ...] = ("stream_options",) if "unasked" in case else ()
    if "google.generate" in case and b"axOutput" not in direct_wire[0]["sent"]:
        written_in = ("generationConfig",)
    assert_same_request(*world.provider.came[case], written_in=written_in)

    world.books.wait_until_settled(before + (case not in FREE))
    world.books.assert_balanced()
    entries = world.books.entries()
    assert len(entries) == before + (case not in FREE)
    assert not [entry for entry in entries if entry["estimated"]]


def _told(answer: Any) -> Any:
    """An SDK's objects without what the SDK keeps of the response's headers."""
    if isinstance(answer, list):
        return [_told(one) for one in answer]
    return answer.model_dump(mode="json", exclude={"sdk_http_response"})


def test_a_tool_is_called_as_the_model_said(world: World) -> None:
    answer, _ = called("openai.chat.tools", world.server.url, world.secret)
    assert answer.choices[0].message.tool_calls[0].function.arguments == '{"city": "Zürich"}'
    message, _ = called("anthropic.messages.tools.stream", world.server.url, world.secret)
    assert message.content[0].input == {"city": "Zürich"}
    generated, _ = called("google.generate.tools", world.server.url, world.secret)
    assert generated.function_calls[0].args == {"city": "Zürich"}


@pytest.mark.parametrize("case", [case for case in [*CASES, *ASYNC] if case not in FREE])
def test_a_cap_that_is_used_up_is_the_sdks_own_error(case: str, world: World) -> None:
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError, genai.errors.ClientError)) as caught:
        called(case, world.server.url, world.broke)
    raised: Any = caught.value
    assert (raised.code if isinstance(raised, genai.errors.ClientError) else raised.status_code) == 402
    assert "MONTHLY_BUDGET_EXCEEDED" in str(getattr(raised, "body", raised)) or "cap" in str(raised)
    if "anthropic" in case:
        assert type(raised).__name__ == "PaymentRequiredError"


@pytest.mark.parametrize("case", ["openai.chat", "anthropic.messages"])
def test_a_cap_is_asked_once_and_a_providers_429_again(case: str, world: World) -> None:
    clients = Clients(world.server.url, world.broke, case)
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)):
        CASES[case](clients)
    clients.close()
    assert [one["status"] for one in clients.wire.exchanges] == [402]

    world.provider.said.pop(case, None)
    world.simulator.fault(status=429, retry_after=0.05, count=1)
    _, exchanges = called(case, world.server.url, world.secret)
    assert [one["status"] for one in exchanges] == [429, 200]
