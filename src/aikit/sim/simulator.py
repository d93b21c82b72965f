"""How to run the simulated provider: in a thread of this process (`Simulator`), or in the foreground (`serve`)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Self, TypeVar

from aikit.sim.api import Answering
from aikit.sim.server import LOOPBACK, Server

T = TypeVar("T")


class Simulator:
    """The simulated provider in a background thread with an event loop of its own.

    with Simulator() as sim:
        client = openai.OpenAI(base_url=f"{sim.url}/v1", api_key="none needed")
        ...
        assert sim.served()["totals"]["billed"] == {"input": 3, "output": 40}
    """

    def __init__(self, port: int = 0, answering: Answering | None = None) -> None:
        """`answering` is given each request (`aikit.sim.api.Ask`) and returns the text of its answer, or None."""
        self._port = port
        self._server = Server(answering)
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop
        self._stopped: asyncio.Event
        self.url = ""
        """The base URL without a path, such as `http://127.0.0.1:40123`, once it runs."""

    def start(self) -> Self:
        """Listen. Raises ConfigError if the port can't be had, RuntimeError if it runs already."""
        if self._thread is not None:
            raise RuntimeError("this simulator runs already")
        listening: Future[str] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(listening)), name="aikit-sim", daemon=True)
        thread.start()
        self.url = listening.result()
        self._thread = thread
        return self

    def stop(self) -> None:
        """Hang up on everyone and end the thread. Does nothing if it does not run."""
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join()
            self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def served(self, limit: int | None = None) -> dict[str, Any]:
        """The books: `in_flight`, `totals`, `by_api`, and the last `limit` `requests`, as GET /sim/served has them."""
        return self._call(lambda: self._server.served.told(limit))

    def fault(
        self, *, model: str | None = None, api: str | None = None, count: int | None = None, **fault: Any
    ) -> None:
        """Let something go wrong with the requests to come: of one model or API, and `count` times, if given.

        The fields are those of `aikit.sim.faults.Fault`. Raises ValueError that says which is wrong.
        """
        self._call(lambda: self._server.faults.add({"model": model, "api": api, "count": count, **fault}))

    def reset(self) -> None:
        """Forget what was served, and all standing faults."""
        self._call(self._server.reset)

    async def _run(self, listening: Future[str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        try:
            url = await self._server.listen(port=self._port)
        except Exception as problem:
            listening.set_exception(problem)
            return
        listening.set_result(url)
        await self._stopped.wait()
        await self._server.close()

    def _call(self, function: Callable[[], T]) -> T:
        """Run `function` in the server's thread, where its state may be touched."""
        if self._thread is None:
            return function()
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(function())
            except Exception as problem:
                result.set_exception(problem)

        self._loop.call_soon_threadsafe(run)
        return result.result()


def serve(host: str = LOOPBACK, port: int = 0, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve in the foreground until interrupted (KeyboardInterrupt); `on_ready` is told the base URL.

    Raises ConfigError for any address but 127.0.0.1, and for a port that can't be had.
    """

    async def run() -> None:
        server = Server()
        url = await server.listen(host, port)
        if on_ready is not None:
            on_ready(url)
        try:
            await asyncio.Event().wait()
        finally:
            await server.close()

    asyncio.run(run())
