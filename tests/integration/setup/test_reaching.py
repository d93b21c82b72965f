"""What stands in the way of a provider is told apart, and nothing that it says is passed on but a word."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from aikit.config import Provider
from aikit.errors import Exit
from aikit.setup.reaching import list_models
from aikit.sim import Simulator
from integration.setup.conftest import BAD, GOOD, nowhere
from support.doorman import Doorman


def openai(url: str, key: str = GOOD) -> Provider:
    return Provider("openai", "openai", url, api_key=key, api_key_env="OPENAI_API_KEY")


@pytest.mark.parametrize(("kind", "path", "models"), [("openai", "/v1", 6), ("anthropic", "", 3), ("gemini", "", 3)])
def test_each_kind_of_provider_lists_its_models(door: Doorman, kind: str, path: str, models: int) -> None:
    found = list_models(Provider(kind, kind, f"{door.url}{path}", api_key=GOOD, api_key_env="KEY"))
    assert found.problem is None
    assert len(found.models) == models and not any(model.startswith("models/") for model in found.models)
    assert list_models(Provider(kind, kind, f"{door.url}{path}", api_key=BAD, api_key_env="KEY")).problem == "401"


def test_a_server_that_needs_no_key_is_sent_none(simulator: Simulator) -> None:
    assert list_models(Provider("local", "openai", f"{simulator.url}/v1")).problem is None


@pytest.mark.parametrize(
    ("status", "body", "problem", "exit"),
    [
        (401, {"error": {"code": "invalid_api_key", "message": f"Wrong: {BAD}"}}, "401", Exit.CREDENTIALS),
        (
            400,
            {"error": {"status": "INVALID_ARGUMENT", "details": [{"reason": "API_KEY_INVALID"}]}},
            "401",
            Exit.CREDENTIALS,
        ),
        (403, {"error": {"message": "Your account is not allowed"}}, "403", Exit.CREDENTIALS),
        (429, {"error": {"code": "rate_limit_exceeded"}}, "429", Exit.UNREACHABLE),
        (429, {"error": {"code": "insufficient_quota"}}, "quota", Exit.UNREACHABLE),
        (404, {"error": "no such page"}, "404", Exit.UNREACHABLE),
        (418, {}, "4xx", Exit.UNREACHABLE),
        (500, {}, "5xx", Exit.UNREACHABLE),
        (503, {"error": {"message": "maintenance"}}, "5xx", Exit.UNREACHABLE),
        (302, {}, "3xx", Exit.UNREACHABLE),
        (407, {}, "proxy", Exit.UNREACHABLE),
        (200, "<html>Welcome</html>", "no_json", Exit.UNREACHABLE),
        (200, [], "no_json", Exit.UNREACHABLE),
        (200, {"hello": 1}, "no_json", Exit.UNREACHABLE),
        (200, {"data": [{"no": "id"}]}, "no_json", Exit.UNREACHABLE),
    ],
)
def test_what_a_provider_answers_is_told_apart(
    door: Doorman, status: int, body: object, problem: str, exit: Exit
) -> None:
    door.answer = status, (body if isinstance(body, str) else json.dumps(body)).encode()
    found = list_models(openai(f"{door.url}/v1"))
    assert (found.problem, found.exit) == (problem, exit)
    assert found.what and found.remedy
    nowhere("canary", found.what, found.remedy)


def test_a_name_that_does_not_exist_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    found = list_models(openai("http://there-is-none.invalid/v1"))
    assert found.problem == "dns" and "there-is-none.invalid" in found.what


def test_a_port_that_nobody_listens_on_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    found = list_models(openai(f"http://127.0.0.1:{_free_port()}/v1"))
    assert found.problem == "refused"


def test_tls_that_fails_is_told(door: Doorman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    found = list_models(openai(door.url.replace("http:", "https:") + "/v1"))
    assert found.problem == "tls" and "SSL_CERT_FILE" in found.remedy


def test_a_proxy_that_fails_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    port = _free_port()
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://ann:canary-pw@127.0.0.1:{port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = list_models(openai("http://api.example.com/v1"))
    assert found.problem == "proxy" and f"127.0.0.1:{port}" in found.what
    nowhere("canary", found.what, found.remedy)


def test_a_proxy_is_used(door: Doorman, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, door.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    door.answer = 200, json.dumps({"data": [{"id": "m"}]}).encode()
    assert list_models(openai("http://api.example.com/v1")).models == ("m",)
    assert door.asked == ["GET http://api.example.com/v1/models"]


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n"])
def test_whoever_does_not_answer_in_time_is_not_waited_for(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with _server(lambda peer: _slowly(peer, sent)) as url:
        start = time.monotonic()
        found = list_models(openai(f"{url}/v1"), seconds=0.3)
        assert time.monotonic() - start < 1.5
    assert found.problem == "timeout"


def test_a_connection_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with _server(lambda peer: peer.close()) as url:
        assert list_models(openai(f"{url}/v1")).problem == "lost"


@pytest.mark.parametrize("url", ["http://[::1/v1", "http://exa mple/v1", "ftp://example.com"])
def test_an_address_that_is_none_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    assert list_models(openai(url)).problem in ("url", "dns")


def _slowly(peer: socket.socket, sent: bytes) -> None:
    """A byte now and then, so that no single wait is long."""
    peer.sendall(sent)
    for _ in range(30):
        time.sleep(0.1)
        if sent:
            peer.sendall(b" ")


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def _server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serves one connection."""

    def accept() -> None:
        try:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65_536)
                serve(peer)
        except OSError:
            return  # it is over

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
