"""Which path goes where: a list of routes, looked through in its order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from aikit.serve.model import Handler, Right

Shape = Literal["openai", "anthropic", "gemini", "native"]
"""In whose words an error is told."""


@dataclass(frozen=True)
class Route:
    """`path` may have parts in braces, `/v1/decisions/{id}`; `{rest...}` takes the rest, slashes and all.

    `right` is what the key must permit; None: no key is asked for. `shape` is how errors are told.
    """

    method: str
    path: str
    handler: Handler
    right: Right | None
    shape: Shape = "native"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        parts = re.split(r"(\{\w+(?:\.\.\.)?\})", self.path)
        return re.compile("".join([_part(part) for part in parts]) + r"\Z")


@dataclass(frozen=True, slots=True)
class Found:
    """The route of a request and what the parts in braces came to; or, without one, the methods that there are."""

    route: Route | None
    params: dict[str, str]
    methods: frozenset[str] = frozenset()


def find(routes: Iterable[Route], method: str, path: str) -> Found:
    """The first route that fits. HEAD is answered as GET."""
    methods = set()
    wanted = "GET" if method == "HEAD" else method
    for route in routes:
        matched = route.pattern.match(path)
        if matched is None:
            continue
        if route.method == wanted:
            return Found(route, matched.groupdict())
        methods.add(route.method)
    return Found(None, {}, frozenset(methods))


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part[1:-1]
    return f"(?P<{name.removesuffix('...')}>.+)" if name.endswith("...") else f"(?P<{name}>[^/]+)"
