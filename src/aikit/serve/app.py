"""The ASGI application: which request goes where, whose it is, and what every answer carries.

    request ── route ── a place ── key and right ── body ── handler ── answer

The key is asked for while the body arrives: the server below buffers it, 64 KiB at most, and the body of a request
without a valid key is never taken up. Errors are told in the words of the API that was asked; a fault of ours says
nothing but that.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from traceback import extract_tb
from typing import Any

from aikit.errors import AIKitError, RequestInvalid, Unauthorized, UnmeteredEndpoint
from aikit.serve.answers import INTERNAL, SECURITY, give, of_error
from aikit.serve.body import read_body
from aikit.serve.credentials import secret_of
from aikit.serve.doorway import Doorway
from aikit.serve.leaving import CallerLeft
from aikit.serve.model import Exchanged, Key, Receive, Right, Scope, Send, Service
from aikit.serve.room import Room
from aikit.serve.routes import Found, Route, Shape, find
from aikit.serve.shapes import shape_of

log = logging.getLogger("aikit.serve")


class Application:
    """Call it as ASGI 3 says. `doorway` knows how many requests are running and waiting."""

    def __init__(
        self, service: Service, routes: Sequence[Route], closing: Sequence[Callable[[], Awaitable[None]]] = ()
    ) -> None:
        """`closing` is what `close` calls, in its order."""
        self.service = service
        self.doorway = Doorway(service.options.most_running, service.options.most_waiting)
        self._room = Room(max(service.options.most_bodies, 2 * service.options.most_body))
        self._routes = tuple(routes)
        self._closing = tuple(closing)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(Exchanged(scope, self.service, time.monotonic()), receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await _lifespan(receive, send)

    async def close(self) -> None:
        """Give back what the handlers hold. In the loop that served, when nothing runs any more."""
        for close in self._closing:
            await close()

    async def _answer(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        shape: Shape = shape_of(exchanged.path, exchanged.headers)
        answering = Answering(send, with_body=exchanged.method != "HEAD")
        try:
            found = find(self._routes, exchanged.method, exchanged.path)
            if found.route is None:
                raise not_found(exchanged, found, shape)
            exchanged.params = found.params
            if found.route.shape == "native":
                shape = "native"
            await self._handle(exchanged, found.route, receive, answering)
        except CallerLeft:
            return
        except AIKitError as error:
            await self._failed(exchanged, error, shape, answering)
        except Exception as error:
            _log_fault(exchanged, error)
            await self._failed(exchanged, INTERNAL, shape, answering)

    async def _handle(self, exchanged: Exchanged, route: Route, receive: Receive, send: Send) -> None:
        options = self.service.options
        if route.right is None:
            await route.handler(exchanged, receive, send)
            return
        async with self.doorway:
            exchanged.key = await self.service.ring.find(secret_of(exchanged))
            check_right(exchanged.key, route.right)
            with self._room.part() as take:
                exchanged.body = await read_body(exchanged, receive, options, take)
                await route.handler(exchanged, receive, send)

    async def _failed(self, exchanged: Exchanged, error: AIKitError, shape: Shape, answering: Answering) -> None:
        """Tell the error, unless the answer has begun: then it is cut off, which the caller notices."""
        if not answering.begun:
            await give(of_error(error, shape), answering)


class Answering:
    """Sends an answer on, with the headers that every answer carries; for HEAD without its body."""

    __slots__ = ("_send", "_with_body", "begun")

    def __init__(self, send: Send, *, with_body: bool) -> None:
        self._send = send
        self._with_body = with_body
        self.begun = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = list(message.get("headers", ()))
            there = {name for name, _ in headers}
            message["headers"] = headers + [item for item in SECURITY.items() if item[0] not in there]
        elif not self._with_body:
            message["body"] = b""
        await self._send(message)


def check_right(key: Key, right: Right) -> None:
    """Raises Unauthorized (403) unless the key permits this."""
    if right not in key.rights:
        raise Unauthorized(
            f"The key does not permit this: it lacks {right}.",
            code="SCOPE_MISSING",
            status=403,
            facts={"scope": str(right)},
            remedy=f"Use a key with the scope {right}: aikit key create … --scope {right}.",
        )


def not_found(exchanged: Exchanged, found: Found, shape: Shape) -> AIKitError:
    """Why nothing is there: another method is, or a provider has it that we don't meter, or nobody."""
    where = f"{exchanged.method[:20]} {exchanged.path[:200]}"
    if found.methods:
        allowed = ", ".join(sorted(found.methods))
        return RequestInvalid(
            f"{where}: the method is not one of this path's.",
            code="METHOD_NOT_ALLOWED",
            status=405,
            facts={"allowed": sorted(found.methods)},
            remedy=f"Use {allowed}.",
        )
    if shape != "native":
        return UnmeteredEndpoint(
            f"{where} is not metered, so it is not sent.",
            remedy="Metered are chat completions, responses, embeddings, messages, generateContent and the lists of "
            "models.",
        )
    return RequestInvalid(
        f"{where}: there is nothing at this path.", code="NOT_FOUND", status=404, remedy="GET /openapi.json lists all."
    )


def _log_fault(exchanged: Exchanged, error: Exception) -> None:
    """Where it happened and of what kind; never what it says, which may be a part of a body or of a key."""
    trace = extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in reversed(trace))
    log.error("%s in %s %s: %s", type(error).__name__, exchanged.method, exchanged.path[:200], places)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
