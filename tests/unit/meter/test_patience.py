import asyncio

from aikit.meter.patience import Patience
from aikit.meter.work import Ticket
from support.attempts import order


async def test_who_waits_too_long_is_woken_without_a_decision() -> None:
    patience = Patience(0.02)
    tickets = [Ticket(order(), asyncio.get_running_loop()) for _ in range(3)]
    for ticket in tickets:
        patience.watch(ticket)
    assert await asyncio.gather(*[ticket.wait_async() for ticket in tickets]) == [False] * 3


async def test_who_was_woken_in_time_is_left_alone_and_the_next_is_watched_again() -> None:
    patience = Patience(0.02)
    first, second = [Ticket(order(), asyncio.get_running_loop()) for _ in range(2)]
    patience.watch(first)
    first.fail("away")
    first.release_async()
    assert await first.wait_async()
    await asyncio.sleep(0.05)
    patience.watch(second)
    assert not await asyncio.wait_for(second.wait_async(), 1)
