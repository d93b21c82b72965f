"""Serves the console on loopback, to whoever has the address that was printed: it has a secret in it, new each time.

Other users of this machine don't know it. Other pages in the same browser are refused by their origin, and names that
lead here from elsewhere by the host they name.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import textual_serve
from aiohttp import WSMsgType, web

from aikit.cli.web.session import Session
from aikit.errors import ConfigError

LOOPBACK = "127.0.0.1"
HOSTS = {LOOPBACK, "localhost"}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
STATIC = Path(textual_serve.__file__).parent / "static"
"""textual-serve's script, style and fonts."""
HEARTBEAT = 15.0
"""Seconds after which a page that says nothing is asked whether it is still there."""


class Served:
    """The page, its socket, and the consoles behind the pages that are open."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._sockets: set[web.WebSocketResponse] = set()
        self._page = Template(resources.files(__package__).joinpath("page.html").read_text("utf-8"))
        self.secret = secrets.token_urlsafe(16)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[only_from_here])
        app.router.add_get(f"/{self.secret}/", self._shown)
        app.router.add_get(f"/{self.secret}/ws", self._connected)
        app.router.add_static(f"/{self.secret}/own/", str(Path(__file__).parent / "own"))
        app.router.add_static(f"/{self.secret}/static/", str(STATIC))
        app.on_shutdown.append(self._close)
        return app

    async def _shown(self, request: web.Request) -> web.Response:
        socket_url = f"ws://{request.host}/{self.secret}/ws"
        return web.Response(text=self._page.substitute(socket=socket_url), content_type="text/html")

    async def _connected(self, request: web.Request) -> web.StreamResponse:
        page = web.WebSocketResponse(heartbeat=HEARTBEAT)
        await page.prepare(request)
        self._sockets.add(page)

        async def send(data: bytes) -> None:
            with suppress(ConnectionError):  # the page is gone, which is seen below
                await page.send_bytes(data)

        session = Session(self._command, send)
        running = asyncio.create_task(session.run(_number(request, "width"), _number(request, "height")))
        running.add_done_callback(lambda _: asyncio.ensure_future(page.close()))
        try:
            async for message in page:
                if message.type is WSMsgType.TEXT:
                    await _heard(page, session, message)
        finally:
            self._sockets.discard(page)
            await session.end()
            await running
        return page

    async def _close(self, _: web.Application) -> None:
        await asyncio.gather(*[page.close() for page in set(self._sockets)])


@web.middleware
async def only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what another name, or another site's page, asks for."""
    origin = request.headers.get("Origin")
    asks_for_socket = request.headers.get("Upgrade", "").lower() == "websocket"
    if request.host.rsplit(":", 1)[0] not in HOSTS:
        raise web.HTTPForbidden(text="The console answers to 127.0.0.1 and localhost only.\n")
    if origin != f"http://{request.host}" and (origin is not None or asks_for_socket):
        raise web.HTTPForbidden(text="The console answers to its own page only.\n")
    try:
        response = await handler(request)
    except web.HTTPNotFound:
        raise web.HTTPNotFound(text="Nothing is here. Open the whole address that aikit top has printed.\n") from None
    if not response.prepared:
        response.headers.update({name: text.format(host=request.host) for name, text in HEADERS.items()})
    return response


async def _heard(page: web.WebSocketResponse, session: Session, message: Any) -> None:
    with suppress(ValueError, RecursionError):  # nothing that the page's script would say
        said = message.json()
        if isinstance(said, list) and said[:1] == ["ping"]:
            await page.send_json(["pong", *said[1:]])
        else:
            await session.hear(said)


def _number(request: web.Request, name: str) -> int:
    given = request.query.get(name, "")
    return int(given) if given.isdecimal() and len(given) < 6 else 80


def listening(port: int) -> socket.socket:
    """On loopback; port 0 is any that is free. Raises ConfigError where it can't be had."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise ConfigError(
            f"Port {port} on {LOOPBACK} can't be had: {error.strerror or error}.",
            remedy="Name another with --port; 0 takes any that is free.",
        ) from None


def serve(command: Sequence[str], port: int, on_ready: Callable[[str], None]) -> None:
    """Serve consoles that are processes of this command, until a signal; `on_ready` is told the address.

    Raises ConfigError for a port that can't be had, and KeyboardInterrupt if that is what ended it.
    """
    served = Served(command)
    app = served.application()
    with listening(port) as socket_:
        number = asyncio.run(_serving(app, socket_, lambda at: on_ready(f"http://{LOOPBACK}:{at}/{served.secret}/")))
    if number == signal.SIGINT:
        raise KeyboardInterrupt


async def _serving(app: web.Application, socket_: socket.socket, on_ready: Callable[[int], None]) -> int:
    """Returns the signal that ended it."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[int] = loop.create_future()

    def end(number: int) -> None:
        if not ended.done():
            ended.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, end, number)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        await web.SockSite(runner, socket_).start()
        on_ready(socket_.getsockname()[1])
        return await ended
    finally:
        await runner.cleanup()
