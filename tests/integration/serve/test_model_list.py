"""GET /v1/models: what a key may name there, of all providers that speak OpenAI's API."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from aikit.config import load
from aikit.sim import Simulator
from support.kits import KEYS, TENANT, Books, write_config
from support.raw_provider import Answer, RawProvider, raw_provider, says
from support.sdks import chat_request
from support.serving import SECRET, Serving, serving

SECOND = """
[providers.second]
kind = "openai"
base_url = "{url}/v1"
api_key_env = "SECOND_KEY"
[prices."second/*"]
input = "1"
output = "2"
[routes]
fast = ["second/small", "openai/gpt-5-mini"]
claude = ["anthropic/claude-haiku-4-5"]
"""
OBJECTS = [
    {"id": id, "object": "model", "created": 1_700_000_000, "owned_by": "somebody"}
    for id in ("small", "openai/gpt-oss")
]
JSON = "HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: {length}"
LISTED = says(JSON, json.dumps({"object": "list", "data": OBJECTS}).encode())
NAMED = ["second/small", "second/openai/gpt-oss"]


@contextmanager
def two_providers(
    folder: Path, simulator: Simulator, books: Books, answer: Answer
) -> Iterator[tuple[RawProvider, Serving]]:
    with raw_provider(answer) as second:
        file = write_config(folder, simulator.url, books.dsn, SECOND.replace("{url}", second.url))
        with serving(load(file, {**KEYS, "SECOND_KEY": "key-of-second"})) as served:
            yield second, served


@contextmanager
def client_of(served: Serving, secret: str = SECRET) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key=secret, max_retries=0) as client:
        yield client


def ids(client: openai.OpenAI) -> list[str]:
    return [model.id for model in client.models.list()]


def test_models_of_several_providers_and_the_routes_are_listed_by_names_that_work(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    with two_providers(tmp_path, simulator, books, LISTED) as (_, served), client_of(served) as client:
        found = list(client.models.list())
        listed = [model.id for model in found]
        assert [id for id in listed if not id.startswith("openai/")] == [*NAMED, "routes.fast"]
        assert "openai/gpt-5-mini" in listed and not any("claude" in id for id in listed)
        assert {model.object for model in found} == {"model"}
        assert (found[-1].owned_by, found[-2].owned_by, found[-2].created) == ("aikit", "somebody", 1_700_000_000)
        asked = chat_request("Hi") | {"model": "openai/gpt-5-mini"}
        assert client.chat.completions.create(**asked).model == "gpt-5-mini"
        assert client.models.retrieve("routes.fast").owned_by == "aikit"
    books.wait_until_settled(1)


def test_a_model_is_told_by_the_name_that_it_is_listed_by(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    def told(connection: socket.socket) -> object:
        line = second.requests[-1].line
        return says(JSON, json.dumps(OBJECTS[0]).encode())(connection) if "small" in line else LISTED(connection)

    with two_providers(tmp_path, simulator, books, told) as (second, served), client_of(served) as client:
        for name in NAMED:
            model = client.models.retrieve(name)
            assert (model.id, model.owned_by) == (name, "somebody")
        assert [one.line for one in second.requests] == ["GET /v1/models/small HTTP/1.1", "GET /v1/models HTTP/1.1"]
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("second/openai/nothing")


def test_one_provider_is_named_by_its_own_names_unless_they_mean_another(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    with raw_provider(LISTED) as second:
        keys = {name: key for name, key in KEYS.items() if not name.startswith("OPENAI")}
        more = SECOND.replace("{url}", second.url).partition("[routes]")[0]
        file = write_config(tmp_path, simulator.url, books.dsn, more)
        with serving(load(file, {**keys, "SECOND_KEY": "key-of-second"})) as served, client_of(served) as client:
            assert ids(client) == ["small", "second/openai/gpt-oss"]


@pytest.mark.parametrize(
    "answer",
    [
        says("HTTP/1.1 500 Oops\ncontent-length: {length}", b"{}"),
        says(JSON, b"<html>"),
        says(JSON, b'{"data": null}'),
        lambda connection: False,
    ],
)
def test_a_provider_that_fails_is_left_out_and_named(
    answer: Any, tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    with two_providers(tmp_path, simulator, books, answer) as (_, served):
        told = httpx2.get(f"{served.url}/v1/models", headers={"authorization": f"Bearer {SECRET}"})
    assert (told.status_code, told.headers["x-aikit-unlisted"]) == (200, "second")
    listed = [model["id"] for model in told.json()["data"]]
    assert "openai/gpt-5-mini" in listed and "routes.fast" in listed


def test_when_all_fail_the_first_one_says_so(tmp_path: Path, books: Books) -> None:
    with raw_provider(says("HTTP/1.1 500 Oops\ncontent-length: {length}", b"{}")) as failing:
        file = write_config(tmp_path, failing.url, books.dsn, SECOND.replace("{url}", failing.url))
        with (
            serving(load(file, {**KEYS, "SECOND_KEY": "key-of-second"})) as served,
            client_of(served) as client,
            pytest.raises(openai.InternalServerError) as caught,
        ):
            client.models.list()
    assert "openai" in caught.value.message


def test_what_policies_forbid_is_not_listed_nor_told(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    with two_providers(tmp_path, simulator, books, LISTED) as (_, served), client_of(served) as client:
        books.policy('[default]\nuncapped = true\nmodels = { allow = ["second/*"], deny = ["second/openai/*"] }')
        assert ids(client) == ["second/small", "routes.fast"]
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.models.retrieve("openai/gpt-5-mini")
        assert caught.value.code == "MODEL_NOT_ALLOWED"
        books.policy('[default]\nuncapped = true\nmodels = { allow = ["nothing/*"] }')
        assert ids(client) == []


def test_with_one_provider_what_policies_forbid_is_left_out_of_what_it_says(served: Serving, books: Books) -> None:
    with client_of(served) as client:
        before = ids(client)
        books.policy('[default]\nuncapped = true\nmodels = { deny = ["openai/gpt-4*"] }')
        after = ids(client)
    assert after == [id for id in before if not id.startswith("gpt-4")] and after != before


def test_a_key_of_the_request_goes_to_no_other_provider(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    with two_providers(tmp_path, simulator, books, LISTED) as (second, served):
        headers = {"authorization": f"Bearer {SECRET}", "x-aikit-provider-key": "of-the-caller"}
        told = httpx2.get(f"{served.url}/v1/models", headers=headers)
        assert "gpt-5-mini" in [model["id"] for model in told.json()["data"]]
        assert second.requests == []
        served.ring.of_providers[TENANT, "dev", "second"] = "of-the-tenant"
        assert httpx2.get(f"{served.url}/v1/models", headers={"x-api-key": SECRET}).status_code == 200
        assert [one.header("authorization") for one in second.requests] == ["Bearer of-the-tenant"]


def test_other_apis_keep_their_own_lists(tmp_path: Path, simulator: Simulator, books: Books) -> None:
    with two_providers(tmp_path, simulator, books, LISTED) as (second, served):
        with anthropic.Anthropic(base_url=served.url, api_key=SECRET) as client:
            assert "claude-sonnet-5" in [model.id for model in client.models.list()]
        google = genai.Client(api_key=SECRET, http_options=types.HttpOptions(base_url=served.url))
        assert "models/gemini-2.5-flash" in [model.name for model in google.models.list()]
        assert second.requests == []
