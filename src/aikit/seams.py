"""The narrowest place of each HTTP library that all of its requests pass, and how it is watched.

A seam is replaced at its class, so that clients that exist already are watched, too. That of a library that is not
imported yet is replaced when it is.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import urlsplit


class Target(NamedTuple):
    """Where a request is about to go, by which library."""

    library: str
    method: str
    host: str
    port: int


Watch = Callable[[Target], Exception | None]
"""Looks at a target, and answers why nothing may be sent there."""
PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class Seam(NamedTuple):
    """`make` builds what stands in place of `owner.name` in a module."""

    library: str
    module: str
    owner: str
    name: str
    make: Callable[[Any, str, Watch], Any]


def _pool(original: Any, library: str, watch: Watch) -> Any:
    @wraps(original)
    def handle_request(self: Any, request: Any) -> Any:
        error = watch(_of_pool(request, library))
        if error is None:
            return original(self, request)
        return _answer(self, request, error)

    return handle_request


def _async_pool(original: Any, library: str, watch: Watch) -> Any:
    @wraps(original)
    async def handle_async_request(self: Any, request: Any) -> Any:
        error = watch(_of_pool(request, library))
        if error is None:
            return await original(self, request)
        return _answer(self, request, error)

    return handle_async_request


def _of_pool(request: Any, library: str) -> Target:
    url = request.url
    scheme = url.scheme.decode("ascii", "replace")
    host = url.host.decode("ascii", "replace")
    return Target(library, request.method.decode("ascii", "replace"), host, url.port or PORTS.get(scheme, 443))


def _answer(pool: Any, request: Any, error: Exception) -> Any:
    """SDKs retry and reword whatever is raised below them: they are answered, and raise an error of their own.

    Anybody else gets the error itself.
    """
    if not any(name.lower() == b"x-stainless-lang" for name, _ in request.headers):
        raise error
    from aikit.wire.refusing import headers, to_json

    code, status = getattr(error, "code", ""), getattr(error, "status", 403)
    body = to_json({"type": "error", "error": {"type": "unmetered_endpoint", "code": code, "message": str(error)}})
    stated = headers(error) | {"content-length": str(len(body))}  # type: ignore[arg-type]  # it is an UnmeteredEndpoint
    package = sys.modules[type(request).__module__.partition(".")[0]]
    return package.Response(status, headers=[(n.encode(), v.encode()) for n, v in stated.items()], content=body)


def _connection(original: Any, library: str, watch: Watch) -> Any:
    @wraps(original)
    def request(self: Any, method: str, url: str, *rest: Any, **more: Any) -> Any:
        host = getattr(self, "_tunnel_host", None) or self.host
        port = getattr(self, "_tunnel_port", None) or self.port
        if url.startswith(("http://", "https://")):  # to a proxy that forwards it
            parts = urlsplit(url)
            host, port = parts.hostname or host, parts.port or PORTS[parts.scheme]
        if (error := watch(Target(library, method, host, port or getattr(self, "default_port", 443)))) is not None:
            raise error
        return original(self, method, url, *rest, **more)

    return request


def _connector(original: Any, library: str, watch: Watch) -> Any:
    @wraps(original)
    async def connect(self: Any, req: Any, *rest: Any, **more: Any) -> Any:
        target = Target(library, req.method, req.url.host or "", req.url.port or 443)
        if (error := watch(target)) is not None:
            raise error
        return await original(self, req, *rest, **more)

    return connect


def _socket(original: Any, library: str, watch: Watch) -> Any:
    @wraps(original)
    def __init__(self: Any, uri: Any, *rest: Any, **more: Any) -> None:
        if (error := watch(Target(library, "WebSocket", uri.host, uri.port))) is not None:
            raise error
        original(self, uri, *rest, **more)

    return __init__


SEAMS = (
    Seam("httpx2", "httpcore2", "ConnectionPool", "handle_request", _pool),
    Seam("httpx2", "httpcore2", "AsyncConnectionPool", "handle_async_request", _async_pool),
    Seam("httpx", "httpcore", "ConnectionPool", "handle_request", _pool),
    Seam("httpx", "httpcore", "AsyncConnectionPool", "handle_async_request", _async_pool),
    Seam("urllib", "http.client", "HTTPConnection", "putrequest", _connection),
    Seam("urllib3", "urllib3.connectionpool", "HTTPConnectionPool", "urlopen", _connection),
    Seam("aiohttp", "aiohttp.connector", "BaseConnector", "connect", _connector),
    Seam("websockets", "websockets.client", "ClientProtocol", "__init__", _socket),
)
"""requests sends through urllib3, which opens its connections before it comes to http.client."""


class Seams(importlib.abc.MetaPathFinder):
    """All seams, while they are watched."""

    def __init__(self, watch: Watch, seams: Sequence[Seam] = SEAMS) -> None:
        self._watch = watch
        self._seams = seams
        self._replaced: dict[Seam, tuple[Any, Any, Any]] = {}
        self._lock = threading.RLock()
        self._searching = threading.local()

    def open(self) -> None:
        """Replace those that are there; wait for the others."""
        with self._lock:
            for seam in self._seams:
                if (module := sys.modules.get(seam.module)) is not None:
                    self._replace(seam, module)
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)

    def close(self) -> None:
        """Put everything back. What somebody else has replaced since stays, and lets everything pass."""
        with self._lock:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            for seam, (owner, ours, original) in self._replaced.items():
                if owner.__dict__.get(seam.name) is ours:
                    setattr(owner, seam.name, original)
            self._replaced.clear()

    def watched(self) -> frozenset[str]:
        """The modules that are watched now."""
        with self._lock:
            return frozenset(seam.module for seam in self._replaced)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Not a finder of its own: it lets the others find, and is told when the module has been executed."""
        if not any(seam.module == name for seam in self._seams) or getattr(self._searching, "on", False):
            return None
        self._searching.on = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._searching.on = False
        if spec is not None and spec.loader is not None:
            spec.loader = _Told(spec.loader, self._imported)
        return spec

    def _imported(self, module: ModuleType) -> None:
        with self._lock:
            if self in sys.meta_path:
                for seam in self._seams:
                    if seam.module == module.__name__:
                        self._replace(seam, module)

    def _replace(self, seam: Seam, module: ModuleType) -> None:
        owner = getattr(module, seam.owner, None)
        original = owner.__dict__.get(seam.name) if owner is not None else None
        if seam in self._replaced or original is None:
            return
        ours = seam.make(original, seam.library, self._watch)
        setattr(owner, seam.name, ours)
        self._replaced[seam] = (owner, ours, original)


class _Told(importlib.abc.Loader):
    """A module's own loader, which then tells that it is there."""

    def __init__(self, loader: Any, told: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._told = told

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._told(module)
