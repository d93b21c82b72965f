"""The simulated provider's server: which path belongs to which API, and the control endpoints under /sim."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from aikit.errors import ConfigError
from aikit.sim import anthropic, catalogue, gemini, http, openai_chat, openai_embeddings, openai_responses
from aikit.sim.answer import JSON, SIMULATED, Answer, identity
from aikit.sim.api import Answering, Api, BadAsk, encode
from aikit.sim.connection import Connection
from aikit.sim.faults import FaultBook
from aikit.sim.generate import generate
from aikit.sim.served import NOTHING, Ending, Record, Served
from aikit.sim.wish import read_wish

LOOPBACK = "127.0.0.1"

_APIS: dict[str, Api] = {
    "/v1/chat/completions": openai_chat.API,
    "/v1/responses": openai_responses.API,
    "/v1/embeddings": openai_embeddings.API,
    "/v1/messages": anthropic.API,
}


class Server:
    """Answers requests; `listen` puts it on a loopback port."""

    def __init__(self, answering: Answering | None = None) -> None:
        self.served = Served()
        self._answering = answering
        self.faults = FaultBook()
        self._peers: set[Connection] = set()
        self._listening: asyncio.Server | None = None

    async def listen(self, host: str = LOOPBACK, port: int = 0) -> str:
        """Listen, and return the base URL. Port 0 is any free one.

        Raises ConfigError for any address but 127.0.0.1, and for a port that can't be had.
        """
        if host not in (LOOPBACK, "localhost"):
            raise ConfigError(
                f"The simulated provider listens on {LOOPBACK} only, not on {host}.",
                remedy="It has no authentication and is no real provider; leave the address out.",
            )
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(
                lambda: Connection(self.answer, self._peers), LOOPBACK, port, backlog=1024
            )
        except (OSError, OverflowError) as problem:
            raise ConfigError(
                f"Port {port} of {LOOPBACK} can't be had: {getattr(problem, 'strerror', None) or problem}.",
                remedy="Choose another port, or 0 for any free one.",
            ) from None
        return f"http://{LOOPBACK}:{self._listening.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stop listening and hang up on everyone."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening.sockets[0].fileno())
            # A connection that was just accepted takes three turns to become a peer, and would be
            # forgotten, open, if the listening socket were closed first.
            for _ in range(3):
                await asyncio.sleep(0)
            self._listening.close()
            for peer in list(self._peers):
                peer.hang_up()
            await self._listening.wait_closed()

    def answer(self, request: http.Request, connection: Connection) -> Coroutine[Any, Any, None] | None:
        """Answer one request: at once, or by the coroutine that is returned."""
        api = _find(request)
        if api is not None:
            return self._generate(api, request, connection)
        if request.path.startswith("/sim/") or request.path == "/healthz":
            self._control(request, connection)
        else:
            self._free(request, connection)
        return None

    def _generate(self, api: Api, request: http.Request, connection: Connection) -> Coroutine[Any, Any, None] | None:
        id = self.served.begin()
        try:
            ask = api.read(request)
        except BadAsk as problem:
            self._refuse(api, connection, id, 400, str(problem))
            return None
        try:
            wish = read_wish(request.headers, ask.last_user_text, api.reportable)
        except ValueError as problem:
            self._refuse(api, connection, id, 400, f"The simulator can't do what was asked: {problem}.")
            return None
        try:
            said = self._answering(ask) if self._answering else None
        except Exception as problem:
            what = f"What the simulator was to answer with failed: {type(problem).__name__}: {problem}."
            self._refuse(api, connection, id, 500, what)
            return None
        fault = wish.fault or self.faults.take(api.name, ask.model)
        made = generate(ask, wish, said)
        if fault.missing_usage:
            made = replace(made, tells_usage=False)
        return Answer(api, request, ask, made, fault, id, self.served).send(connection)

    def _refuse(self, api: Api, connection: Connection, id: str, status: int, message: str) -> None:
        self.served.end(Record(id, api.name, None, False, status, Ending.ERROR, NOTHING))
        _send(connection, status, api.error(status, None, message, id, None), *identity(id), (api.id_header, id))

    def _free(self, request: http.Request, connection: Connection) -> None:
        """What providers answer without a bill, and the paths that they do not know."""
        id = self.served.begin()
        route = (request.method, request.path)
        if route == ("POST", "/v1/messages/count_tokens"):
            name = "anthropic.count_tokens"
            try:
                body: dict[str, Any] = dict(anthropic.count_tokens(request))
            except BadAsk as problem:
                self._refuse(anthropic.API, connection, id, 400, str(problem))
                return
        elif route in (("GET", "/v1/models"), ("GET", "/v1beta/models")):
            name, body = "models", _models(request)
        else:
            message = f"The simulated provider has no {request.method} {request.path}."
            self._refuse(_likely_api(request), connection, id, 404, message)
            return
        self.served.end(Record(id, name, None, False, 200, Ending.COMPLETED, NOTHING))
        _send(connection, 200, body, *identity(id))

    def _control(self, request: http.Request, connection: Connection) -> None:
        match (request.method, request.path):
            case ("GET", "/healthz"):
                _send(connection, 200, {"status": "ok", "simulated": True}, SIMULATED)
            case ("GET", "/sim/served"):
                limit = request.query.get("limit", "")
                _send(connection, 200, self.served.told(int(limit) if limit.isdecimal() else None), SIMULATED)
            case ("POST", "/sim/reset"):
                self.reset()
                _send(connection, 200, {"reset": True}, SIMULATED)
            case ("POST", "/sim/faults"):
                try:
                    self.faults.add(json.loads(request.body))
                except ValueError as problem:
                    _send(connection, 400, {"error": {"message": f"No fault was set: {problem}."}}, SIMULATED)
                else:
                    _send(connection, 200, {"faults": self.faults.listed()}, SIMULATED)
            case ("GET", "/sim/faults"):
                _send(connection, 200, {"faults": self.faults.listed()}, SIMULATED)
            case ("DELETE", "/sim/faults"):
                self.faults.clear()
                _send(connection, 200, {"faults": []}, SIMULATED)
            case (method, path):
                message = f"The simulator has no {method} {path}."
                _send(connection, 404, {"error": {"message": message}}, SIMULATED)

    def reset(self) -> None:
        """Forget what was served, and all standing faults."""
        self.served.reset()
        self.faults.clear()


def _find(request: http.Request) -> Api | None:
    if request.method != "POST":
        return None
    return _APIS.get(request.path) or (gemini.API if gemini.PATH.fullmatch(request.path) else None)


def _models(request: http.Request) -> dict[str, Any]:
    if request.path.startswith("/v1beta/") or "x-goog-api-key" in request.headers:
        return catalogue.gemini_list()
    return catalogue.anthropic_list() if "anthropic-version" in request.headers else catalogue.openai_list()


def _likely_api(request: http.Request) -> Api:
    if "anthropic-version" in request.headers:
        return anthropic.API
    is_gemini = request.path.startswith("/v1beta/") or "x-goog-api-key" in request.headers
    return gemini.API if is_gemini else openai_chat.API


def _send(connection: Connection, status: int, body: dict[str, Any], *headers: tuple[str, str]) -> None:
    data = encode(body).encode()
    connection.write(http.head(status, (JSON, *headers), length=len(data)) + data)
