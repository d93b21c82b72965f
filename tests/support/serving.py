"""A server of ours on a loopback port, in a thread, before the simulated provider: keys are held in memory."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest
import uvicorn

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings
from aikit.errors import Unauthorized
from aikit.serve.app import Application
from aikit.serve.connection import Connection, ServeConfig
from aikit.serve.model import Key, Right, ServeOptions, Service
from aikit.serve.proxy import Proxy
from aikit.serve.routes import Route
from support.kits import TENANT

SECRET = "aik_test_of_acme"
KEY = Key("k1", TENANT, "dev", None, None, frozenset({Right.COMPLETE}), None, None)


@dataclass
class Ring:
    """A key ring in memory: put keys and providers' keys in, and they are found."""

    keys: dict[str, Key] = field(default_factory=lambda: {SECRET: KEY})
    of_providers: dict[tuple[str, str, str], str] = field(default_factory=dict)
    failure: Exception | None = None
    """What is raised instead."""
    asked: int = 0

    def add(self, secret: str, **other: object) -> str:
        """Another key, which differs from acme's in this."""
        self.keys[secret] = replace(KEY, id=secret, **other)  # type: ignore[arg-type]
        return secret

    async def find(self, secret: str) -> Key:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        if secret not in self.keys:
            raise Unauthorized("The key is not known.", remedy="Make one: aikit key create.")
        return self.keys[secret]

    async def provider_key(self, tenant: str, environment: str, provider: str) -> str | None:
        return self.of_providers.get((tenant, environment, provider))

    async def close(self) -> None:
        pass


@dataclass(frozen=True)
class Serving:
    """A server that is running."""

    url: str
    ring: Ring
    kit: AsyncAIKit
    app: Application

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def connect(self) -> socket.socket:
        """A connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


Routes = Callable[[Service], Sequence[Route]]


@contextmanager
def serving(settings: Settings, options: ServeOptions | None = None, more: Routes | None = None) -> Iterator[Serving]:
    """Serve on a free port until the end of the block; then everything is closed and settled.

    `more` makes routes beside those of the proxy.
    """
    ring, ready, box = Ring(), threading.Event(), []

    async def serve() -> None:
        kit = await asyncio.to_thread(AsyncAIKit.open, settings)
        service = Service(kit, ring, options or ServeOptions())
        proxy = Proxy(service)
        app = Application(service, [*proxy.routes, *(more(service) if more else ())], [proxy.close])
        server = _Server(_config(app, service.options), ready)
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            box.append((f"http://127.0.0.1:{listening.getsockname()[1]}", kit, app, server))
            await server.serve([listening])
        await app.close()
        await kit.close()

    thread = threading.Thread(target=uvicorn_run, args=(serve,), name="serving")
    thread.start()
    deadline = time.monotonic() + 60
    while not ready.wait(0.05):
        assert thread.is_alive() and time.monotonic() < deadline, "the server did not start"
    url, kit, app, server = box[0]
    try:
        yield Serving(url, ring, kit, app)
    finally:
        server.should_exit = True
        thread.join()


def uvicorn_run(serve: Callable[[], object]) -> None:
    import uvloop

    uvloop.run(serve())  # type: ignore[arg-type]


def _config(app: Application, options: ServeOptions) -> ServeConfig:
    return ServeConfig(
        options,
        app,
        http=Connection,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: threading.Event) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready.set()

    def install_signal_handlers(self) -> None:
        pass


@pytest.fixture
def served(settings: Settings) -> Iterator[Serving]:
    """A server with acme's key before the simulated provider."""
    with serving(settings) as running:
        yield running
