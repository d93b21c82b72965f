"""The stream that a coroutine reads: a task of our own reads it, on demand, and reads on once the caller has left.

The caller's own task must not read: cancelling it would cancel the read in the middle and close the connection, and
with it the chance to learn what the stream costs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from functools import partial

import httpx2

from aikit.errors import MeteringUnavailable
from aikit.streams.account import StreamAccount
from aikit.streams.drains import Drains, running_here
from aikit.streams.upstream import Connections, Extender, Upstream
from aikit.types import Extension


class Pump(Upstream):
    """Reads one response in a task, a chunk each time that the caller asks for one; without a caller, on and on."""

    def __init__(
        self,
        response: httpx2.Response,
        account: StreamAccount,
        connections: Connections[httpx2.AsyncBaseTransport],
        drains: Drains,
        extender: Extender,
    ) -> None:
        super().__init__(response, account)
        self._extender = extender
        self._connections = connections
        self._drains = drains
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._asked: asyncio.Future[bytes | BaseException | None] | None = None
        """What the caller waits for."""
        self._idle: asyncio.Future[None] | None = None
        """What the task waits for: to be asked."""
        self._timer: asyncio.TimerHandle | None = None
        self._error: Exception | None = None
        self._drained = False
        drains.opened(self)

    async def read(self) -> bytes | None:
        """The next bytes to hand on; None at the end. Raises what the connection raises."""
        if self.left:
            raise httpx2.ReadError("The stream has been closed.")
        if self.over.is_set():
            if self._error is not None:
                raise self._error
            return None
        asked: asyncio.Future[bytes | BaseException | None] = self._loop.create_future()
        self._asked = asked
        self._go_on()
        answer = await asked
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def leave(self) -> None:
        """The caller reads no more: hang up if all is known, else read on for a while. In the loop's thread only."""
        if self.left:
            return
        self.left = True
        if not self._drains.willing:
            self.settle()
        if self.over.is_set():
            return
        if not self.settled:
            self._drained = True
            self._connections.keep()
            self.deadline = time.monotonic() + self._drains.seconds
            self._timer = self._loop.call_later(self._drains.seconds, self._time_is_up)
        elif self._idle is None and self._task is not None:
            self._task.cancel()
        self._go_on()

    def forsake(self) -> None:
        """Nobody holds the stream any more: leave it, from whichever thread this happens in."""
        try:
            self._loop.call_soon_threadsafe(self.leave)
        except RuntimeError:  # the loop is closed
            self.left = True
            self.settle()
            self._drains.forget(self)

    async def close(self) -> None:
        """Leave; once that is done the connection is closed, unless it is drained."""
        if asyncio.get_running_loop() is not self._loop:
            self.forsake()
            return
        self.leave()
        if self.settled and self._task is not None:
            await asyncio.wait({self._task})

    def waits(self) -> bool:
        return super().waits() and self._loop.is_running() and not running_here(self._loop)

    def give_up(self) -> None:
        self.settle()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._time_is_up)

    def _time_is_up(self) -> None:
        self.settle()
        if self._task is not None:
            self._task.cancel()

    def _go_on(self) -> None:
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name="aikit-stream")
            self._task.add_done_callback(self._ended)
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)

    async def _run(self) -> None:
        try:
            await self._pump()
        except Exception as error:
            self.settle(error)
            self._error = error
            self._answer(error)
        finally:
            self._ended()
            if self._drained and self._connections.release():
                with suppress(Exception):
                    await self._connections.transport.aclose()

    def _ended(self, _: object = None) -> None:
        """The task has ended, if only because its loop did. A task that is cancelled before it began runs nothing."""
        self.settle()
        if self._timer is not None:
            self._timer.cancel()
        self.over.set()
        self._drains.forget(self)
        if self._asked is not None:
            self._asked.cancel()

    async def _pump(self) -> None:
        if self.left and self.settled:
            await self.response.aclose()
            return
        async with aclosing(self.response.aiter_bytes()) as chunks:
            async for chunk in chunks:
                if passed := await self._step(partial(self.feed, chunk), chunk):
                    self._answer(passed)
                if (extension := self.wanted()) is not None and (last := await self._extend(extension)) is not None:
                    break
                await self._until_asked()
                if self.blocked and not self.left:
                    self._answer(None)
                    await self._until_asked()
                if self.left and self.settled:
                    return
            else:
                last = await self._step(self.finish) or None
        await self._until_asked()
        self._answer(last)

    async def _step(self, step: Callable[[], bytes], chunk: bytes = b"") -> bytes:
        """Beside the event loop, if it would wait for guards too long."""
        return await asyncio.to_thread(step) if self.is_long(chunk) else step()

    async def _extend(self, extension: Extension) -> bytes | None:
        try:
            return self.answered(await self._extender.extend_async(extension))
        except MeteringUnavailable as error:
            return self.answered(error)

    async def _until_asked(self) -> None:
        while self._asked is None and not self.left:
            await self._rest()

    async def _rest(self) -> None:
        self._idle = self._loop.create_future()
        try:
            await self._idle
        finally:
            self._idle = None

    def _answer(self, answer: bytes | BaseException | None) -> None:
        asked, self._asked = self._asked, None
        if asked is not None and not asked.done():
            asked.set_result(answer)


class AsyncMeteredStream(httpx2.AsyncByteStream):
    """A response stream that is accounted for as it passes, to its terminal event even if nobody reads that far."""

    def __init__(
        self,
        response: httpx2.Response,
        account: StreamAccount,
        connections: Connections[httpx2.AsyncBaseTransport],
        drains: Drains,
        extender: Extender,
    ) -> None:
        self._pump = Pump(response, account, connections, drains, extender)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pump = self._pump
        try:
            while (passed := await pump.read()) is not None:
                yield passed
        finally:
            pump.leave()

    async def aclose(self) -> None:
        await self._pump.close()

    def __del__(self) -> None:
        if not (self._pump.left or self._pump.over.is_set()):
            self._pump.forsake()
