"""A server on the loopback that stands for a model: it says what a script tells it, in the form of three APIs.

The simulated provider of the product answers with texts; this one calls tools, and keeps every request for the test.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KINDS = ("openai", "anthropic", "gemini")
MODELS = {"openai": "gpt-5-mini", "anthropic": "claude-haiku-4-5", "gemini": "gemini-2.5-flash"}


@dataclass(frozen=True)
class Call:
    """A tool that the model calls. `arguments` may be a text, to be sent as it is where the API has texts."""

    name: str
    arguments: Any = field(default_factory=dict)


@dataclass(frozen=True)
class Raw:
    """An answer that is none of the API's."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


Piece = str | Call
Answer = Sequence[Piece] | Raw
Script = Callable[[int, str], Answer]
"""Given the number of the request, from 0, and the last thing that the model was told, as a text."""


class ScriptedModels:
    """The server. `requests` are the bodies of the agent's requests, `headers` what came with them.

    What offers no tools comes from a step of the set-up, and is answered with a word.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(request) for request in self.requests]

    def answer(self, path: str, body: bytes, headers: dict[str, str]) -> Raw:
        if b'"tools"' not in body:
            kind = _kind_of(path)
            return Raw(200, json.dumps(_WORDED[kind](["ready"], 0, {"model": MODELS[kind]})).encode())
        number = len(self.requests)
        self.requests.append(body)
        self.headers.append(headers)
        kind = _kind_of(path)
        asked = json.loads(body)
        said = self.script(number, last_told(kind, asked))
        if isinstance(said, Raw):
            return said
        return Raw(200, json.dumps(_WORDED[kind](said, number, asked)).encode())


def of(*answers: Answer) -> Script:
    """One answer after the other, the last one for ever."""
    return lambda number, told: answers[min(number, len(answers) - 1)]


def last_told(kind: str, body: dict[str, Any]) -> str:
    """The texts of the last message, however the API has them."""
    if kind == "gemini":
        parts = body["contents"][-1]["parts"]
        return "\n".join(part.get("text") or part["functionResponse"]["response"]["result"] for part in parts)
    content = body["messages"][-1]["content"]
    return (
        content if isinstance(content, str) else "\n".join(block.get("content") or block["text"] for block in content)
    )


def _openai(said: Sequence[Piece], number: int, asked: dict[str, Any]) -> dict[str, Any]:
    text = "".join(piece for piece in said if isinstance(piece, str))
    calls = [
        {
            "id": f"call_{number}_{index}",
            "type": "function",
            "function": {"name": piece.name, "arguments": _as_text(piece.arguments)},
        }
        for index, piece in enumerate(said)
        if isinstance(piece, Call)
    ]
    message = {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1,
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
    }


def _anthropic(said: Sequence[Piece], number: int, asked: dict[str, Any]) -> dict[str, Any]:
    blocks = [
        {"type": "text", "text": piece}
        if isinstance(piece, str)
        else {"type": "tool_use", "id": f"toolu_{number}_{index}", "name": piece.name, "input": piece.arguments}
        for index, piece in enumerate(said)
    ]
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": asked["model"],
        "content": blocks,
        "stop_reason": "tool_use" if any(isinstance(piece, Call) for piece in said) else "end_turn",
        "usage": {"input_tokens": 900, "output_tokens": 60},
    }


def _gemini(said: Sequence[Piece], number: int, asked: dict[str, Any]) -> dict[str, Any]:
    parts = [
        {"text": piece}
        if isinstance(piece, str)
        else {"functionCall": {"name": piece.name, "args": piece.arguments}, "thoughtSignature": f"c2ln{number}"}
        for piece in said
    ]
    return {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 900, "candidatesTokenCount": 60, "totalTokenCount": 960},
        "modelVersion": MODELS["gemini"],
    }


_WORDED = {"openai": _openai, "anthropic": _anthropic, "gemini": _gemini}


def _kind_of(path: str) -> str:
    return "openai" if path.endswith("/chat/completions") else "anthropic" if path.endswith("/messages") else "gemini"


def _kind_of_list(headers: dict[str, str]) -> str:
    names = {name.lower() for name in headers}
    return "anthropic" if "x-api-key" in names else "gemini" if "x-goog-api-key" in names else "openai"


def _as_text(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


@contextmanager
def scripted(script: Script) -> Iterator[ScriptedModels]:
    """The server, listening on a free port of the loopback."""
    models = ScriptedModels(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            model = MODELS[_kind_of_list(dict(self.headers.items()))]
            listed = {"data": [{"id": model}], "models": [{"name": f"models/{model}"}], "has_more": False}
            self.reply(Raw(200, json.dumps(listed).encode()))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.reply(models.answer(self.path.partition("?")[0], body, dict(self.headers.items())))

        def reply(self, answer: Raw) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    models.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield models
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
