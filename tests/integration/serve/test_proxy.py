"""The providers' own APIs through the server: official SDKs, unmodified but for base URL and key."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai

from aikit import strict
from aikit.errors import UnmeteredEndpoint
from aikit.sim import Simulator
from support.kits import Books, tokens
from support.sdks import CHAT_MODEL, CLAUDE, GEMINI, Sdks, chat_request, messages_request, says
from support.serving import SECRET, Serving


@pytest.fixture
def clients(served: Serving) -> Iterator[Sdks]:
    options = genai.types.HttpOptions(base_url=served.url, api_version="v1beta")
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=SECRET) as of_openai,
        anthropic.Anthropic(base_url=served.url, api_key=SECRET) as of_anthropic,
        genai.Client(api_key=SECRET, http_options=options) as of_google,
    ):
        yield Sdks(of_openai, of_anthropic, of_google)


def settled(served: Serving, books: Books, entries: int = 1) -> list[dict[str, Any]]:
    """The lines of the ledger once all has been settled, and they balance."""
    books.wait_until_settled(entries)
    served.kit.flush()
    books.assert_balanced()
    return books.entries()


def test_a_chat_completion_is_answered_and_charged(clients: Sdks, served: Serving, books: Books) -> None:
    answer = clients.openai.chat.completions.create(**chat_request("Hello."))

    assert answer.choices[0].message.content and answer.usage
    (entry,) = settled(served, books)
    assert (entry["tenant"], entry["environment"], entry["model"]) == ("acme", "dev", CHAT_MODEL)
    assert sum(tokens(entry).values()) == answer.usage.total_tokens


def test_streams_of_all_sdks_are_charged_for_what_they_used(clients: Sdks, served: Serving, books: Books) -> None:
    chat = clients.openai.chat.completions.create(**chat_request("Hello."), stream=True)
    assert "".join([chunk.choices[0].delta.content or "" for chunk in chat])
    with clients.anthropic.messages.stream(**messages_request("Hello.")) as stream:
        assert "".join(stream.text_stream)
        usage = stream.get_final_message().usage
    pieces = list(clients.gemini.models.generate_content_stream(model=GEMINI, contents="Hello."))
    assert pieces[-1].usage_metadata

    entries = settled(served, books, 3)
    assert [entry["provider"] for entry in entries] == ["openai", "anthropic", "gemini"]
    assert not any(entry["estimated"] for entry in entries)
    assert tokens(entries[1])["output"] == usage.output_tokens


def test_responses_embeddings_messages_and_gemini_are_answered(clients: Sdks, served: Serving, books: Books) -> None:
    assert clients.openai.responses.create(model=CHAT_MODEL, input="Hello.").output_text
    assert clients.openai.embeddings.create(model="text-embedding-3-small", input="Hello.").data[0].embedding
    assert clients.anthropic.messages.create(**messages_request("Hello.")).content
    assert clients.gemini.models.generate_content(model=GEMINI, contents="Hello.").text

    assert [entry["provider"] for entry in settled(served, books, 4)] == ["openai", "openai", "anthropic", "gemini"]


def test_what_nobody_bills_passes_without_an_entry(clients: Sdks, served: Serving, books: Books) -> None:
    assert clients.openai.models.list().data
    assert clients.anthropic.models.list().data
    assert list(clients.gemini.models.list())
    counted = clients.anthropic.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "Hello."}])
    assert counted.input_tokens
    with pytest.raises(genai.errors.ClientError, match="simulated provider has no"):  # which is to say: it was asked
        clients.gemini.models.count_tokens(model=GEMINI, contents="Hello.")

    served.kit.flush()
    assert books.entries() == []
    books.assert_balanced()


def test_what_the_server_sends_passes_in_a_process_that_lets_nothing_past_the_kit(
    served: Serving, simulator: Simulator, books: Books
) -> None:
    with strict(served.kit.settings):
        answer = httpx2.post(
            f"{served.url}/v1/chat/completions", json=chat_request("Hi"), headers={"x-api-key": SECRET}
        )
        with pytest.raises(UnmeteredEndpoint):
            httpx2.get(f"{simulator.url}/v1/models")
    assert answer.status_code == 200, answer.text
    settled(served, books)


async def test_coroutines_of_the_sdks_are_served_alike(served: Serving, books: Books) -> None:
    async with openai.AsyncOpenAI(base_url=f"{served.url}/v1", api_key=SECRET) as client:
        answers = await asyncio.gather(
            *[client.chat.completions.create(**chat_request(f"Hello {number}.")) for number in range(20)]
        )
    assert all(answer.choices for answer in answers)
    await asyncio.to_thread(settled, served, books, 20)


def test_answers_through_the_server_are_those_of_the_provider(
    served: Serving, simulator: Simulator, books: Books
) -> None:
    """Byte for byte, but for the marks that the simulated provider puts on each of its answers."""
    asks: list[tuple[str, dict[str, Any]]] = [
        ("/v1/chat/completions", chat_request(says({"text": "Alike é."}))),
        ("/v1/chat/completions", chat_request(says({"text": "Alike é."})) | {"stream": True, **with_usage}),
        ("/v1/responses", {"model": CHAT_MODEL, "input": says({"text": "Alike."}), "max_output_tokens": 20}),
        (
            "/v1/responses",
            {"model": CHAT_MODEL, "input": says({"text": "Alike."}), "max_output_tokens": 20, "stream": True},
        ),
        ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Alike."}),
        ("/v1/messages", messages_request(says({"text": "Alike."}))),
        ("/v1/messages", messages_request(says({"text": "Alike."})) | {"stream": True}),
        (f"/v1beta/models/{GEMINI}:generateContent", gemini_request()),
        (f"/v1beta/models/{GEMINI}:streamGenerateContent?alt=sse", gemini_request()),
        (f"/v1beta/models/{GEMINI}:streamGenerateContent", gemini_request()),
    ]
    with httpx2.Client(headers={"x-api-key": SECRET, "anthropic-version": "2023-06-01"}, timeout=30) as client:
        for path, ask in asks:
            through, direct = (client.post(f"{base}{path}", json=ask) for base in (served.url, simulator.url))
            assert through.status_code == direct.status_code == 200, through.text
            assert unmarked(through.content) == unmarked(direct.content)
            assert through.headers["content-type"] == direct.headers["content-type"]
    settled(served, books, len(asks))


with_usage = {"stream_options": {"include_usage": True}}


def gemini_request() -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": [{"text": says({"text": "Alike."})}]}]}


def unmarked(body: bytes) -> bytes:
    """An answer without its number and its second."""
    body = re.sub(rb"sim-\d+", b"sim-N", body)
    body = re.sub(rb'("created(?:_at)?": ?)\d+(?:\.\d+)?', rb"\g<1>0", body)
    return re.sub(rb'"obfuscation": ?"[^"]*"', b'"obfuscation":""', body)
