"""Limits that come and go while calls are running; each batch is posted by hand, so that it holds what it has to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aikit.database.connect import Database
from aikit.ledger.tenants import add_tenant, remove_limit, set_limit
from aikit.ledger.verify import verify
from aikit.meter.opening import SESSION
from aikit.meter.plan import Batch
from aikit.meter.poster import Poster
from aikit.meter.rows import EndingRow, OrderRow
from aikit.policy.model import StatedLimit
from aikit.types import Decision, Ending, Entry, Metric, Window
from support.ledger import BOUND, MINI, SOME, order, price_row, rows

CREDITS = Metric.CREDITS
CAP = 100 * BOUND
daily, weekly, monthly = [StatedLimit(CREDITS, window, CAP) for window in (Window.DAY, Window.WEEK, Window.MONTH)]


@pytest.fixture
def posters(ledger: Database) -> Iterator[list[Poster]]:
    """Two processes; acme has a limit a month."""
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", monthly)
    opened = []
    for _ in range(2):
        connection = ledger.connect(role="meter")
        connection.execute(SESSION)
        opened.append(Poster(connection, price_row, hold_seconds=900))
    yield opened
    for poster in opened:
        poster.close()


def asked(poster: Poster, *decided: Decision) -> Decision:
    """One batch that ends what was decided before and asks for another attempt."""
    endings = [EndingRow.of(Entry(d.hold, Ending.SETTLED, MINI.cost(SOME), SOME)) for d in decided if d.hold]
    (decision,) = poster.post(Batch(endings, [OrderRow.of(order("acme", BOUND))]))
    assert decision.allowed
    return decision


def test_a_new_limit_takes_in_a_hold_that_ends_in_the_batch_that_opens_its_counter(
    ledger: Database, posters: list[Poster]
) -> None:
    running = asked(posters[0])
    set_limit(ledger, "acme", daily)
    asked(posters[0], running)
    assert rows(ledger, "SELECT DISTINCT used, held FROM aikit.counts") == [(MINI.cost(SOME), BOUND)]
    assert verify(ledger).ok


def test_a_process_that_has_not_heard_of_a_removed_limit_leaves_no_counter_of_it(
    ledger: Database, posters: list[Poster]
) -> None:
    one, other = posters
    first, second = asked(one), asked(other)
    set_limit(ledger, "acme", daily)
    third = asked(one)
    remove_limit(ledger, "acme", CREDITS, Window.DAY)
    set_limit(ledger, "acme", weekly)
    fourth = asked(one)
    remove_limit(ledger, "acme", CREDITS, Window.WEEK)
    one._memory._counters.clear()  # as when the cache is full: straight to the locks, with the old policy
    last = asked(one, first, third, fourth)
    asked(other, second)
    assert rows(ledger, 'SELECT DISTINCT "window" FROM aikit.counts') == [("month",)]
    assert last.hold is not None
    assert verify(ledger).ok


def test_a_counter_that_another_process_opened_over_a_hold_is_released_with_it(
    ledger: Database, posters: list[Poster]
) -> None:
    """The process that ends the hold learns of it only from the hold, while it opens counters of its own."""
    one, other = posters
    running = one.post(Batch(orders=[OrderRow.of(order("acme", BOUND, user="u1", feature="chat"))]))[0]
    for each in ("user", "feature"):
        set_limit(ledger, "acme", StatedLimit(CREDITS, Window.DAY, CAP, each=each))
    (second,) = other.post(Batch(orders=[OrderRow.of(order("acme", BOUND, user="u2", feature="chat"))]))
    assert second.allowed and running.hold is not None
    ending = EndingRow.of(Entry(running.hold, Ending.SETTLED, MINI.cost(SOME), SOME))
    one.post(Batch([ending], [OrderRow.of(order("acme", BOUND, user="u1", feature="search"))]))
    assert verify(ledger).findings == []
    held = dict(rows(ledger, "SELECT subject, held FROM aikit.counts WHERE name = 'credits/day'"))
    assert held["feature=chat"] == held["user=u1"] == BOUND
