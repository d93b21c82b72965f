"""A run's budget: before a call its upper bound is set aside, after it what it has cost is spent and the rest is free.

So spent and set aside together are never more than the budget, however many calls are under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aikit.errors import OverBudget
from aikit.money import usd_string


class Bill:
    """What one call has come to, in nano-USD: the whole upper bound, unless something else is stated."""

    def __init__(self, most: int) -> None:
        self.nano = most


class Budget:
    """Amounts in nano-USD; with `cap` None there is no end to it. For the tasks of one event loop."""

    def __init__(self, cap: int | None = None) -> None:
        self.cap = cap
        self.spent = 0
        self.held = 0
        self.exceeded = False
        """A call did not fit."""
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def holding(self, most: int) -> AsyncIterator[Bill]:
        """Set `most` aside for the call in the block. Waits while calls under way may leave enough of what they hold.

        Raises OverBudget if it does not fit, whatever they leave.
        """
        while not self._fits(most):
            if not self.held:
                self.exceeded = True
                raise self._over(most)
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter
        self.held += most
        bill = Bill(most)
        try:
            yield bill
        finally:
            self.held -= most
            self.spent += bill.nano
            self._wake()

    def _fits(self, most: int) -> bool:
        return self.cap is None or self.spent + self.held + most <= self.cap

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _over(self, most: int) -> OverBudget:
        left = (self.cap or 0) - self.spent
        return OverBudget(
            f"The next call may cost ${usd_string(most)}; of the run's budget ${usd_string(max(left, 0))} is left.",
            facts={"most_nano": most, "spent_nano": self.spent, "budget_nano": self.cap},
            remedy="Raise `budget_usd` in the suite, or pass --budget-usd; or have fewer cases or trials.",
        )
