"""A metered client behaves like the bare one: it shows what was asked for, and refuses in the SDK's own words."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google.genai import errors as genai_errors

import aikit
from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import TENANT, Books

HELLO: Any = [{"role": "user", "content": "Hello there"}]
ODD = b'{ "model":"gpt-4o-mini" ,"choices":[], "usage": {"prompt_tokens": 7, "completion_tokens": 3}, "x":"\xc3\xa9"}\n'


class Provider:
    """A provider in this process, which remembers what it was sent."""

    def __init__(self, settings: Settings, body: bytes, **headers: str) -> None:
        self.requests: list[httpx2.Request] = []
        self._body, self._headers = body, headers
        http_client = httpx2.Client(transport=httpx2.MockTransport(self._answer))
        url = settings.provider("openai").base_url
        self.client = openai.OpenAI(api_key="k", base_url=url, http_client=http_client, max_retries=0)

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        return httpx2.Response(200, content=self._body, headers=self._headers)


def chat(client: openai.OpenAI, **more: Any) -> Any:
    return client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, **more)


def test_the_usage_chunk_is_hidden_from_who_did_not_ask(kit: AIKit) -> None:
    chunks = list(chat(kit.openai(tenant=TENANT), stream=True))
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_the_usage_chunk_is_shown_to_who_asked(kit: AIKit, books: Books) -> None:
    *_, last = chat(kit.openai(tenant=TENANT), stream=True, stream_options={"include_usage": True})
    kit.flush()
    entry = books.entry()
    assert (last.usage.prompt_tokens, last.choices) == (entry["input"] + entry["cache_read"], [])


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
def test_the_body_is_the_providers_own(kit: AIKit, settings: Settings, books: Books, compressed: bool) -> None:
    headers = {"content-encoding": "gzip"} if compressed else {}
    provider = Provider(settings, gzip.compress(ODD) if compressed else ODD, **headers)
    raw = kit.wrap(provider.client, tenant=TENANT).chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=HELLO
    )
    assert raw.content == ODD
    kit.flush()
    # gpt-4o-mini: 7 × 150 + 3 × 600
    assert books.entry()["nano"] == 2_850


def test_the_bytes_of_a_stream_are_the_providers_own(kit: AIKit, settings: Settings) -> None:
    stream = b': hi\r\n\r\ndata: {"choices": [{}] , "x": 1}\n\n\n' + b"data: " + ODD + b"\ndata: [DONE]\n\n"
    provider = Provider(settings, stream)
    completions = kit.wrap(provider.client, tenant=TENANT).chat.completions
    with completions.with_streaming_response.create(
        model="gpt-4o-mini", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as response:
        assert b"".join(response.iter_bytes()) == stream


def test_a_request_that_says_everything_is_sent_as_it_is(kit: AIKit, settings: Settings) -> None:
    provider = Provider(settings, ODD)
    chat(provider.client, max_completion_tokens=5)
    chat(kit.wrap(provider.client, tenant=TENANT), max_completion_tokens=5)
    bare, metered = provider.requests
    assert metered.content == bare.content
    assert dict(metered.headers) == dict(bare.headers)


def test_a_request_without_a_limit_gets_one_and_nothing_else(kit: AIKit, settings: Settings) -> None:
    provider = Provider(settings, ODD)
    chat(provider.client)
    chat(kit.wrap(provider.client, tenant=TENANT))
    bare, metered = (json.loads(request.content) for request in provider.requests)
    # The provider stands at an address of its own, so it is asked in the words that every compatible server knows.
    assert metered == {**bare, "max_tokens": 4096}


def test_our_headers_are_kept_from_the_provider(kit: AIKit, settings: Settings, books: Books) -> None:
    provider = Provider(settings, ODD)
    ours = {"x-aikit-user": "u1", "X-AIKit-Feature": "f1", "x-aikit-environment": "prod", "x-aikit-tenant": TENANT}
    chat(kit.wrap(provider.client), extra_headers={**ours, "x-mine": "1"})
    (request,) = provider.requests
    assert [name for name in request.headers if name.startswith("x-aikit")] == []
    assert request.headers["x-mine"] == "1"
    kit.flush()
    entry = books.entry()
    assert [entry[name] for name in ("tenant", "user_id", "feature", "environment")] == [TENANT, "u1", "f1", "prod"]


def test_a_free_endpoint_is_not_metered_and_not_told_our_tags(kit: AIKit, settings: Settings, books: Books) -> None:
    provider = Provider(settings, b'{"data": [{"id": "m", "object": "model"}], "object": "list"}')
    assert [model.id for model in kit.wrap(provider.client).models.list(extra_headers={"x-aikit-user": "u"})] == ["m"]
    assert "x-aikit-user" not in provider.requests[0].headers
    kit.flush()
    assert (books.entries(), books.refusals()) == ([], [])


def test_the_response_says_what_it_cost(kit: AIKit, settings: Settings, books: Books) -> None:
    books.limit(usd="1")
    raw = kit.wrap(Provider(settings, ODD).client, tenant=TENANT).chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=HELLO, max_tokens=10
    )
    kit.flush()
    entry = books.entry()
    assert raw.headers["x-aikit-cost-usd"] == "0.00000285"
    assert raw.headers["x-aikit-credits"] == "1"
    assert raw.headers["x-aikit-decision-id"] == str(entry["attempt"])
    assert raw.headers["x-aikit-call-id"] == str(entry["call"])
    # What is left is counted while the call is held: $1 less the hold, in whole credits.
    assert int(raw.headers["x-aikit-limit-remaining"]) == (1_000_000_000 - entry["held_nano"]) // 100_000


def denied(kit: AIKit, **tags: str | None) -> Iterator[tuple[type[Exception], Callable[[], Any]]]:
    """Every call that the three SDKs offer, with the class of the exception that it raises for 402."""
    of_openai, of_anthropic, of_google = kit.openai(**tags), kit.anthropic(**tags), kit.gemini(**tags)
    claude: Any = {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": HELLO}
    gemini: Any = {"model": "gemini-2.5-flash", "contents": "Hello"}
    for stream in (False, True):
        yield openai.APIStatusError, lambda stream=stream: chat(of_openai, stream=stream)
        yield (
            openai.APIStatusError,
            lambda stream=stream: of_openai.responses.create(model="gpt-5", input="Hi", stream=stream),
        )
        yield anthropic.APIStatusError, lambda stream=stream: of_anthropic.messages.create(stream=stream, **claude)
    yield openai.APIStatusError, lambda: of_openai.embeddings.create(model="text-embedding-3-small", input="Hi")
    yield genai_errors.ClientError, lambda: of_google.models.generate_content(**gemini)
    yield genai_errors.ClientError, lambda: list(of_google.models.generate_content_stream(**gemini))


@pytest.mark.parametrize(
    ("tenant", "status", "code"),
    [
        (TENANT, 402, "MONTHLY_BUDGET_EXCEEDED"),
        ("nobody", 403, "TENANT_UNKNOWN"),
        ("poor", 403, "NO_POLICY"),
        (None, 403, "TENANT_REQUIRED"),
    ],
)
def test_a_denied_call_sends_nothing_and_raises_the_sdks_own_error(
    kit: AIKit, books: Books, simulator: Simulator, tenant: str | None, status: int, code: str
) -> None:
    books.limit(usd="0")
    books.tell("INSERT INTO aikit.tenants VALUES ('poor')")
    for error, call in denied(kit, tenant=tenant):
        with pytest.raises(error) as refused:
            call()
        assert status in (getattr(refused.value, "status_code", None), getattr(refused.value, "code", None))
        assert code in json.dumps(getattr(refused.value, "body", None) or getattr(refused.value, "details", None))
    kit.flush()
    assert simulator.served()["totals"]["requests"] == 0
    assert {row["reason_code"] for row in books.refusals()} == {code}
    assert books.entries() == []
    books.assert_balanced()


def test_a_denied_call_is_not_retried(kit: AIKit, books: Books) -> None:
    books.limit(usd="0")
    with pytest.raises(openai.APIStatusError):
        chat(kit.openai(tenant=TENANT, max_retries=2))
    with pytest.raises(anthropic.APIStatusError):
        kit.anthropic(tenant=TENANT, max_retries=2).messages.create(
            model="claude-haiku-4-5", max_tokens=50, messages=HELLO
        )
    kit.flush()
    assert len(books.refusals()) == 2


def test_the_body_of_a_denial_tells_the_facts(kit: AIKit, books: Books) -> None:
    books.limit(usd="0.0001")
    with pytest.raises(openai.APIStatusError) as refused:
        chat(kit.openai(tenant=TENANT), max_tokens=1_000)
    body: Any = refused.value.body
    assert (body["type"], body["code"]) == ("budget_exceeded", "MONTHLY_BUDGET_EXCEEDED")
    facts = body["metadata"]
    assert (facts["reason"], facts["limit_source"]) == ("cap", "tenant:acme")
    (state,) = facts["limit_state"]
    assert (state["cap_usd"], state["used_usd"], state["window"]) == ("0.0001", "0", "month")
    assert facts["resets_at"].endswith("-01T00:00:00Z")
    kit.flush()
    assert facts["decision_id"] == str(books.refusals()[0]["attempt"])


def test_tags_of_the_context_go_before_those_of_the_client(kit: AIKit, books: Books) -> None:
    client = kit.openai(tenant=TENANT, user="u1", feature="f1")
    with aikit.tags(user="u2"), aikit.tags(environment="staging"):
        chat(client)
    chat(client)
    kit.flush()
    found = [(e["user_id"], e["feature"], e["environment"]) for e in books.entries()]
    assert found == [("u2", "f1", "staging"), ("u1", "f1", "dev")]


def test_each_thread_has_its_own_tags(kit: AIKit, books: Books) -> None:
    client = kit.openai(tenant=TENANT)
    together = threading.Barrier(5)

    def run(user: str) -> None:
        with aikit.tags(user=user):
            together.wait()
            chat(client)

    threads = [threading.Thread(target=run, args=(f"u{n}",)) for n in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kit.flush()
    assert sorted(e["user_id"] for e in books.entries()) == ["u0", "u1", "u2", "u3", "u4"]
    books.assert_balanced()


async def test_each_task_has_its_own_tags(async_kit: AsyncAIKit, books: Books) -> None:
    client = async_kit.openai()

    async def run(user: str) -> None:
        with aikit.tags(tenant=TENANT, user=user):
            await asyncio.sleep(0)
            stream = await client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True)
        async for _ in stream:
            pass

    await asyncio.gather(*(run(f"u{n}") for n in range(5)))
    async_kit.flush()
    assert sorted(e["user_id"] for e in books.entries()) == ["u0", "u1", "u2", "u3", "u4"]
    books.assert_balanced()
