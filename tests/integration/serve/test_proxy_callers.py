"""Callers of the server as they are: several requests on a connection, and some that leave in the middle."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai

from aikit.config import Settings
from aikit.serve.model import ServeOptions
from aikit.sim import Simulator
from support.control import all_parts
from support.embedded import wait_for
from support.kits import Books, settings_for
from support.sdks import GEMINI, chat_request, messages_request, says
from support.serving import SECRET, Serving, serving

MEGABYTE = 1024 * 1024


def request(body: object, path: str = "/v1/chat/completions", **headers: str) -> bytes:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = {"host": "x", "authorization": f"Bearer {SECRET}", "content-length": str(len(raw)), **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in lines.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + raw


def answer_on(connection: socket.socket, seen: bytes = b"") -> tuple[int, bytes, bytes]:
    """The status and the body of the next answer, and what came behind it."""
    while b"\r\n\r\n" not in seen:
        piece = connection.recv(65536)
        assert piece, seen
        seen += piece
    head, _, rest = seen.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(rest) < length:
        piece = connection.recv(65536)
        assert piece
        rest += piece
    return int(head.split(b" ")[1]), rest[:length], rest[length:]


def balanced(served: Serving, books: Books, entries: int) -> list[dict[str, Any]]:
    books.wait_until_settled(entries)
    served.kit.flush()
    books.assert_balanced()
    return books.entries()


def test_one_connection_serves_calls_refusals_and_streams_in_turn(served: Serving, books: Books) -> None:
    with httpx2.Client(base_url=served.url, headers={"x-api-key": SECRET}) as client:
        ports = set()
        for ask, path, status in [
            (chat_request("Hi"), "/v1/chat/completions", 200),
            ({"nothing": 1}, "/v1/chat/completions", 400),
            (chat_request("Hi") | {"stream": True}, "/v1/chat/completions", 200),
            (chat_request("Hi"), "/v1/nothing", 404),
            (chat_request("Hi"), "/v1/files", 403),
            (chat_request("Hi"), "/v1/chat/completions", 200),
        ]:
            answer = client.post(path, json=ask)
            assert answer.status_code == status, answer.text
            ports.add(answer.extensions["network_stream"].get_extra_info("socket").getsockname()[1])
        assert len(ports) == 1
    balanced(served, books, 3)


def test_requests_that_are_sent_ahead_are_answered_in_their_order(served: Serving, books: Books) -> None:
    with served.connect() as connection:
        texts = ["one", "two", "three"]
        connection.sendall(b"".join(request(chat_request(says({"text": text}))) for text in texts))
        seen, found = b"", []
        for _ in texts:
            status, body, seen = answer_on(connection, seen)
            assert status == 200
            found.append(json.loads(body)["choices"][0]["message"]["content"])
    assert found == texts
    balanced(served, books, 3)


def test_a_caller_who_leaves_a_stream_pays_for_what_it_came_to(
    served: Serving, simulator: Simulator, books: Books
) -> None:
    ask = chat_request(says({"chunk_delay": 0.05, "text": "word " * 40})) | {"stream": True}
    with served.connect() as connection:
        connection.sendall(request(ask))
        assert connection.recv(65536)
    (entry,) = balanced(served, books, 1)
    assert not entry["estimated"], "it was drained to its end"
    assert simulator.served()["requests"][-1]["ending"] == "completed"


def test_a_caller_who_leaves_a_silent_stream_is_noticed_at_once(served: Serving, books: Books) -> None:
    ask = chat_request(says({"chunk_delay": 1.0, "text": "word " * 4})) | {"stream": True}
    with served.connect() as connection:
        connection.sendall(request(ask))
        assert connection.recv(65536)
        assert served.app.doorway.running == 1
    deadline = time.monotonic() + 0.8
    while served.app.doorway.running:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    balanced(served, books, 1)


SLOW = says({"delay": 0.7})


@pytest.mark.parametrize(
    ("path", "ask"),
    [
        ("/v1/chat/completions", chat_request(SLOW)),
        ("/v1/chat/completions", chat_request(SLOW) | {"stream": True}),
        ("/v1/chat/completions", chat_request(SLOW) | {"metadata": {"padding": "x" * 300_000}}),
        ("/v1/messages", messages_request(SLOW)),
        ("/v1/ai/complete", {"model": "openai/gpt-4o-mini", "input": SLOW}),
        ("/v1/ai/complete", {"model": "openai/gpt-4o-mini", "input": SLOW, "stream": True}),
    ],
)
def test_a_caller_who_leaves_before_the_first_byte_pays_for_what_the_answer_comes_to(
    path: str, ask: Any, settings: Settings, simulator: Simulator, books: Books
) -> None:
    with serving(settings, more=all_parts) as served:
        with served.connect() as connection:
            connection.sendall(request(ask, path))
            wait_for(lambda: simulator.served()["in_flight"] == 1)
        wait_for(lambda: served.app.doorway.running == simulator.served()["in_flight"] == 0)
        (entry,) = balanced(served, books, 1)
    assert (entry["ending"], entry["estimated"]) == ("settled", False)
    assert 0 < entry["nano"] < entry["held_nano"]
    assert simulator.served()["requests"][-1]["ending"] == "completed"


def left_by_its_caller(folder: Path, simulator: Simulator, books: Books, ask: dict[str, Any]) -> dict[str, Any]:
    """The one entry of a route whose caller leaves while its first model is being asked."""
    route = '[routes]\nfast = ["openai/gpt-4o-mini", "openai/gpt-4o"]\n'
    with serving(settings_for(folder, simulator, books.dsn, route)) as served:
        with served.connect() as connection:
            connection.sendall(request(ask | {"model": "routes.fast"}))
            wait_for(lambda: simulator.served()["in_flight"] == 1)
        wait_for(lambda: served.app.doorway.running == 0)
        (entry,) = balanced(served, books, 1)
    return entry


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", [{"status": 503}, {"status": 429, "retry_after": 5}])
def test_of_a_route_no_other_model_is_asked_for_a_caller_who_has_left(
    tmp_path: Path, simulator: Simulator, books: Books, fault: dict[str, Any], stream: bool
) -> None:
    entry = left_by_its_caller(
        tmp_path, simulator, books, chat_request(says({"delay": 0.7, **fault})) | {"stream": stream}
    )
    assert (entry["model"], entry["ending"], entry["nano"]) == ("gpt-4o-mini", "voided", 0)
    assert [one["model"] for one in simulator.served()["requests"]] == ["gpt-4o-mini"]


def test_a_caller_who_leaves_a_routes_stream_before_its_first_piece_pays_for_what_it_came_to(
    tmp_path: Path, simulator: Simulator, books: Books
) -> None:
    entry = left_by_its_caller(
        tmp_path, simulator, books, chat_request(says({"delay": 0.4, "chunk_delay": 0.4})) | {"stream": True}
    )
    assert (entry["model"], entry["ending"]) == ("gpt-4o-mini", "settled")
    assert [one["model"] for one in simulator.served()["requests"]] == ["gpt-4o-mini"]


def test_a_caller_who_leaves_before_its_body_is_there_costs_nothing(served: Serving, books: Books) -> None:
    with served.connect() as connection:
        connection.sendall(request(chat_request("Hi"))[:-10])
    with served.connect() as connection:
        connection.sendall(request(chat_request("Hi")))
        assert answer_on(connection)[0] == 200
    balanced(served, books, 1)
    assert served.app.doorway.running == 0


def test_a_body_may_come_in_pieces_and_one_that_is_too_large_is_refused(settings: Settings, books: Books) -> None:
    with serving(settings, ServeOptions(most_body=MEGABYTE)) as served:
        headers = {"x-api-key": SECRET}
        with httpx2.Client(base_url=served.url, headers=headers, timeout=60) as client:
            raw = json.dumps(chat_request("Hi")).encode()
            assert client.post("/v1/chat/completions", content=iter([raw[:10], raw[10:]])).status_code == 200
            for content in (b"x" * (50 * MEGABYTE), iter([b"x" * MEGABYTE] * 50)):
                refused = client.post("/v1/chat/completions", content=content)
                assert (refused.status_code, refused.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")
        balanced(served, books, 1)


def test_a_body_that_does_not_come_is_refused(settings: Settings, books: Books) -> None:
    with serving(settings, ServeOptions(body_seconds=0.3)) as served:
        with served.connect() as connection:
            connection.sendall(request(chat_request("Hi"))[:-10])
            status, body, _ = answer_on(connection)
            assert (status, json.loads(body)["error"]["code"]) == (408, "REQUEST_TIMEOUT")
        assert served.app.doorway.running == 0


def test_a_body_without_a_key_is_not_waited_for(served: Serving) -> None:
    with served.connect() as connection:
        connection.sendall(request(chat_request("Hi"), authorization="Bearer aik_test_wrong")[:-10])
        assert answer_on(connection)[0] == 401


def test_more_requests_than_there_is_room_for_are_told_to_come_again(settings: Settings, books: Books) -> None:
    with serving(settings, ServeOptions(most_running=1, most_waiting=1)) as served:
        slow = request(chat_request(says({"delay": 1.0})))
        connections = [served.connect() for _ in range(3)]
        for connection in connections:
            connection.sendall(slow)
            time.sleep(0.15)
        status, body, _ = answer_on(connections[2])
        assert (status, json.loads(body)["error"]["code"]) == (503, "SERVER_BUSY")
        assert [answer_on(connection)[0] for connection in connections[:2]] == [200, 200]
        for connection in connections:
            connection.close()
        balanced(served, books, 2)


def test_a_cap_is_told_as_each_sdk_tells_it_and_is_not_tried_again(served: Serving, books: Books) -> None:
    books.limit(usd="0.0000001")
    options = genai.types.HttpOptions(base_url=served.url)
    with (
        openai.OpenAI(base_url=f"{served.url}/v1", api_key=SECRET) as client,
        pytest.raises(openai.APIStatusError) as of,
    ):
        client.chat.completions.create(**chat_request("Hi"))
    assert (of.value.status_code, of.value.code) == (402, "MONTHLY_BUDGET_EXCEEDED")
    assert of.value.response.headers["x-should-retry"] == "false"
    with (
        anthropic.Anthropic(base_url=served.url, api_key=SECRET) as claude,
        pytest.raises(anthropic.APIStatusError) as told,
    ):
        claude.messages.create(**messages_request("Hi"))
    assert told.value.status_code == 402
    with genai.Client(api_key=SECRET, http_options=options) as gemini, pytest.raises(genai.errors.ClientError) as said:
        gemini.models.generate_content(model=GEMINI, contents="Hi")
    assert said.value.code == 402

    served.kit.flush()
    assert len(books.refusals()) == 3
