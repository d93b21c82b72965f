"""Which bytes reach a provider, and which come back: all of them, but for what is not to be passed on."""

from __future__ import annotations

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from aikit.config import load
from aikit.serve.model import ServeOptions
from support.kits import KEYS, Books, write_config
from support.raw_provider import Answer, RawProvider, raw_provider, says
from support.serving import SECRET, Serving, serving

BODY = (
    b'{\n "messages":[ {"content":"Hi \\u00e9 \xc3\xa9","role":"user"}], "model" : "gpt-5-mini",'
    b'"max_completion_tokens": 5e1,"x":1.50}\n'
).replace(b"5e1", b"50")
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "gpt-5-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    },
    indent=1,
).encode()
PLAIN = "HTTP/1.1 200 OK\ncontent-type: application/json\ncontent-length: {length}"
EVENTS = "HTTP/1.1 200 OK\ncontent-type: text/event-stream\ntransfer-encoding: chunked"
CHUNK = (
    b'data: {"id":"1","object":"chat.completion.chunk","model":"gpt-5-mini",'
    b'"choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'
)
LAST = (
    b'data: {"id":"1","object":"chat.completion.chunk","model":"gpt-5-mini","choices":[],"usage":{"prompt_tokens":3,'
    b'"completion_tokens":2,"total_tokens":5}}\n\ndata: [DONE]\n\n'
)
ASK_STREAM = json.loads(BODY) | {"stream": True, "stream_options": {"include_usage": True}}


def chunked(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece)


@contextmanager
def proxied(
    folder: Path, books: Books, answer: Answer, options: ServeOptions | None = None
) -> Iterator[tuple[RawProvider, Serving, httpx2.Client]]:
    with raw_provider(answer) as provider:
        settings = load(write_config(folder, provider.url, books.dsn), KEYS)
        with (
            serving(settings, options) as served,
            httpx2.Client(base_url=served.url, headers={"authorization": f"Bearer {SECRET}"}, timeout=30) as client,
        ):
            yield provider, served, client


def settle(served: Serving, books: Books) -> None:
    books.wait_until_settled(1)
    served.kit.flush()
    books.assert_balanced()


def test_a_request_reaches_its_provider_byte_for_byte(tmp_path: Path, books: Books) -> None:
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, served, client):
        answer = client.post(
            "/v1/chat/completions?a=%2F&key=of-nobody&b",
            content=BODY,
            headers={
                "content-type": "application/json; charset=utf-8",
                "x-custom": "kept",
                "user-agent": "someone/1",
                "cookie": "session=secret",
                "x-forwarded-for": "10.0.0.1",
                "x-aikit-user": "u1",
                "x-aikit-prompt-nothing": "x",
                "idempotency-key": "once",
                "openai-organization": "org-of-another",
                "x-api-key": "another",
            },
        )
        assert answer.status_code == 200
        settle(served, books)

    (came,) = provider.requests
    assert came.line == "POST /v1/chat/completions?a=%2F&b HTTP/1.1"
    assert came.body == BODY
    assert sorted(came.headers) == [
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("authorization", "Bearer key-of-openai"),
        ("content-length", str(len(BODY))),
        ("content-type", "application/json; charset=utf-8"),
        ("host", provider.url.removeprefix("http://")),
        ("user-agent", "someone/1"),
        ("x-custom", "kept"),
    ]
    assert (books.entry()["user_id"], books.entry()["environment"]) == ("u1", "dev")


def test_headers_reach_a_provider_in_utf_8_as_they_came(tmp_path: Path, books: Books) -> None:
    title = "Grüße ☂".encode()
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, _, client):
        for body, value in (
            (BODY, title),
            (BODY, b"\xfc"),
            (BODY.replace(b'"max_completion_tokens": 50,', b""), title),
        ):
            answer = client.post("/v1/chat/completions", content=body, headers=[(b"x-title", value)])
            assert answer.status_code == 200, answer.text
        books.wait_until_settled(3)
    first, second, written = provider.requests
    assert b"x-title: " + title + b"\r\n" in written.head and b"max_tokens" in written.body
    assert b"x-title: " + title + b"\r\n" in first.head
    assert "x-title: ü".encode() + b"\r\n" in second.head


