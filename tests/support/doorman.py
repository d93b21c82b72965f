"""A door in front of the simulated provider that asks for a key, or answers as a test wants."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

WRONG_KEY = {"error": {"message": "Incorrect API key provided: {key}.", "type": "invalid_request_error",
                       "code": "invalid_api_key"}}  # fmt: skip
"""As OpenAI words it, with the key in it."""


class Doorman:
    """Lets in whoever has one of the keys; sends others away with 401, and their key in the answer."""

    def __init__(self, upstream: str, *keys: str) -> None:
        self.keys = set(keys)
        self.answer: tuple[int, bytes] | None = None
        """What everybody is answered, if set."""
        self.hold = 0.0
        """Seconds before an answer."""
        self.asked: list[str] = []
        """Method and path of every request."""
        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, upstream))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(door: Doorman, upstream: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def log_message(self, *_: Any) -> None:
            """Nothing is said."""

        def _serve(self) -> None:
            door.asked.append(f"{self.command} {self.path}")
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            key = _key(self.headers)
            door.over.wait(door.hold)
            if door.answer is not None:
                self._send(*door.answer)
            elif key not in door.keys:
                self._send(401, json.dumps(WRONG_KEY).replace("{key}", key).encode())
            else:
                self._pass_on(body)

        def _pass_on(self, body: bytes) -> None:
            connection = http.client.HTTPConnection(urlsplit(upstream).netloc, timeout=30)
            connection.request(self.command, self.path, body, dict(self.headers))
            answer = connection.getresponse()
            self._send(answer.status, answer.read())
            connection.close()

        def _send(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _key(headers: Mapping[str, str]) -> str:
    bearer = (headers.get("authorization") or "").removeprefix("Bearer ")
    return bearer or headers.get("x-api-key") or headers.get("x-goog-api-key") or ""
