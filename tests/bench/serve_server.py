"""One worker of the server for the bench: metered as it is, or a bare pass-through of the same application.

Usage: python serve_server.py metered|bare|bare-httpx AIKIT_TOML. Prints its URL, and serves until its stdin is closed.
`AIKIT_BENCH_PROFILE=FILE` writes a profile of the event loop's thread there.
"""

from __future__ import annotations

import asyncio
import cProfile
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx2
import uvicorn
import uvloop

from aikit.async_kit import AsyncAIKit
from aikit.config import Provider, load
from aikit.kit_core import async_inner
from aikit.ledger.opening import prepare
from aikit.serve.app import Application
from aikit.serve.keys import LedgerKeyRing
from aikit.serve.model import Key, Right, ServeOptions, Service
from aikit.serve.providers import Providers
from aikit.serve.proxy import Proxy
from aikit.serve.running import config_of, warm
from aikit.serve.upstream import upstream

MODES = ("metered", "bare", "bare-httpx")


class OneKey:
    """A ring that asks nobody."""

    async def find(self, secret: str) -> Key:
        return Key("bench", "acme", "dev", None, None, frozenset({Right.COMPLETE}), None, None)

    async def provider_key(self, tenant: str, environment: str, provider: str) -> str | None:
        return None

    async def close(self) -> None:
        pass


class Unmetered(Providers):
    """The same without the exchange: nothing is admitted, read or settled."""

    def __init__(self, service: Service, inner: httpx2.AsyncBaseTransport) -> None:
        super().__init__(service)
        self._inner = inner

    def _transport(self, provider: Provider) -> httpx2.AsyncBaseTransport:
        return self._inner

    async def close(self) -> None:
        await self._inner.aclose()


async def serve(mode: str, config: Path) -> None:
    settings = load(config, {**os.environ, "OPENAI_API_KEY": "simulated", "DATABASE_URL": ""})
    kit = AsyncAIKit.open(settings)
    options = ServeOptions(most_running=2048, most_waiting=2048)
    if mode == "metered":
        ring = LedgerKeyRing(kit.database, prepare(kit.database).secret, settings.safe)
        proxy = Proxy(Service(kit, ring, options))
    else:
        ring = OneKey()  # type: ignore[assignment]
        service = Service(kit, ring, options)
        proxy = Proxy(service, Unmetered(service, async_inner() if mode == "bare-httpx" else upstream()))
    app = Application(proxy.service, proxy.routes, [proxy.close, ring.close])
    warm(kit)
    served = config_of(options)
    served.app, served.factory, served.lifespan = app, False, "off"
    server = uvicorn.Server(served)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        loop = asyncio.get_running_loop()
        threading.Thread(target=_until_closed, args=(loop, server), daemon=True).start()
        await server.serve([listening])
    await app.close()
    await kit.close()


def _until_closed(loop: asyncio.AbstractEventLoop, server: uvicorn.Server) -> None:
    sys.stdin.read()
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(setattr, server, "should_exit", True)


if __name__ == "__main__":
    profile = cProfile.Profile(time.thread_time) if "AIKIT_BENCH_PROFILE" in os.environ else None
    if profile is not None:
        profile.enable()
    uvloop.run(serve(sys.argv[1], Path(sys.argv[2])))
    if profile is not None:
        profile.disable()
        profile.dump_stats(os.environ["AIKIT_BENCH_PROFILE"])
