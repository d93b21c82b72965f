"""Processes and sockets: `aikit serve` in one process or several, until a signal; what runs then is let finish.

uvicorn does HTTP, and has the workers. Each worker opens a kit of its own when it starts, and settles when it ends.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path

import uvicorn

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings, load
from aikit.errors import AIKitError, ConfigError
from aikit.serve.app import Application
from aikit.serve.keys import LedgerKeyRing
from aikit.serve.model import Receive, Scope, Send, ServeOptions, Service
from aikit.serve.parts import parts_of

OPTIONS = "AIKIT_SERVE_OPTIONS"
"""How workers learn what was asked for."""
LONGEST_HEADER = 64 * 1024
BACKLOG = 2048
log = logging.getLogger("aikit.serve")


class Served:
    """The application of one process: opened when the server starts, settled when it ends."""

    def __init__(self, options: ServeOptions, settings: Settings) -> None:
        self._options, self._settings = options, settings
        self._application: Application | None = None
        self._service: Service | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            assert self._application is not None
            await self._application(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._open()
        except AIKitError as error:
            log.error("%s", error)
            await send({"type": "lifespan.startup.failed", "message": error.message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        kit = await asyncio.to_thread(AsyncAIKit.open, self._settings)
        ring = LedgerKeyRing(kit.database, kit.secret, self._settings.safe)
        self._service = Service(kit, ring, self._options)
        routes, closing = parts_of(self._service)
        self._application = Application(self._service, routes, closing)

    async def _close(self) -> None:
        assert self._application is not None and self._service is not None
        await self._application.close()
        await self._service.ring.close()
        if not await self._service.kit.close():
            log.warning("some endings could not be posted; they are in the spool, and the next process posts them")


def made() -> Served:
    """The application of a worker."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return Served(options_from(os.environ[OPTIONS]), load())


@contextmanager
def listening(options: ServeOptions) -> Iterator[list[socket.socket]]:
    """The socket that requests come to. Raises ConfigError if it can't be had."""
    try:
        found = socket.create_server(
            (options.host, options.port),
            family=socket.AF_INET6 if ":" in options.host else socket.AF_INET,
            backlog=BACKLOG,
        )
    except (OSError, OverflowError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"{options.host}:{options.port} can't be listened on: {why}.", remedy="Choose another: --host, --port."
        ) from None
    with found:
        yield [found]


def run(options: ServeOptions, sockets: list[socket.socket]) -> int:
    """Serve on these until a signal comes; returns 0, or 1 if it did not start."""
    os.environ[OPTIONS] = options_text(options)
    config = config_of(options)
    if options.workers > 1:
        from uvicorn.supervisors import Multiprocess

        Multiprocess(config, sockets).run()
        return 0
    server = uvicorn.Server(config)
    server.run(sockets)
    return 0 if server.started else 1


def config_of(options: ServeOptions) -> uvicorn.Config:
    """How uvicorn runs it. It logs nothing of a request: paths may carry keys."""
    trusted = list(options.trusted_proxies)
    return uvicorn.Config(
        "aikit.serve.running:made",
        factory=True,
        host=options.host,
        port=options.port,
        workers=options.workers,
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(options.drain_seconds)),
        h11_max_incomplete_event_size=LONGEST_HEADER,
        proxy_headers=bool(trusted),
        forwarded_allow_ips=trusted,
        ssl_certfile=options.tls_certificate,
        ssl_keyfile=options.tls_key,
        ws="none",
    )


def check(options: ServeOptions) -> None:
    """Raises ConfigError for what can't be served."""
    if (options.tls_certificate is None) is not (options.tls_key is None):
        raise ConfigError("TLS needs a certificate and its key.", remedy="Give both: --tls-certificate, --tls-key.")
    for path in (options.tls_certificate, options.tls_key):
        if path is not None and not path.is_file():
            raise ConfigError(f"There is no file {path}.", remedy="Give the PEM file's path.")


def options_text(options: ServeOptions) -> str:
    return json.dumps(asdict(options), default=str)


def options_from(text: str) -> ServeOptions:
    found = json.loads(text)
    for name in ("tls_certificate", "tls_key"):
        found[name] = Path(found[name]) if found[name] is not None else None
    found["trusted_proxies"] = tuple(found["trusted_proxies"])
    return ServeOptions(**{field.name: found[field.name] for field in fields(ServeOptions)})
