"""One answer: sent whole or streamed, spoiled by its fault, and entered into the books exactly once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Coroutine
from typing import Any

from aikit.sim import http
from aikit.sim.api import Api, Ask, encode
from aikit.sim.connection import Connection
from aikit.sim.faults import Fault
from aikit.sim.generate import Generation
from aikit.sim.served import NOTHING, Ending, Record, Served
from aikit.types import Usage

JSON = ("content-type", "application/json")
SIMULATED = ("x-simulated", "aikit-sim")
OVERLOADED = 529


class Answer:
    """What is sent for one request that the simulated model has answered."""

    def __init__(
        self, api: Api, request: http.Request, ask: Ask, made: Generation, fault: Fault, id: str, served: Served
    ) -> None:
        self._api = api
        self._request = request
        self._ask = ask
        self._made = made
        self._fault = fault
        self._id = id
        self._served = served
        self._ended = False

    def send(self, connection: Connection) -> Coroutine[Any, Any, None] | None:
        """Send at once what needs no waiting; return the coroutine of what does."""
        fault = self._fault
        if fault.close_before_response:
            self._end(Ending.UNANSWERED, None, NOTHING)
            connection.hang_up(reset=fault.reset)
            return None
        if fault.hang or fault.delay or (self._ask.stream and fault.status is None):
            return self._send_in_time(connection)
        self._send_whole(connection)
        return None

    async def _send_in_time(self, connection: Connection) -> None:
        fault = self._fault
        try:
            if fault.hang:
                await asyncio.get_running_loop().create_future()
            if fault.delay:
                await asyncio.sleep(fault.delay)
        except asyncio.CancelledError:
            self._end(Ending.UNANSWERED, None, NOTHING if fault.hang or fault.status else self._billed_unseen())
            raise
        if self._ask.stream and fault.status is None:
            await self._stream(connection)
        else:
            self._send_whole(connection)

    def _billed_unseen(self) -> Usage:
        """A client that left before the first byte stops a stream, but a whole answer is generated all the same."""
        return self._made.usage_after(0) if self._ask.stream else self._made.usage

    def _send_whole(self, connection: Connection) -> None:
        fault = self._fault
        if fault.status is not None:
            self._send_error(connection, fault.status)
            return
        body = encode(self._api.reply(self._ask, self._made, self._id)).encode()
        half = body[: len(body) // 2]
        if fault.cut_after is not None:
            self._end(Ending.CUT, 200, self._made.usage)
            connection.write(http.head(200, self._headers(JSON), length=len(body)) + half)
            connection.hang_up(reset=fault.reset)
            return
        if fault.truncate_after is not None or fault.malformed_chunk is not None:
            body = half
        self._end(Ending.COMPLETED, 200, self._made.usage)
        connection.write(http.head(200, self._headers(JSON), length=len(body)) + body)

    def _send_error(self, connection: Connection, status: int) -> None:
        self._end(Ending.ERROR, status, NOTHING)
        fault = self._fault
        message = f"Simulated error {status}, as the request or the test asked."
        body = encode(self._api.error(status, fault.code, message, self._id, fault.retry_after)).encode()
        headers = self._headers(JSON, *retry_headers(fault.retry_after))
        connection.write(http.head(status, headers, length=len(body)) + body)

    async def _stream(self, connection: Connection) -> None:
        fault, api, request = self._fault, self._api, self._request
        events = list(api.events(self._ask, self._made, self._id))
        connection.write(http.head(200, self._headers(("content-type", api.stream_type(request))), length=None))
        pieces = 0
        try:
            for index, event in enumerate(events):
                if self._stops(connection, index, pieces):
                    return
                last = index == len(events) - 1
                data = event.data
                if index == fault.malformed_chunk:
                    data = data[: len(data) // 2]
                framed = http.chunk(api.frame(request, data, event, index, last).encode())
                if last:
                    self._end(Ending.COMPLETED, 200, self._made.usage)
                    connection.write(framed + http.LAST_CHUNK)
                    return
                connection.write(framed)
                pieces = event.pieces
                await connection.breathe(fault.chunk_delay)
        except asyncio.CancelledError:
            self._end(Ending.LEFT, 200, self._made.usage_after(pieces))
            raise

    def _stops(self, connection: Connection, index: int, pieces: int) -> bool:
        """End the stream before event `index` if that is its fault."""
        fault = self._fault
        if index == fault.cut_after:
            self._end(Ending.CUT, 200, self._made.usage_after(pieces))
            connection.hang_up(reset=fault.reset)
        elif index == fault.truncate_after:
            self._end(Ending.TRUNCATED, 200, self._made.usage_after(pieces))
            connection.write(http.LAST_CHUNK)
        elif index == fault.error_after:
            self._end(Ending.TRUNCATED, 200, self._made.usage_after(pieces))
            event = self._api.error_event(OVERLOADED, fault.code, "Simulated error in a stream.", self._id)
            framed = self._api.frame(self._request, event.data, event, index, True)
            connection.write(http.chunk(framed.encode()) + http.LAST_CHUNK)
        else:
            return False
        return True

    def _headers(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        return [*more, *identity(self._id), (self._api.id_header, self._id)]

    def _end(self, ending: Ending, status: int | None, billed: Usage) -> None:
        if self._ended:
            return
        self._ended = True
        ask = self._ask
        self._served.end(Record(self._id, self._api.name, ask.model, ask.stream, status, ending, billed))


def identity(id: str) -> tuple[tuple[str, str], ...]:
    """The headers of every response: which it is, and that it is simulated."""
    return (("x-sim-id", id), SIMULATED)


def retry_headers(seconds: float | None) -> tuple[tuple[str, str], ...]:
    """`Retry-After` is in whole seconds; a fraction goes beside it in the millisecond form that two SDKs prefer."""
    if seconds is None:
        return ()
    whole = ("retry-after", str(math.ceil(seconds)))
    return (whole,) if seconds == int(seconds) else (whole, ("retry-after-ms", f"{seconds * 1000:g}"))
