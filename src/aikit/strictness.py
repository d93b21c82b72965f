"""`aikit.strict()`: in this process, nothing goes to a provider past the kit.

Whatever library sends it, a request to a provider's host that no kit has metered raises `UnmeteredEndpoint` before a
connection is made. The hosts are those that are known (`aikit.lint.hosts`) and those of the configured providers.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self
from urllib.parse import urlsplit

from aikit.errors import UnmeteredEndpoint
from aikit.lint.hosts import provider_of
from aikit.passage import passes
from aikit.seams import PORTS, SEAMS, Seams, Target

if TYPE_CHECKING:
    from aikit.config import Settings

REMEDY = (
    "Send it through the kit: kit.openai(tenant=…), kit.anthropic(…), kit.gemini(…), kit.complete(…), or "
    "kit.wrap(client, tenant=…) for a client that you have. `aikit lint` finds where it is made."
)
NOT_WATCHED = ("grpc", "pycurl", "curl_cffi", "niquests", "websocket", "tornado", "primp", "rnet", "aiosonic")
"""Libraries that can reach a provider and have no seam here."""
_log = logging.getLogger("aikit.strict")


class Coverage(NamedTuple):
    """Libraries that are watched now, those that will be when they are imported, and those installed that are not.

    Never covered: other processes, sockets that are opened by hand, and libraries that nobody here knows.
    """

    watched: tuple[str, ...]
    waiting: tuple[str, ...]
    not_watched: tuple[str, ...]


class Strict:
    """In force until `undo`, or the end of its `with` block."""

    def __init__(self, targets: frozenset[tuple[str, int]]) -> None:
        self._targets = targets
        _in_force.add(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.undo()

    def undo(self) -> None:
        """No longer. Others that are in force stay so; doing it twice is fine."""
        _in_force.remove(self)

    def coverage(self) -> Coverage:
        """What is watched and what is not."""
        return coverage()

    def covers(self, host: str, port: int) -> bool:
        return (host, port) in self._targets


def strict(settings: Settings | None = None) -> Strict:
    """From now on, refuse whatever would go to a provider past the kit: raise UnmeteredEndpoint, send nothing.

    `settings` are those whose providers count beside the known ones; without, they are read as by `AIKit.open`, which
    may raise ConfigError. Calling it again changes nothing but adds hosts. `with aikit.strict():` ends with the block.

    The clients of OpenAI and Anthropic reword what is raised below them: they raise their own PermissionDeniedError
    with the same message, and do not retry. An installed library that can't be watched is told on the logger
    `aikit.strict`.
    """
    if settings is None:
        from aikit.config import load

        settings = load()
    made = Strict(frozenset(_target(provider.base_url) for provider in settings.providers.values()))
    if missing := coverage().not_watched:
        _log.warning("aikit.strict() does not watch %s, which is installed.", ", ".join(missing))
    return made


def coverage() -> Coverage:
    """What is watched in this process, and what is not."""
    modules = _in_force.seams.watched()
    watched = tuple(dict.fromkeys(seam.library for seam in SEAMS if seam.module in modules))
    waiting = tuple(dict.fromkeys(seam.library for seam in SEAMS if seam.library not in watched))
    return Coverage(watched, waiting, tuple(name for name in NOT_WATCHED if importlib.util.find_spec(name)))


class _InForce:
    """All that are in force. The seams are open while there is one."""

    def __init__(self) -> None:
        self.seams = Seams(self.look)
        self._all: tuple[Strict, ...] = ()
        self._lock = threading.Lock()

    def add(self, one: Strict) -> None:
        with self._lock:
            self._all = (*self._all, one)
            self.seams.open()

    def remove(self, one: Strict) -> None:
        with self._lock:
            self._all = tuple(each for each in self._all if each is not one)
            if not self._all:
                self.seams.close()

    def look(self, target: Target) -> UnmeteredEndpoint | None:
        """Why nothing may be sent there; None if it may."""
        everyone = self._all
        if not everyone:
            return None
        host = target.host.lower().rstrip(".")
        whose = provider_of(host)
        if whose is None and not any(one.covers(host, target.port) for one in everyone):
            return None
        return None if passes(target.host) else refusal(target, host, whose)


def refusal(target: Target, host: str, whose: str | None) -> UnmeteredEndpoint:
    """The error; path and query may hold what is private, so they are not in it."""
    named = host if whose else f"{host}:{target.port}"
    message = f"{target.method} to {named} ({whose or 'a configured provider'}) goes past the kit: it was not sent."
    _log.error("%s It was tried by %s.", message, target.library)
    facts = {"host": named, "library": target.library, "method": target.method}
    return UnmeteredEndpoint(message, facts=facts, remedy=REMEDY)


def _target(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return (parts.hostname or "").lower().rstrip("."), parts.port or PORTS.get(parts.scheme, 443)


_in_force = _InForce()
