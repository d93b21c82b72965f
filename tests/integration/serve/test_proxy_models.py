"""Which model a request through the server goes to, and in whose name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from cryptography.fernet import Fernet

from aikit.config import Settings, load
from aikit.safe import Safe
from aikit.sim import Simulator
from support.kits import KEYS, Books, write_config
from support.raw_provider import raw_provider
from support.raw_provider import says as raw
from support.sdks import CLAUDE, GEMINI, chat_request, messages_request
from support.serving import SECRET, Serving, serving

ROUTES = """
[providers.second]
kind = "openai"
base_url = "{second}/v1"
[prices."second/*"]
input = "1"
output = "2"
[routes]
chat = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini", "second/gpt-4o-mini"]
claude = ["anthropic/claude-haiku-4-5"]
[routes.twice]
models = ["openai/gpt-5-mini"]
attempts = 2
"""


@contextmanager
def routed(folder: Path, simulator: Simulator, books: Books, second: str) -> Iterator[tuple[Serving, httpx2.Client]]:
    file = write_config(folder, simulator.url, books.dsn, ROUTES.replace("{second}", second))
    with (
        serving(load(file, KEYS)) as served,
        httpx2.Client(base_url=served.url, headers={"x-api-key": SECRET}, timeout=30) as client,
    ):
        yield served, client


def entries(served: Serving, books: Books, count: int) -> list[dict[str, Any]]:
    books.wait_until_settled(count)
    served.kit.flush()
    books.assert_balanced()
    return books.entries()


def asked_of(simulator: Simulator) -> str:
    return str(simulator.served(limit=1)["requests"][-1]["model"])


@pytest.fixture
def client(served: Serving) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=served.url, headers={"x-api-key": SECRET}, timeout=30) as client:
        yield client


def test_a_provider_may_be_named_with_its_model(
    client: httpx2.Client, served: Serving, simulator: Simulator, books: Books
) -> None:
    chat = client.post("/v1/chat/completions", json=chat_request("Hi") | {"model": "openai/gpt-5-mini"})
    assert (chat.status_code, asked_of(simulator)) == (200, "gpt-5-mini")
    message = client.post("/v1/messages", json=messages_request("Hi") | {"model": f"anthropic/{CLAUDE}"})
    assert (message.status_code, asked_of(simulator)) == (200, CLAUDE)
    for path in (f"/v1beta/models/gemini/{GEMINI}", f"/v1beta/models/gemini%2F{GEMINI}", f"/v1/models/gemini/{GEMINI}"):
        said = client.post(f"{path}:generateContent", json={"contents": [{"parts": [{"text": "Hi"}]}]})
        assert (said.status_code, asked_of(simulator)) == (200, GEMINI), said.text
    assert "/v1/models/gpt-5-mini." in client.get("/v1/models/openai/gpt-5-mini").text, "what the provider was asked"
    entries(served, books, 5)


@pytest.mark.parametrize(
    ("path", "body", "kind"),
    [
        ("/v1/chat/completions", chat_request("Hi") | {"model": f"anthropic/{CLAUDE}"}, "openai"),
        ("/v1/messages", messages_request("Hi") | {"model": "openai/gpt-5-mini"}, "anthropic"),
        ("/v1beta/models/openai/gpt-5:generateContent", {"contents": []}, "gemini"),
    ],
)
def test_a_provider_of_another_kind_is_refused_in_the_paths_own_shape(
    client: httpx2.Client, simulator: Simulator, path: str, body: dict[str, Any], kind: str
) -> None:
    refused = client.post(path, json=body)

    assert refused.status_code == 400
    assert "speaks the API of" in refused.json()["error"]["message"]
    assert kind in refused.json()["error"]["message"]
    assert simulator.served()["requests"] == []


def test_a_route_is_served_by_the_models_that_speak_the_api(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    body = b'{"error": {"message": "Down.", "type": "server_error"}}'
    down = raw("HTTP/1.1 500 Internal Server Error\ncontent-type: application/json\ncontent-length: {length}", body)
    with raw_provider(down) as second, routed(tmp_path, simulator, books, second.url) as (served, client):
        answer = client.post("/v1/chat/completions", json=chat_request("Hi") | {"model": "routes.chat"})
        assert (answer.status_code, asked_of(simulator)) == (200, "gpt-5-mini")
        assert client.post("/v1/messages", json=messages_request("Hi") | {"model": "routes.chat"}).status_code == 200
        assert asked_of(simulator) == "claude-haiku-4-5"

        simulator.fault(model="gpt-5-mini", count=1, status=503)
        last = client.post("/v1/chat/completions", json=chat_request("Hi") | {"model": "routes.chat"})
        assert last.status_code in (200, 500)
        assert json.loads(second.requests[0].body)["model"] == "gpt-4o-mini"
        found = entries(served, books, 4)
    assert {entry["call"] for entry in found[2:]} == {found[2]["call"]}, "tries of one call"


def test_a_stream_of_a_route_moves_on_until_its_first_byte(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    with routed(tmp_path, simulator, books, simulator.url) as (served, client):
        for fault in ({"close_before_response": True}, {"status": 503}):
            simulator.fault(model="gpt-5-mini", count=1, **fault)
            ask = chat_request("Hi") | {"model": "routes.chat", "stream": True}
            with client.stream("POST", "/v1/chat/completions", json=ask) as response:
                assert response.status_code == 200
                assert response.read().endswith(b"data: [DONE]\n\n")
            assert asked_of(simulator) == "gpt-4o-mini"
        entries(served, books, 4)


def test_a_route_that_does_not_speak_the_api_or_is_not_there_is_refused(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    with routed(tmp_path, simulator, books, simulator.url) as (_, client):
        for model, told in [("routes.claude", "None of the models"), ("routes.nothing", "no route named")]:
            refused = client.post("/v1/chat/completions", json=chat_request("Hi") | {"model": model})
            assert refused.status_code == 400 and told in refused.json()["error"]["message"]


def test_what_no_model_of_a_route_could_serve_is_told_as_the_last_provider_said_it(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    body = b'{"error": {"message": "Too long.", "type": "invalid_request_error", "code": "context_length_exceeded"}}'
    no = raw("HTTP/1.1 400 Bad Request\ncontent-type: application/json\ncontent-length: {length}", body)
    with raw_provider(no) as provider, routed(tmp_path, simulator, books, provider.url) as (served, client):
        simulator.fault(model="gpt-5-mini", count=1, status=503)
        failed = client.post("/v1/chat/completions", json=chat_request("Hi") | {"model": "routes.chat"})
        entries(served, books, 2)
    assert (failed.status_code, failed.content) == (400, body)


def test_a_request_is_made_in_the_name_of_its_key(client: httpx2.Client, served: Serving, books: Books) -> None:
    bound = served.ring.add("aik_test_bound", user="u1", feature="f1")
    ask = chat_request("Hi")
    assert client.post("/v1/chat/completions", json=ask, headers={"x-aikit-user": "u2"}).status_code == 200
    assert client.post("/v1/chat/completions", json=ask, headers={"x-api-key": bound}).status_code == 200
    same = {"x-api-key": bound, "x-aikit-user": "u1", "x-aikit-tenant": "acme", "x-aikit-environment": "dev"}
    assert client.post("/v1/chat/completions", json=ask, headers=same).status_code == 200
    found = entries(served, books, 3)
    assert [(one["user_id"], one["feature"]) for one in found] == [("u2", None), ("u1", "f1"), ("u1", "f1")]

    claims = [
        ("x-aikit-user", "u2"),
        ("x-aikit-feature", "f2"),
        ("x-aikit-tenant", "b"),
        ("x-aikit-environment", "prod"),
    ]
    for header, other in claims:
        refused = client.post("/v1/chat/completions", json=ask, headers={"x-api-key": bound, header: other})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "KEY_BOUND")
    served.kit.flush()
    assert len(books.entries()) == 3


def test_a_key_of_nobody_or_without_the_right_calls_no_models(client: httpx2.Client, served: Serving) -> None:
    operators = served.ring.add("aik_test_operator", tenant=None)
    reader = served.ring.add("aik_test_reader", rights=frozenset())
    for secret, code in [(operators, "TENANT_REQUIRED"), (reader, "SCOPE_MISSING")]:
        refused = client.post("/v1/chat/completions", json=chat_request("Hi"), headers={"x-api-key": secret})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)


def test_the_same_idempotency_key_is_answered_once_and_again(
    settings: Settings, simulator: Simulator, books: Books
) -> None:
    with serving(replace(settings, safe=Safe([Fernet.generate_key().decode()]))) as served:
        ask = {"headers": {"idempotency-key": "k", "x-api-key": SECRET}, "json": chat_request("Hi")}
        answers = [httpx2.post(f"{served.url}/v1/chat/completions", **ask) for _ in range(2)]
        entries(served, books, 1)
    assert answers[0].content == answers[1].content
    assert len(simulator.served()["requests"]) == 1


@pytest.mark.parametrize("other", [{"environment": "prod"}, {"user": "u-1"}, {"feature": "chat"}])
def test_whoever_is_somebody_else_hears_no_answer_to_the_same_idempotency_key(
    other: dict[str, str], settings: Settings, simulator: Simulator, books: Books
) -> None:
    with serving(replace(settings, safe=Safe([Fernet.generate_key().decode()]))) as served:
        keys = [SECRET, served.ring.add("aik_test_other", **other)]
        ask = {"json": chat_request("Hi")}
        first, second = [
            httpx2.post(f"{served.url}/v1/chat/completions", headers={"idempotency-key": "k", "x-api-key": key}, **ask)
            for key in keys
        ]
        entries(served, books, 1)
    assert (first.status_code, second.status_code) == (200, 422)
    assert second.json()["error"]["code"] == "IDEMPOTENCY_CONFLICT"


def test_an_endpoint_that_is_not_metered_is_refused_and_one_of_nobody_is_not_there(
    served: Serving, client: httpx2.Client, simulator: Simulator
) -> None:
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=SECRET) as sdk,
        pytest.raises(openai.PermissionDeniedError) as raised,
    ):
        sdk.images.generate(model="gpt-image-1", prompt="A cat.")
    assert raised.value.code == "UNMETERED_ENDPOINT"
    embed = client.post(f"/v1beta/models/{GEMINI}:batchEmbedContents", json={"requests": []})
    assert embed.status_code == 403 and embed.json()["error"]["status"]
    batch = client.post("/v1/messages/batches", json={})
    assert (batch.status_code, batch.json()["type"]) == (403, "error")
    nothing = client.get("/v1/nothing")
    assert (nothing.status_code, nothing.json()["reasonCode"]) == (404, "NOT_FOUND")
    assert simulator.served()["requests"] == []
