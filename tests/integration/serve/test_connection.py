"""One connection to the server: bounds on heads, on time, and on callers who don't take their answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.byte_equal import World, a_world
from support.sdks import chat_request
from support.serve_process import until

ARGUMENTS = ("--head-seconds", "1", "--body-seconds", "2", "--take-seconds", "2")
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, postgres_server: str, ledger_template: str) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("connection"), postgres_server, ledger_template, *ARGUMENTS) as world:
        yield world


@pytest.fixture
def caller(world: World) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", world.server.port), timeout=20) as made:
        yield made


PIECE = {"index": 0, "delta": {"content": "x" * 60_000}, "finish_reason": None}
CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5-mini", "choices": [PIECE]}
LONG = b"data: %b\n\n" % json.dumps(CHUNK).encode() * 400
"""More than all buffers between a provider and a caller take."""


def case(text: str) -> str:
    return str(hash(text))


def call(world: World, text: str = "Hello.", *, stream: bool = False) -> bytes:
    body = json.dumps(chat_request(text) | {"max_completion_tokens": 4000, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {world.secret}\r\n"
    return f"{head}X-Case: {case(text)}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answer(caller: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """The next whole answer."""
    said = b""
    while b"\r\n\r\n" not in said:
        piece = caller.recv(1)
        assert piece, said
        said += piece
    first, *lines = said.decode().strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    body = b""
    while len(body) < int(headers["content-length"]):
        body += caller.recv(int(headers["content-length"]) - len(body))
    return int(first.split()[1]), headers, body


def assert_hung_up(caller: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert caller.recv(1000) == b""


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(300)) + b"\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"y" * 300_000,
    ],
    ids=["many headers", "a long header", "a long path", "a header without an end"],
)
def test_a_head_that_is_too_large_is_refused_in_json(caller: socket.socket, said: bytes) -> None:
    caller.sendall(said)
    status, headers, body = answer(caller)
    assert status == 431
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(body)["reasonCode"] == "HEAD_TOO_LARGE"
    assert_hung_up(caller)


def test_what_is_no_http_is_refused_in_json(caller: socket.socket) -> None:
    caller.sendall(b"\x16\x03\x01 what is it?\r\n\r\n")
    status, headers, body = answer(caller)
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["reasonCode"] == "HTTP_INVALID"
    assert_hung_up(caller)


def test_a_head_that_does_not_come_is_not_waited_for(caller: socket.socket) -> None:
    caller.sendall(HEALTH[:10])
    status, _, body = answer(caller)
    assert status == 408
    assert json.loads(body)["reasonCode"] == "REQUEST_TIMEOUT"
    assert_hung_up(caller)


def test_a_body_behind_a_wish_for_another_protocol_is_refused_and_no_body_is_not(caller: socket.socket) -> None:
    wish = b"connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\nhost: x\r\n"
    caller.sendall(b"GET /healthz HTTP/1.1\r\n" + wish + b"\r\n")
    assert answer(caller)[0] == 200
    with socket.create_connection(caller.getpeername(), timeout=30) as other:
        other.sendall(b"POST /v1/messages HTTP/1.1\r\n" + wish + b"content-length: 2\r\n\r\n{}")
        status, _, body = answer(other)
        assert (status, json.loads(body)["reasonCode"]) == (400, "HTTP_UPGRADE")
        assert_hung_up(other)


def test_what_comes_behind_a_body_without_end_is_not_kept(caller: socket.socket, world: World) -> None:
    caller.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + world.secret.encode())
    caller.sendall(b"\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n")
    with suppress(ConnectionError):
        for _ in range(1000):
            caller.sendall(b"x-more: " + b"y" * 10_000 + b"\r\n")
    with suppress(ConnectionError):
        status, _, body = answer(caller)
        assert (status, json.loads(body)["reasonCode"]) == (431, "HEAD_TOO_LARGE")
    assert_hung_up(caller)


def test_blank_lines_do_not_keep_a_connection(caller: socket.socket) -> None:
    caller.sendall(b"\r\n\r\n")
    assert_hung_up(caller)


def test_a_body_that_does_not_come_is_not_waited_for(caller: socket.socket, world: World) -> None:
    caller.sendall(call(world)[:-5])
    assert answer(caller)[0] == 408


def test_a_kept_connection_takes_large_and_small_requests_and_pauses(caller: socket.socket, world: World) -> None:
    """Longer in all than a head may take, and larger than a head may be."""
    for size in (60_000, 10, 60_000, 90_000):
        caller.sendall(call(world, "y" * size))
        assert answer(caller)[0] == 200
        time.sleep(1.2)
        caller.sendall(HEALTH)
        assert answer(caller)[0] == 200


def test_requests_that_come_together_are_answered_in_their_order(caller: socket.socket, world: World) -> None:
    caller.sendall(HEALTH * 20 + call(world) + HEALTH)
    assert [answer(caller)[0] for _ in range(22)] == [200] * 22


def test_a_caller_who_takes_nothing_is_hung_up_on_and_charged(world: World) -> None:
    before = len(world.books.entries())
    world.provider.put(case("A long one."), LONG, stream=True)
    with socket.socket() as caller:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        caller.settimeout(30)
        caller.connect(("127.0.0.1", world.server.port))
        caller.sendall(call(world, "A long one.", stream=True))
        world.books.wait_until_settled(before + 1, seconds=20)
        assert _reset(caller)
    world.books.assert_balanced()


def _reset(caller: socket.socket) -> bool:
    """Whether the other side has hung up before the end of its answer."""
    said = b""
    try:
        while piece := caller.recv(1_000_000):
            said += piece
    except ConnectionResetError:
        return True
    return not said.endswith(b"0\r\n\r\n")


def test_no_connection_is_left_when_callers_have_gone(world: World) -> None:
    def connections() -> int:
        wanted = f":{world.server.port:04X}"
        lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
        return sum(line[1].endswith(wanted) and line[3] in ("01", "08") for line in lines)

    until(lambda: connections() == 0, connections)
