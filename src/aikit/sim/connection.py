"""One client connection: it reads requests, and gives whoever answers them the means to write, wait and hang up."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, cast

from aikit.sim import http

Answer = Callable[[http.Request, "Connection"], Coroutine[Any, Any, None] | None]
"""Writes the response at once and returns None, or returns the coroutine that will."""

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """Requests are answered one after the other; a client that leaves cancels the answer under way."""

    def __init__(self, answer: Answer, peers: set[Connection]) -> None:
        self._answer = answer
        self._peers = peers
        self._parser = http.RequestParser()
        self._task: asyncio.Task[None] | None = None
        self._resumed: asyncio.Future[None] | None = None
        self._keep_alive = True
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peers.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.discard(self)
        self.resume_writing()
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed(data)
        if self._task is None:
            self._advance()

    def _advance(self) -> None:
        try:
            while self.open and (request := self._parser.next()) is not None:
                self._keep_alive = request.keep_alive
                work = self._answer(request, self)
                if work is not None:
                    self._task = asyncio.get_running_loop().create_task(work)
                    self._task.add_done_callback(self._answered)
                    return
                self._rest()
        except http.BadRequest as problem:
            self._refuse(problem)
        else:
            if self._parser.awaits_continue and self.open:
                self._parser.awaits_continue = False
                self.write(http.CONTINUE)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if not task.cancelled() and (problem := task.exception()) is not None:
            task.get_loop().call_exception_handler({"message": "An answer failed", "exception": problem, "task": task})
            self.hang_up()
        self._rest()
        self._advance()

    def _rest(self) -> None:
        if not self._keep_alive:
            self._transport.close()

    def _refuse(self, problem: http.BadRequest) -> None:
        body = json.dumps({"error": {"message": str(problem)}}).encode()
        headers = (("content-type", "application/json"), ("connection", "close"), ("x-simulated", "aikit-sim"))
        self.write(http.head(problem.status, headers, length=len(body)) + body)
        self._transport.close()

    @property
    def open(self) -> bool:
        return not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    async def breathe(self, seconds: float = 0) -> None:
        """Let others run, for at least `seconds`, and wait while the client reads more slowly than we write."""
        await asyncio.sleep(seconds)
        if self._resumed is not None:
            await self._resumed

    def hang_up(self, *, reset: bool = False) -> None:
        """Close in the middle of whatever is going on; with `reset`, by a TCP reset."""
        if reset and (peer := self._transport.get_extra_info("socket")) is not None:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._transport.abort()

    def pause_writing(self) -> None:
        self._resumed = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)
        self._resumed = None
