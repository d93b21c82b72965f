"""`aikit top --web`: the console in a browser on this machine, and for nobody else.

It listens on 127.0.0.1, and whoever opens it must bring the token of the address that was shown: other users of this
machine, and other pages in the same browser, have none.
"""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from hmac import compare_digest
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

import typer

from aikit.cli.output import note
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from textual_serve.server import Server

    from aikit.tui.options import Options

HOST = "127.0.0.1"
PORT = 8411
LEAVE = 3.0
"""Seconds that open consoles have to end."""
POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self' ws://{}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing is fetched from anywhere else."""


def serve(options: Options, port: int | None) -> None:
    """Until Ctrl-C. Raises ConfigError without textual-serve, or for a port that is taken."""
    from aikit.cli.top import open_source

    make = _library()
    with _bound(PORT if port is None else port) as listening:
        open_source().source.close()  # what is wrong is told here, and not in the browser
        try:
            with redirect_stdout(sys.stderr):
                asyncio.run(_serve(make, options, listening))
        except KeyboardInterrupt:
            raise typer.Exit(Exit.INTERRUPTED) from None


def arguments(options: Options) -> list[str]:
    """Those of an `aikit top` with these options."""
    given = [("--tab", options.tab), ("--period", options.period), ("--filter", options.filter)]
    given.append(("--theme", options.theme))
    words = [f"{name}={value}" for name, value in given if value is not None]
    words.append(f"--interval={options.interval:g}")
    return [*words, *(["--allow-actions"] if options.actions else []), *(["--ascii"] if options.ascii else [])]


def _library() -> type[Server]:
    try:
        from textual_serve.server import Server
    except ImportError as error:
        raise ConfigError(
            f"`aikit top --web` needs textual-serve, which is not there: {error}.",
            remedy="Run `pip install 'aikit[web]'`, or leave --web out.",
        ) from None
    return Server


def _bound(port: int) -> socket.socket:
    """Listening on this machine only."""
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((HOST, port))
    except OSError as error:
        found.close()
        raise ConfigError(
            f"Port {port} of {HOST} can't be had: {error.strerror}.",
            facts={"port": port},
            remedy="Choose another one with --port, or 0 for any that is free.",
        ) from None
    return found


async def _serve(make: type[Server], options: Options, listening: socket.socket) -> None:
    from aiohttp import web

    host = f"{HOST}:{listening.getsockname()[1]}"
    command = shlex.join([sys.executable, "-m", "aikit", "top", *arguments(options)])
    server = make(command, host=HOST, port=listening.getsockname()[1], title="aikit top")
    server.on_startup = _silent  # type: ignore[method-assign]  # what it says goes to stdout, and names no token
    token = token_urlsafe(24)
    app = await server._make_app()
    app.middlewares.append(_doorkeeper(host, token))
    app.on_response_prepare.append(_with_headers(host))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=LEAVE)
    await runner.setup()
    try:
        await web.SockSite(runner, listening).start()
        note(f"The console is on http://{host}/?token={token}")
        note("Only this machine can open it. Stop it: Ctrl-C")
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _doorkeeper(host: str, token: str) -> Any:
    """Lets in who brings the token, or the cookie that was given for it; from this host's own pages only."""
    from aiohttp import web

    cookie = f"aikit_top_{host.rpartition(':')[2]}"

    @web.middleware
    async def guard(request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        if request.host != host or request.headers.get("Origin", f"http://{host}") != f"http://{host}":
            raise web.HTTPForbidden(text="The console is for its own pages on this machine only.\n")
        if request.path == "/" and compare_digest(request.query.get("token", "").encode(), token.encode()):
            answer = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(cookie, token, httponly=True, samesite="Strict", path="/")
            return answer
        if not compare_digest(request.cookies.get(cookie, "").encode(), token.encode()):
            raise web.HTTPForbidden(text="Open the address that `aikit top --web` has shown, with its token.\n")
        answered: web.StreamResponse = await handler(request)
        return answered

    return guard


def _with_headers(host: str) -> Any:
    from aiohttp import web

    async def add(request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Content-Security-Policy"] = POLICY.format(host)
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["X-Content-Type-Options"] = "nosniff"

    return add


async def _silent(app: Any) -> None:
    """Nothing to say."""
