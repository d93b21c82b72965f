"""Processes and sockets: `aikit serve` in one process or several, until a signal; what runs then is let finish.

uvicorn does HTTP, and has the workers. Each worker opens a kit of its own when it starts, and settles when it ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import multiprocessing
import os
import resource
import signal
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors.multiprocess import Multiprocess, Process

from aikit.async_kit import AsyncAIKit
from aikit.config import Settings, load
from aikit.errors import AIKitError, ConfigError, Exit
from aikit.serve import logs
from aikit.serve.app import Application
from aikit.serve.connection import Connection, ServeConfig
from aikit.serve.keys import LedgerKeyRing
from aikit.serve.model import Receive, Scope, Send, ServeOptions, Service
from aikit.serve.parts import parts_of
from aikit.wire import registry

OPTIONS = "_AIKIT_SERVE_OPTIONS"
"""How workers learn what was asked for."""
BACKLOG = 2048
COLLECTED_AFTER = (10_000, 20, 50)
"""Of gc.set_threshold: a call leaves a few hundred objects behind, and no more than a few of them in cycles."""
METRICS = "PROMETHEUS_MULTIPROC_DIR"
LOOK_SECONDS = 0.2
HEALTH_SECONDS = 30.0
"""A worker that says nothing for so long is ended, and another takes its place."""
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
            try:
                await self._application(scope, receive, send)
            except asyncio.CancelledError:
                log.warning("An answer was cut off: the time to drain is over.")

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._open()
        except Exception as error:
            if isinstance(error, AIKitError):
                log.error("The server can't start: %s %s", error.message, error.remedy)
            else:
                log.error("The server can't start.", exc_info=True)
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _open(self) -> None:
        kit = await asyncio.to_thread(AsyncAIKit.open, self._settings)
        ring = LedgerKeyRing(kit.database, kit.secret, self._settings.vault)
        self._service = Service(kit, ring, self._options)
        routes, closing = parts_of(self._service)
        self._application = Application(self._service, routes, closing)
        await asyncio.to_thread(warm, kit)

    async def _close(self) -> None:
        assert self._application is not None and self._service is not None
        await self._application.close()
        await self._service.ring.close()
        if not await self._service.kit.close():
            log.warning("some endings could not be posted; they are in the spool, and the next process posts them")


def warm(kit: AsyncAIKit) -> None:
    """Read now what the first call would wait for, and leave all that is there by now out of what is collected."""
    registry.codecs()
    next(iter(kit.book.models()), None)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def made() -> Served:
    """The application of a process that serves."""
    logs.set_up()
    _end_with_the_parent()
    return Served(options_from(os.environ[OPTIONS]), load())


def _end_with_the_parent() -> None:
    """Drain and end when the process that started this one is gone, however it went: nobody would end it then."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        assert parent is not None
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    if parent is not None:
        threading.Thread(target=wait, name="aikit-parent", daemon=True).start()


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
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        why = told.partition(" (while ")[0]
        raise ConfigError(
            f"{options.host}:{options.port} can't be listened on: {why}.",
            remedy="Choose another, or end what is there: --host, --port.",
        ) from None
    with found:
        yield [found]


def run(options: ServeOptions, sockets: list[socket.socket]) -> int:
    """Serve on these until a signal comes; returns the exit code: 0 after SIGTERM, 130 after SIGINT."""
    os.environ[OPTIONS] = options_text(options)
    logs.set_up()
    _allow_open_files()
    if options.workers > 1:
        with _metrics_of_all():
            return Workers(config_of(options), sockets).watch()
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises it once more when it has ended
    try:
        uvicorn.Server(config_of(options)).run(sockets)
    except SystemExit:
        return Exit.NO
    return Exit.OK


class Workers(Multiprocess):
    """Starts them, puts another in the place of one that dies, and ends them."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._code = Exit.OK
        self._served = False

    def watch(self) -> int:
        """Until a signal comes, or none of them ever started. Returns the exit code."""
        self.run()
        return self._code

    def handle_int(self) -> None:
        self._code = Exit.INTERRUPTED
        super().handle_int()

    def keep_subprocess_alive(self) -> None:
        for index, process in enumerate(self.processes):
            if self.should_exit.is_set() or self._is_well(process):
                continue
            process.kill()
            process.join()
            _forget_metrics(process.pid)
            if process.exitcode == STARTUP_FAILURE and not self._served:
                self._code = Exit.NO
                self.should_exit.set()
                return
            log.warning("The worker %s is gone (%s); another takes its place.", process.pid, _went(process.exitcode))
            self.processes[index] = Process(self.config, self.sockets)
            self.processes[index].start()

    def _is_well(self, process: Process) -> bool:
        """Whether it lives and answers. Nobody waits for that once a signal has come: it may be ending, too."""
        with suppress(OSError, EOFError):
            process.parent_conn.send(b"ping")
            until = time.monotonic() + HEALTH_SECONDS
            while process.process.is_alive() and time.monotonic() < until:
                if process.parent_conn.poll(LOOK_SECONDS):
                    self._served = self._served or bool(process.parent_conn.recv())
                    return True
                if self.signal_queue:
                    return True
        return False


def _went(code: int | None) -> str:
    """How a process ended, in words."""
    if code is None or code >= 0:
        return "it said nothing any more" if code is None else f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"


@contextmanager
def _metrics_of_all() -> Iterator[None]:
    """A folder where Prometheus's client keeps the counts of all workers, so that any of them answers for all."""
    if METRICS in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="aikit-metrics-") as folder:
        os.environ[METRICS] = folder
        try:
            yield
        finally:
            del os.environ[METRICS]


def _forget_metrics(pid: int | None) -> None:
    """Take a worker that is gone out of what is counted of those that live."""
    with suppress(ImportError):
        from prometheus_client.multiprocess import mark_process_dead

        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _allow_open_files() -> None:
    """As many as this process may have: every caller and every answer under way needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def config_of(options: ServeOptions) -> ServeConfig:
    """How uvicorn runs it. It logs nothing of a request: paths may carry keys."""
    trusted = list(options.trusted_proxies)
    return ServeConfig(
        options,
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
        http=Connection,
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
    if options.tls_certificate is not None:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                options.tls_certificate, options.tls_key, password=lambda: b""
            )
        except (ssl.SSLError, OSError) as error:
            raise ConfigError(
                f"{options.tls_certificate} and {options.tls_key} are no certificate with its key: "
                f"{getattr(error, 'reason', None) or error.strerror}.",
                remedy="Give PEM files; the key's without a password.",
            ) from None


def options_text(options: ServeOptions) -> str:
    return json.dumps(asdict(options), default=str)


def options_from(text: str) -> ServeOptions:
    found = json.loads(text)
    for name in ("tls_certificate", "tls_key"):
        found[name] = Path(found[name]) if found[name] is not None else None
    found["trusted_proxies"] = tuple(found["trusted_proxies"])
    return ServeOptions(**{field.name: found[field.name] for field in fields(ServeOptions)})
