"""Many who want an answer from the ledger share one question: whoever waits while one is under way is in the next."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from aikit.serve.line import LedgerAway

Wanted = TypeVar("Wanted")
Answer = TypeVar("Answer")
Asking = Callable[[Sequence[Wanted]], Awaitable[Sequence[Answer]]]
MOST_AT_ONCE = 2_000


class Sharing(Generic[Wanted, Answer]):
    """No answer is older than the question of the one who gets it. Of one event loop."""

    def __init__(self, ask: Asking[Wanted, Answer]) -> None:
        """`ask` answers for all that it is given, in their order, or raises LedgerAway."""
        self._ask = ask
        self._waiting: list[tuple[Wanted, asyncio.Future[Answer]]] = []
        self._running: asyncio.Task[None] | None = None

    async def get(self, wanted: Wanted) -> Answer:
        """Raises what `ask` raises: then whoever waits hears so at once, instead of trying in turn."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, answer))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await answer

    async def close(self) -> None:
        """End what is under way; who waits for it hears that the ledger is away."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    async def _run(self) -> None:
        batch: list[tuple[Wanted, asyncio.Future[Answer]]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
                answers = await self._ask([wanted for wanted, _ in batch])
                for (_, waiter), answer in zip(batch, answers, strict=True):
                    if not waiter.done():
                        waiter.set_result(answer)
        except Exception as error:
            self._fail(batch, error)
        except asyncio.CancelledError:
            self._fail(batch, LedgerAway("the server ends"))
            raise
        finally:
            self._running = None

    def _fail(self, batch: list[tuple[Wanted, asyncio.Future[Answer]]], error: Exception) -> None:
        waiting, self._waiting = self._waiting, []
        for _, waiter in [*batch, *waiting]:
            if not waiter.done():
                waiter.set_exception(error)