@pytest.mark.parametrize("spelled", ["key", "%6bey", "k%65y", "%6B%65%79"])
def test_a_key_in_the_query_is_not_sent_on_however_it_is_spelled(spelled: str, tmp_path: Path, books: Books) -> None:
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, served, client):
        client.post(f"/v1/chat/completions?{spelled}={SECRET}&beta=%74rue", content=BODY)
        settle(served, books)
    assert provider.requests[0].line == "POST /v1/chat/completions?beta=%74rue HTTP/1.1"


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/..%2f..%2fadmin%2fmodels",
        "/v1/models/%2e%2e/admin/models",
        "/v1/models/../admin/models/x",
        "/v1/models/./x",
        "/v1/models/a%00b",
        "/v1beta/models/../../models",
        "/v1beta/models/gemini%2f..%2fx",
    ],
)
@pytest.mark.parametrize("whose", ["authorization", "anthropic-version", "x-goog-api-key"])
def test_a_path_that_leads_elsewhere_is_not_sent(path: str, whose: str, tmp_path: Path, books: Books) -> None:
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, served, _), served.connect() as caller:
        head = f"GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
        named = "" if whose == "authorization" else f"{whose}: 1\r\n"
        caller.sendall(f"{head}{named}\r\n".encode())
        answer = caller.recv(65536)
    assert answer.startswith(b"HTTP/1.1 403 ") and b"UNMETERED_ENDPOINT" in answer
    assert provider.requests == []


def test_what_comes_behind_a_body_is_no_header(tmp_path: Path, books: Books) -> None:
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, served, _), served.connect() as caller:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {SECRET}\r\n"
        caller.sendall(f"{head}transfer-encoding: chunked\r\n\r\n".encode() + chunked(BODY))
        caller.sendall(b"0\r\nopenai-beta: evil\r\nx-aikit-user: bob\r\n\r\n")
        assert caller.recv(65536).startswith(b"HTTP/1.1 200 ")
        settle(served, books)
    assert b"evil" not in provider.requests[0].head
    assert books.entry()["user_id"] is None


