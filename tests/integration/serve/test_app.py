"""The application by itself: which answer a request gets, whoever handles it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import httpx2
import pytest

from aikit.async_kit import AsyncAIKit
from aikit.errors import ConfigError, MeteringUnavailable, RateLimited
from aikit.serve.answers import give, of_json
from aikit.serve.app import Application
from aikit.serve.model import Exchanged, Receive, Right, Send, ServeOptions, Service
from aikit.serve.routes import Route
from support.serving import SECRET, Ring

HEADERS = {"authorization": f"Bearer {SECRET}"}


async def echo(exchanged: Exchanged, receive: Receive, send: Send) -> None:
    key = exchanged.key
    await give(of_json({"params": exchanged.params, "key": key and key.id, "body": exchanged.body.decode()}), send)


async def fail(exchanged: Exchanged, receive: Receive, send: Send) -> None:
    raise RuntimeError(f"what is secret: {exchanged.body.decode()} {SECRET}")


async def break_off(exchanged: Exchanged, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"max-age=1")]})
    await send({"type": "http.response.body", "body": b"half", "more_body": True})
    raise ConfigError("It broke.")


ROUTES = [
    Route("GET", "/healthz", echo, None),
    Route("POST", "/v1/echo/{name}", echo, Right.COMPLETE),
    Route("GET", "/v1/echo/{name}", echo, Right.COMPLETE),
    Route("GET", "/v1/admin", echo, Right.ADMIN),
    Route("POST", "/v1/fail", fail, Right.COMPLETE),
    Route("POST", "/v1/break", break_off, Right.COMPLETE),
    Route("POST", "/v1/chat/completions", fail, Right.COMPLETE, "openai"),
    Route("POST", "/v1/messages", fail, Right.COMPLETE, "anthropic"),
    Route("POST", "/v1beta/models/{rest...}", fail, Right.COMPLETE, "gemini"),
]


class Client(httpx2.AsyncClient):
    """Asks an application without a socket."""

    def __init__(self, routes: Sequence[Route] = ROUTES, **options: Any) -> None:
        self.ring = Ring()
        self.app = Application(Service(cast(AsyncAIKit, None), self.ring, ServeOptions(**options)), routes)
        transport = httpx2.ASGITransport(cast(Any, self.app))
        super().__init__(transport=transport, base_url="http://server", headers=HEADERS)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with Client() as client:
        yield client


async def test_a_handler_gets_the_key_the_parts_of_the_path_and_the_body(client: Client) -> None:
    answer = await client.post("/v1/echo/a%20b", content="text")
    assert answer.json() == {"params": {"name": "a b"}, "key": "k1", "body": "text"}


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "bearer " + SECRET},
        {"x-api-key": SECRET},
        {"x-goog-api-key": SECRET},
        {"authorization": "Bearer sk-of-a-provider", "x-api-key": SECRET},
    ],
)
async def test_a_key_may_be_where_any_sdk_puts_it(client: Client, headers: dict[str, str]) -> None:
    del client.headers["authorization"]
    assert (await client.get("/v1/echo/a", headers=headers)).status_code == 200
    assert (await client.get(f"/v1/echo/a?x=1&key={SECRET}")).status_code == 200


async def test_without_a_key_nothing_is_done_and_the_api_is_spoken(client: Client) -> None:
    for headers in ({"authorization": ""}, {"authorization": "Bearer aik_test_other"}):
        openai = await client.post("/v1/chat/completions", headers=headers)
        assert (openai.status_code, openai.json()["error"]["type"]) == (401, "authentication_error")
        assert openai.headers["www-authenticate"] == "Bearer" and openai.headers["x-should-retry"] == "false"
        anthropic = await client.post("/v1/messages", headers=headers)
        assert (anthropic.status_code, anthropic.json()["type"]) == (401, "error")
        gemini = await client.post("/v1beta/models/g:generateContent", headers=headers)
        assert (gemini.status_code, gemini.json()["error"]["code"]) == (401, 401)
        native = await client.get("/v1/echo/a", headers=headers)
        assert (native.status_code, native.json()["error"]) == (401, "unauthorized")
    assert (await client.get("/healthz", headers={"authorization": ""})).json()["key"] is None


async def test_a_right_that_the_key_lacks_is_named(client: Client) -> None:
    refused = await client.get("/v1/admin")
    assert (refused.status_code, refused.json()["scope"]) == (403, "admin")


async def test_what_the_ring_says_is_told(client: Client) -> None:
    client.ring.failure = RateLimited("Too often.", retry_after=7.2)
    limited = await client.get("/v1/echo/a")
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "8")
    client.ring.failure = MeteringUnavailable()
    assert (await client.post("/v1/messages")).status_code == 503


async def test_methods_and_paths_that_are_not_there(client: Client) -> None:
    wrong = await client.put("/v1/echo/a")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, POST")
    assert (await client.get("/v1/chat/completions")).json()["error"]["code"] == "METHOD_NOT_ALLOWED"
    nothing = await client.get("/nothing")
    assert (nothing.status_code, nothing.json()["reasonCode"]) == (404, "NOT_FOUND")
    unmetered = await client.post("/v1/images/generations")
    assert (unmetered.status_code, unmetered.json()["error"]["code"]) == (403, "UNMETERED_ENDPOINT")


async def test_other_origins_are_told_nothing(client: Client) -> None:
    asked = {"origin": "https://elsewhere.example", "access-control-request-method": "POST"}
    for answer in (
        await client.options("/v1/chat/completions", headers=asked),
        await client.get("/v1/echo/a", headers=asked),
    ):
        assert not any(name.startswith("access-control") for name in answer.headers)
    assert (await client.options("/v1/echo/a", headers=asked)).status_code == 405


async def test_every_answer_has_the_headers_of_safety(client: Client) -> None:
    for answer in (await client.get("/v1/echo/a"), await client.get("/nothing"), await client.post("/v1/fail")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "server" not in answer.headers


async def test_head_is_answered_as_get_without_its_body(client: Client) -> None:
    got, head = await client.get("/v1/echo/a"), await client.head("/v1/echo/a")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))


async def test_a_fault_of_ours_tells_nothing_to_the_caller_or_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        for path in ("/v1/fail", "/v1/chat/completions", "/v1/messages", "/v1beta/models/g:generateContent"):
            failed = await client.post(path, content="what the user wrote")
            assert failed.status_code == 500
            assert "secret" not in failed.text and failed.headers["x-should-retry"] == "false"
    told = caplog.text
    assert "RuntimeError in POST /v1/fail: test_app.py" in told
    assert "secret" not in told and "user wrote" not in told and SECRET not in told
    assert not any(record.exc_info for record in caplog.records)


async def test_an_answer_that_breaks_off_is_not_made_to_look_whole(client: Client) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {"type": "http", "method": "POST", "path": "/v1/break", "headers": [(b"x-api-key", SECRET.encode())]}
    await client.app(scope, receive, send)
    assert [message.get("body") for message in sent] == [None, b"half"]
    assert sent[-1]["more_body"] is True
    headers = dict(sent[0]["headers"])
    assert headers[b"cache-control"] == b"max-age=1", "what a handler says itself goes before"


async def test_a_body_is_refused_before_it_is_read_if_it_says_that_it_is_too_large() -> None:
    async with Client(most_body=10) as client:
        refused = await client.post("/v1/echo/a", content=b"x" * 11)
        assert (refused.status_code, refused.json()["mostBytes"]) == (413, 10)
        assert (await client.post("/v1/echo/a", content=b"x" * 10)).status_code == 200

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(3):
                yield b"x" * 5

        assert (await client.post("/v1/echo/a", content=pieces())).status_code == 413


@pytest.mark.parametrize("stated", ["-1", "1e3", "٣", "x", "9" * 5000])
async def test_a_length_that_is_none_is_refused(client: Client, stated: str) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    headers = [(b"x-api-key", SECRET.encode()), (b"content-length", stated.encode())]
    await client.app({"type": "http", "method": "POST", "path": "/v1/echo/a", "headers": headers}, receive, send)
    assert sent[0]["status"] in (400, 413)
    assert json.loads(sent[1]["body"])["error"]


async def test_a_caller_who_left_is_not_answered(client: Client) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError("nobody is there")

    headers = [(b"x-api-key", SECRET.encode())]
    await client.app({"type": "http", "method": "POST", "path": "/v1/echo/a", "headers": headers}, receive, send)
    assert client.app.doorway.running == 0


async def test_websockets_are_closed_and_the_servers_own_life_is_taken_note_of(client: Client) -> None:
    told: list[str] = []
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        told.append(message["type"])

    await client.app({"type": "lifespan"}, receive, send)
    await client.app({"type": "websocket", "path": "/v1/realtime", "headers": []}, receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete", "websocket.close"]
