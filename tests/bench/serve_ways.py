"""The ways that a call may take: to the provider directly, or through something; and how one is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from serve_load import body_of

SECONDS = 3.0
HERE = Path(__file__).parent
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Way:
    """Something that answers: where, its process, and the secret that it wants if that is one of its own."""

    url: str
    process: int
    secret: str | None = None

    def processor(self) -> float:
        """Seconds of processor time that it has taken."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def a_server(mode: str, config: Path) -> Iterator[Way]:
    command = [sys.executable, str(HERE / "serve_server.py"), mode, str(config)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None and process.stdin is not None
        yield Way(process.stdout.readline().strip(), process.pid)
        process.stdin.close()
        process.wait(30)
    finally:
        process.kill()
        process.wait()


def measured(
    way: Way, secret: str, callers: int, seconds: float = SECONDS, *, delay: float = 0, rate: float | None = None
) -> dict[str, Any]:
    """What `serve_load.py` finds, with the processor time of the way for a call, in µs."""
    arguments = [way.url + PATH, way.secret or secret, str(callers), str(seconds), "--delay", str(delay)]
    command = [sys.executable, str(HERE / "serve_load.py"), *arguments, *(["--rate", str(rate)] if rate else [])]
    before = way.processor()
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert not found["failed"], found
    return found | {"processor": (way.processor() - before) / found["calls"] * 1e6}


def assert_alike(ways: dict[str, Way], secret: str) -> None:
    """All of them answer with the same text and the same usage."""
    told = {name: _told(way, way.secret or secret) for name, way in ways.items()}
    assert len(set(told.values())) == 1, told


def _told(way: Way, secret: str) -> str:
    signed = {"authorization": f"Bearer {secret}"}
    answer = httpx2.post(way.url + PATH, json=body_of(), headers=signed, timeout=60)
    assert answer.status_code == 200, (answer.status_code, answer.text)
    body = answer.json()
    tokens = [body["usage"][name] for name in ("prompt_tokens", "completion_tokens")]
    (choice,) = body["choices"]
    return json.dumps([choice["message"]["content"], choice["finish_reason"], body["model"], *tokens])