def test_an_answer_comes_back_byte_for_byte(tmp_path: Path, books: Books) -> None:
    head = (
        f"{PLAIN}\nx-request-id: req-1\nopenai-processing-ms: 7\nset-cookie: a=1\nstrict-transport-security: max-age=9"
    )
    with proxied(tmp_path, books, says(f"{head}\naccess-control-allow-origin: *\nserver: x", ANSWER)) as (
        _,
        served,
        client,
    ):
        answer = client.post("/v1/chat/completions", content=BODY)
        settle(served, books)

    assert answer.content == ANSWER
    assert (answer.headers["x-request-id"], answer.headers["openai-processing-ms"]) == ("req-1", "7")
    assert answer.headers["content-length"] == str(len(ANSWER))
    assert answer.headers["x-aikit-cost-usd"] and answer.headers["x-aikit-decision-id"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    for name in ("set-cookie", "strict-transport-security", "access-control-allow-origin", "server"):
        assert name not in answer.headers


def test_an_answer_that_is_compressed_unasked_is_handed_on_as_what_it_says(tmp_path: Path, books: Books) -> None:
    packed = gzip.compress(ANSWER)
    with proxied(tmp_path, books, says(f"{PLAIN}\ncontent-encoding: gzip", packed)) as (_, served, client):
        answer = client.post("/v1/chat/completions", content=BODY)
        settle(served, books)

    assert answer.content == ANSWER
    assert "content-encoding" not in answer.headers


def test_nobody_is_led_elsewhere_with_a_key_of_the_server(tmp_path: Path, books: Books) -> None:
    elsewhere = (
        "HTTP/1.1 307 Temporary Redirect\nlocation: http://127.0.0.1:9/v1/chat/completions\ncontent-length: {length}"
    )
    with proxied(tmp_path, books, says(elsewhere)) as (provider, served, client):
        answer = client.post("/v1/chat/completions", content=BODY, follow_redirects=True)
        settle(served, books)
    assert (answer.status_code, "location" in answer.headers, len(provider.requests)) == (307, False, 1)
    assert books.entry()["ending"] == "voided"


def test_an_error_of_the_provider_comes_back_as_it_is(tmp_path: Path, books: Books) -> None:
    said = b'{"error": {"message": "No.", "type": "invalid_request_error", "param": "messages", "code": null}}'
    with proxied(tmp_path, books, says(PLAIN.replace("200 OK", "400 Bad Request"), said)) as (_, served, client):
        answer = client.post("/v1/chat/completions", content=BODY)
        settle(served, books)

    assert (answer.status_code, answer.content) == (400, said)
    assert books.entry()["nano"] == 0


def test_a_refused_key_of_ours_is_not_told_as_if_it_were_the_callers(tmp_path: Path, books: Books) -> None:
    said = b'{"error": {"message": "Incorrect API key provided: key-of-openai.", "code": "invalid_api_key"}}'
    with proxied(tmp_path, books, says(PLAIN.replace("200 OK", "401 Unauthorized"), said)) as (_, _served, client):
        answer = client.post("/v1/chat/completions", content=BODY)
        own = client.post("/v1/chat/completions", content=BODY, headers={"x-aikit-provider-key": "mine"})
        books.wait_until_settled(2)

    assert answer.status_code == 502 and answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["code"] == "AUTHENTICATION_FAILED"
    assert b"key-of-openai" not in answer.content
    assert (own.status_code, own.content) == (401, said)


def test_a_key_of_the_request_or_the_tenant_goes_before_ours(tmp_path: Path, books: Books) -> None:
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, served, client):
        served.ring.of_providers["acme", "dev", "openai"] = "of-the-tenant"
        client.post("/v1/chat/completions", content=BODY, headers={"openai-project": "p"})
        headers = {"x-aikit-provider-key": "of-the-request", "openai-project": "p"}
        client.post("/v1/chat/completions", content=BODY, headers=headers)
        books.wait_until_settled(2)

    assert [one.header("authorization") for one in provider.requests] == [
        "Bearer of-the-tenant",
        "Bearer of-the-request",
    ]
    assert [one.header("openai-project") for one in provider.requests] == [None, "p"]
    assert not any("x-aikit" in name for one in provider.requests for name, _ in one.headers)


def test_pieces_of_a_stream_are_handed_on_as_they_come(tmp_path: Path, books: Books) -> None:
    seen = threading.Event()
    waited = []

    def answer(connection: socket.socket) -> None:
        says(EVENTS)(connection)
        for piece in (CHUNK, CHUNK):
            connection.sendall(chunked(piece))
            waited.append(seen.wait(20))
            seen.clear()
        connection.sendall(chunked(LAST) + b"0\r\n\r\n")

    with proxied(tmp_path, books, answer) as (_, served, client):
        with client.stream("POST", "/v1/chat/completions", json=ASK_STREAM) as response:
            pieces = []
            for piece in response.iter_raw():
                pieces.append(piece)
                seen.set()
        settle(served, books)

    assert waited == [True, True]
    assert b"".join(pieces) == CHUNK + CHUNK + LAST
    assert not books.entry()["estimated"]


@pytest.mark.parametrize("ask", [ASK_STREAM, json.loads(BODY)], ids=["streamed", "plain"])
def test_an_answer_that_breaks_off_is_settled_and_never_looks_whole(
    tmp_path: Path, books: Books, ask: dict[str, object]
) -> None:
    def answer(connection: socket.socket) -> bool:
        says(EVENTS)(connection)
        connection.sendall(chunked(CHUNK) + b"ff\r\n")
        return False

    with proxied(tmp_path, books, answer) as (_, served, client):
        if ask.get("stream"):
            got = b""
            with pytest.raises(httpx2.HTTPError), client.stream("POST", "/v1/chat/completions", json=ask) as response:
                for piece in response.iter_raw():
                    got += piece
            assert got == CHUNK
        else:
            failed = client.post("/v1/chat/completions", json=ask)
            assert failed.status_code == 502
            assert failed.json()["error"]["code"] == "CONNECTION_FAILED"
        settle(served, books)
        answered = client.get("/v1/chat/completions")
        assert answered.status_code == 405

    assert books.entry()["estimated"]


