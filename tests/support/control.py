"""A server with the control plane, and a caller of it that says whose key it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from aikit.config import Settings
from aikit.serve.model import Right, Service
from aikit.serve.parts import parts_of
from aikit.serve.proxy import Proxy
from aikit.serve.routes import Route
from support.serving import Serving, serving

MODEL = "openai/gpt-4o-mini"
ALL = frozenset(Right)


@dataclass(frozen=True)
class Caller:
    """Asks a server with one key."""

    url: str
    secret: str

    def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self._ask("POST", path, body, headers)

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self._ask("GET", path, None, headers)

    def put(self, path: str, body: Any) -> httpx2.Response:
        return self._ask("PUT", path, body, {})

    def delete(self, path: str) -> httpx2.Response:
        return self._ask("DELETE", path, None, {})

    def evaluate(self, **asked: Any) -> dict[str, Any]:
        """A decision, by default on a small call that takes a hold."""
        answer = self.post(
            "/v1/evaluate", {"model": MODEL, "input_tokens": 1000, "output_tokens": 500, "hold": True} | asked
        )
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def report(self, hold: str, **said: Any) -> httpx2.Response:
        """Report what a hold came to."""
        return self.post("/v1/usage", {"hold": hold, "usage": {"input": 300, "output": 120}, "status": 200} | said)

    def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["authorization"] = f"Bearer {self.secret}"
        more = {} if body is None else {"json": body}
        return httpx2.request(method, self.url + path, headers=named, timeout=30, **more)


def all_parts(service: Service) -> list[Route]:
    """The routes of the whole server but the proxied ones, which are there already."""
    proxied = {(route.method, route.path) for route in Proxy(service).routes}
    return [route for route in parts_of(service)[0] if (route.method, route.path) not in proxied]


@dataclass(frozen=True)
class Plane:
    """A running server; `acme` and `rival` have a key each that permits everything."""

    serving: Serving
    acme: Caller
    rival: Caller

    def caller(self, secret: str, **other: Any) -> Caller:
        """Another key, which differs from one of acme's in this."""
        self.serving.ring.add(secret, **({"rights": ALL} | other))
        return Caller(self.serving.url, secret)


def plane_of(running: Serving) -> Plane:
    for secret, tenant in (("aik_test_all", "acme"), ("aik_test_rival", "rival")):
        running.ring.add(secret, tenant=tenant, rights=ALL)
    return Plane(running, Caller(running.url, "aik_test_all"), Caller(running.url, "aik_test_rival"))


@pytest.fixture
def plane(settings: Settings, books: Any) -> Iterator[Plane]:
    books.limit("rival")
    with serving(settings, more=all_parts) as running:
        yield plane_of(running)
