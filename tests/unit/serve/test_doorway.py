"""How many requests run at once."""

from __future__ import annotations

import asyncio

import pytest

from aikit.errors import Refused
from aikit.serve.doorway import Doorway


async def stay(doorway: Doorway, until: asyncio.Event, order: list[int], number: int) -> None:
    async with doorway:
        order.append(number)
        await until.wait()


async def test_those_who_wait_go_in_in_their_order_and_more_are_refused() -> None:
    doorway, until, order = Doorway(1, 2), asyncio.Event(), []
    tasks = [asyncio.create_task(stay(doorway, until, order, number)) for number in range(3)]
    await asyncio.sleep(0)
    assert (doorway.running, doorway.waiting, order) == (1, 2, [0])
    with pytest.raises(Refused) as raised:
        await doorway.__aenter__()
    assert (raised.value.status, raised.value.code, raised.value.retry_after) == (503, "SERVER_BUSY", 1.0)
    until.set()
    await asyncio.gather(*tasks)
    assert (doorway.running, doorway.waiting, order) == (0, 0, [0, 1, 2])


async def test_who_gives_up_waiting_leaves_no_place_taken() -> None:
    doorway, until, order = Doorway(1, 5), asyncio.Event(), []
    tasks = [asyncio.create_task(stay(doorway, until, order, number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    until.set()
    tasks[0].cancel()
    tasks[2].cancel()  # whose turn has come, and who may not have noticed
    await asyncio.gather(*tasks, return_exceptions=True)
    assert (doorway.running, doorway.waiting) == (0, 0)
    assert order[-1] == 3


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    doorway = Doorway(1, 5, longest_wait=0.01)
    async with doorway:
        with pytest.raises(Refused, match="busy"):
            await doorway.__aenter__()
    assert (doorway.running, doorway.waiting) == (0, 0)