def test_a_slow_caller_slows_the_provider_down(tmp_path: Path, books: Books) -> None:
    """Of what the provider would like to say at once, no more is taken than sockets and two buffers hold."""
    sent = 0
    blocked = threading.Event()
    most = 64 * 1024 * 1024

    def answer(connection: socket.socket) -> bool:
        nonlocal sent
        says(EVENTS)(connection)
        connection.settimeout(2)
        piece = chunked(CHUNK * 500)
        try:
            while sent < most:
                connection.sendall(piece)
                sent += len(piece)
        except TimeoutError:
            blocked.set()
        return False

    with proxied(tmp_path, books, answer) as (_, served, client):
        with client.stream("POST", "/v1/chat/completions", json=ASK_STREAM) as response:
            pieces = response.iter_raw(100)
            assert next(pieces)
            assert blocked.wait(60)
        settle(served, books)

    assert sent < 20 * 1024 * 1024


def test_connections_to_a_provider_are_kept_and_a_dead_one_is_not_used_again(tmp_path: Path, books: Books) -> None:
    answers: list[Callable[[socket.socket], object]] = [
        says(PLAIN, ANSWER),
        says(PLAIN, ANSWER, keep=False),
        says(PLAIN, ANSWER),
    ]

    def answer(connection: socket.socket) -> object:
        return answers.pop(0)(connection)

    with proxied(tmp_path, books, answer) as (provider, _served, client):
        for _ in range(2):
            assert client.post("/v1/chat/completions", content=BODY).status_code == 200
        threading.Event().wait(0.2)
        assert client.post("/v1/chat/completions", content=BODY).status_code == 200
        books.wait_until_settled(3)

    assert provider.connections == 2
    assert not any(entry["estimated"] for entry in books.entries())


def test_a_provider_that_is_not_there_costs_nothing(tmp_path: Path, books: Books) -> None:
    with proxied(tmp_path, books, says(PLAIN, ANSWER)) as (provider, _, _):
        gone = provider.url
    with (
        serving(load(write_config(tmp_path, gone, books.dsn), KEYS)) as served,
        httpx2.Client(base_url=served.url, headers={"x-api-key": SECRET}) as client,
    ):
        failed = client.post("/v1/chat/completions", content=BODY)
        settle(served, books)

    assert failed.status_code == 502 and failed.headers["x-should-retry"] == "true"
    assert (books.entry()["nano"], books.entry()["ending"]) == (0, "voided")


def test_a_caller_who_stops_reading_is_taken_for_gone(tmp_path: Path, books: Books) -> None:
    def answer(connection: socket.socket) -> bool:
        says(EVENTS)(connection)
        for _ in range(200):
            connection.sendall(chunked(CHUNK * 500))
        connection.sendall(chunked(LAST) + b"0\r\n\r\n")
        return True

    with (
        proxied(tmp_path, books, answer, ServeOptions(take_seconds=0.5)) as (_, served, client),
        client.stream("POST", "/v1/chat/completions", json=ASK_STREAM) as response,
    ):
        pieces = response.iter_raw(100)
        assert next(pieces)
        settle(served, books)
        assert served.app.doorway.running == 0

    assert not books.entry()["estimated"], "it was drained"


def test_providers_are_asked_through_the_proxy_that_the_environment_names(
    tmp_path: Path, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    with raw_provider(says(PLAIN, ANSWER)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        settings = load(write_config(tmp_path, "http://provider.invalid", books.dsn), KEYS)
        with serving(settings) as served:
            answer = httpx2.post(
                f"{served.url}/v1/chat/completions", content=BODY, headers={"x-api-key": SECRET}, trust_env=False
            )
            settle(served, books)

    assert (answer.status_code, answer.content) == (200, ANSWER)
    (came,) = proxy.requests
    assert came.line == "POST http://provider.invalid/v1/chat/completions HTTP/1.1"
    assert (came.body, came.header("authorization")) == (BODY, "Bearer key-of-openai")
