"""A budget holds at every moment, however many calls are under way."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from aikit.errors import OverBudget
from aikit.evals.budget import Budget


@pytest.mark.parametrize("seed", range(20))
async def test_eight_calls_at_once_never_come_to_more_than_the_budget(seed: int) -> None:
    random, budget = Random(seed), Budget(1_000)
    refused = 0
    highest = 0

    async def call(most: int) -> None:
        nonlocal refused, highest
        try:
            async with budget.holding(most) as bill:
                highest = max(highest, budget.spent + budget.held)
                for _ in range(random.randrange(4)):
                    await asyncio.sleep(0)
                bill.nano = random.randrange(most + 1)
        except OverBudget:
            refused += 1

    async def caller() -> None:
        for _ in range(20):
            await call(random.randrange(1, 200))

    await asyncio.gather(*[caller() for _ in range(8)])
    assert highest <= 1_000 and budget.spent <= 1_000 and budget.held == 0
    assert refused > 0 and budget.exceeded


async def test_a_call_that_does_not_fit_waits_for_what_others_leave() -> None:
    budget = Budget(100)
    order = []

    async def first() -> None:
        async with budget.holding(80) as bill:
            await asyncio.sleep(0)
            bill.nano = 10
            order.append("first")

    async def second() -> None:
        async with budget.holding(80) as bill:
            bill.nano = 20
            order.append("second")

    await asyncio.gather(first(), second())
    assert (order, budget.spent, budget.exceeded) == (["first", "second"], 30, False)


async def test_a_call_that_will_never_fit_is_refused_with_the_figures() -> None:
    budget = Budget(100_000_000)
    async with budget.holding(90_000_000):
        pass
    with pytest.raises(OverBudget, match=r"may cost \$0\.02; of the run's budget \$0\.01 is left") as told:
        async with budget.holding(20_000_000):
            raise AssertionError("it was let through")
    assert "--budget-usd" in told.value.remedy and budget.spent == 90_000_000


async def test_a_call_of_which_nothing_is_known_costs_its_upper_bound() -> None:
    budget = Budget(100)
    with pytest.raises(RuntimeError):
        async with budget.holding(60):
            raise RuntimeError
    assert (budget.spent, budget.held) == (60, 0)


async def test_a_caller_that_gives_up_waiting_leaves_nothing_behind() -> None:
    budget = Budget(100)
    async with budget.holding(100) as bill:
        waiting = asyncio.ensure_future(_hold(budget, 50))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        bill.nano = 0
    await _hold(budget, 100)
    assert budget.held == 0


async def _hold(budget: Budget, most: int) -> None:
    async with budget.holding(most) as bill:
        bill.nano = 0


async def test_without_a_budget_everything_fits() -> None:
    budget = Budget()
    async with budget.holding(10**18):
        pass
    assert budget.spent == 10**18 and not budget.exceeded
