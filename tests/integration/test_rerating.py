"""Rerating: a period is charged again at other prices, as further entries; what needs none gets none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from aikit import corrections
from aikit.corrections import Rerated, correct, rerate
from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.charged import Charged, charged, charged_between
from aikit.ledger.verify import verify
from aikit.meter.opening import poster_on
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.pricing.price import Price
from aikit.types import Ending, Entry, Usage
from integration.ledger.test_plans import statements
from support.attempts import set_policy
from support.ledger import BOUND, CLAUDE, MINI, PRICES, SOME, Till, a_price, price_row, rows
from support.months import month, part_of, spend_in

COST = MINI.cost(SOME)
DEARER = {"openai/gpt-4o-mini": {"input": "0.30", "output": "1.20"}}
PLENTY = 10**15
LIMITS: list[dict[str, Any]] = [
    {"metric": "credits", "window": "month", "cap": PLENTY},
    {"metric": "credits", "window": "minute", "cap": PLENTY, "each": "user"},
    {"metric": "tokens", "window": "day", "cap": PLENTY},
]


@pytest.fixture(autouse=True)
def tenants(ledger: Database) -> None:
    for tenant in ("acme", "beta"):
        set_policy(ledger, tenant, limits=LIMITS)


def book_of(table: dict[str, Any] = DEARER) -> PriceBook:
    """These overrides, and no other price."""
    return PriceBook(parse_overrides(table), providers=[])


def an_hour_ago() -> datetime:
    return datetime.now(UTC) - timedelta(hours=1)


def cost_at(book: PriceBook, entry: Entry) -> int:
    call, hold = entry.hold.order.call, entry.hold
    price = book.find(call.provider, call.model, at=hold.admitted_at)
    assert price is not None
    assert entry.usage is not None
    return price.cost(entry.usage)


def posted(database: Database) -> list[tuple[Any, ...]]:
    return rows(database, "SELECT attempt, seq, nano, error FROM aikit.entries WHERE seq > 0 ORDER BY attempt, seq")


def assert_in_step(database: Database) -> None:
    assert verify(database).findings == []
    assert verify_audit(database).ok


def test_a_dry_run_says_what_is_posted_then_and_a_second_run_posts_nothing(ledger: Database, till: Till) -> None:
    spent = [till.spend(user="ann"), till.spend("beta"), till.spend(user="bob", usage=Usage(input=7))]
    till.spend(price=CLAUDE)
    till.flush()
    book = book_of()
    dry = rerate(ledger, book, since=an_hour_ago(), dry_run=True)
    assert posted(ledger) == []
    assert list_audit(ledger) == []
    done = rerate(ledger, book, since=an_hour_ago(), why="a wrong price")
    assert [astuple(one) for one in done] == [astuple(one) for one in dry]
    before, after = 2 * COST + MINI.cost(Usage(input=7)), sum(cost_at(book, entry) for entry in spent)
    assert done == [
        Rerated("anthropic", "claude", 1, 0, 1, CLAUDE.cost(SOME), CLAUDE.cost(SOME)),
        Rerated("openai", "gpt-4o-mini", 3, 3, 0, before, after),
    ]
    assert len(posted(ledger)) == 3
    assert all(charged(ledger, entry.hold.order.attempt).nano == cost_at(book, entry) for entry in spent)
    assert_in_step(ledger)
    again = rerate(ledger, book, since=an_hour_ago(), why="once more")
    assert (again[1].changed, again[1].before, again[1].after) == (0, after, after)
    assert len(posted(ledger)) == 3


def test_only_attempts_that_cost_something_else_get_an_entry(ledger: Database, till: Till) -> None:
    plain, cached = till.spend(usage=Usage(input=100)), till.spend(usage=Usage(input=100, cache_read=50))
    till.flush()
    book = book_of({"openai/gpt-4o-mini": {"input": "0.15", "cache_read": "0.01", "output": "0.60"}})
    (found,) = rerate(ledger, book, since=an_hour_ago(), why="x")
    assert (found.attempts, found.changed) == (2, 1)
    assert [attempt for attempt, *_ in posted(ledger)] == [cached.hold.order.attempt]
    assert charged(ledger, plain.hold.order.attempt).nano == MINI.cost(Usage(input=100))
    assert_in_step(ledger)


def test_what_was_voided_corrected_by_hand_or_never_reported_stays_as_it_is(ledger: Database, till: Till) -> None:
    till.void(till.admit())
    till.presume(till.admit())
    till.end(Entry(till.admit(), Ending.SETTLED, BOUND, None, estimated=True))
    by_hand, voided = till.spend(), till.void(till.admit())
    till.flush()
    correct(ledger, by_hand.hold.order.attempt, nano=3, why="x")
    correct(ledger, voided.hold.order.attempt, usage=SOME, why="x")
    before = rows(ledger, "SELECT * FROM aikit.entries ORDER BY attempt, seq")
    assert rerate(ledger, book_of(), since=an_hour_ago(), why="x") == []
    assert rows(ledger, "SELECT * FROM aikit.entries ORDER BY attempt, seq") == before


def test_an_attempt_whose_truth_came_late_is_charged_again_by_its_usage(ledger: Database, till: Till) -> None:
    hold = till.admit()
    poster = poster_on(ledger.connect(role="meter"), price_row)
    assert poster.expire(all_holds=True) == 1
    poster.close()
    entry = till.settle(hold)
    till.flush()
    book = book_of()
    (found,) = rerate(ledger, book, since=an_hour_ago(), why="x")
    assert (found.before, found.after) == (COST, cost_at(book, entry))
    assert [(seq, error) for _, seq, _, error in posted(ledger)] == [(1, None), (2, "rerated")]
    assert_in_step(ledger)


def test_an_estimate_of_a_model_that_has_a_price_now_becomes_exact(ledger: Database, till: Till) -> None:
    hold = till.admit(price=None)
    till.end(Entry(hold, Ending.SETTLED, BOUND, SOME, estimated=True, status=200))
    till.flush()
    book = book_of()
    (found,) = rerate(ledger, book, since=an_hour_ago(), why="it is priced now")
    price = book.find("openai", "gpt-4o-mini", at=datetime.now(UTC))
    assert price is not None
    assert (found.before, found.after) == (BOUND, price.cost(SOME))
    assert rows(ledger, "SELECT price_id FROM aikit.entries WHERE seq = 1") == [(price.id,)]
    assert rows(ledger, "SELECT source FROM aikit.prices WHERE price_id = %s", price.id) == [("aikit.toml",)]
    assert_in_step(ledger)


def test_a_model_without_a_price_today_is_counted_and_stays(ledger: Database, till: Till) -> None:
    till.spend()
    till.flush()
    no_output = book_of({"openai/gpt-4o-mini": {"input": "0.30"}})
    for book in (book_of({}), no_output):
        (found,) = rerate(ledger, book, since=an_hour_ago(), why="x")
        assert (found.attempts, found.unpriced, found.changed, found.before, found.after) == (1, 1, 0, COST, COST)
    assert posted(ledger) == []


def test_a_period_and_filters_choose_whose_attempts(ledger: Database, tmp_path: Path) -> None:
    spend_in(ledger, tmp_path, month(1), month(1) + timedelta(days=2), month(2) + timedelta(days=2), refused=0)
    spend_in(ledger, tmp_path, month(1) + timedelta(days=2), tenant="beta", refused=0)
    book = book_of()

    def changed(since: datetime, until: datetime | None = None, **only: Any) -> int:
        return sum(one.changed for one in rerate(ledger, book, since=since, until=until, dry_run=True, **only))

    assert changed(month(1)) == 4
    assert changed(month(1) + timedelta(seconds=5)) == 3
    assert changed(month(1), month(2)) == 3
    assert changed(month(1), month(1) + timedelta(days=2)) == 1
    assert changed(month(3)) == 0
    assert changed(month(1), tenant="beta") == changed(month(2)) == 1
    assert changed(month(1), provider="anthropic") == changed(month(1), model="claude") == 0
    assert changed(month(1), provider="openai", model="gpt-4o-mini") == 4
    rerate(ledger, book, since=month(1), why="x")
    assert_in_step(ledger)


def test_a_price_with_a_date_changes_what_was_admitted_from_then_on(ledger: Database, tmp_path: Path) -> None:
    old, new = spend_in(ledger, tmp_path, month(1), month(2), refused=0)
    first = month(2).date()
    table = {
        "openai/gpt-4o-mini": [
            {"input": "0.15", "output": "0.60"},
            {"input": "0.30", "output": "1.20", "from": date(first.year, first.month, 1)},
        ]
    }
    (found,) = rerate(ledger, book_of(table), since=month(1), why="x")
    assert (found.attempts, found.changed) == (2, 1)
    assert (charged(ledger, old).nano, charged(ledger, new).nano) == (COST, 2 * COST)
    assert_in_step(ledger)


@pytest.fixture
def wrong() -> Iterator[dict[str, Price]]:
    """Prices that were wrong: of a model whose price has tiers, and of one that was called at a service tier."""
    tiered = a_price("gemini", "gemini-2.5-pro", input="1", output="1")
    flex = replace(a_price("openai", "gpt-5-mini", input="9", output="9"), service_tier="flex")
    PRICES.update({price.id: price for price in (tiered, flex)})
    yield {"tiered": tiered, "flex": flex}
    for price in (tiered, flex):
        del PRICES[price.id]


def test_tiers_and_service_tiers_are_those_of_the_attempt(
    ledger: Database, till: Till, wrong: dict[str, Price]
) -> None:
    small, large = Usage(input=1000, output=10), Usage(input=300_000, output=10)
    spent = {
        "small": till.spend(usage=small, price=wrong["tiered"]),
        "large": till.spend(usage=large, price=wrong["tiered"]),
        "flex": till.spend(usage=small, price=wrong["flex"]),
    }
    till.flush()
    book, now = PriceBook(), datetime.now(UTC)
    rerate(ledger, book, since=an_hour_ago(), why="x")
    tiered = book.find("gemini", "gemini-2.5-pro", at=now)
    flex = book.find("openai", "gpt-5-mini", at=now, service_tier="flex")
    plain = book.find("openai", "gpt-5-mini", at=now)
    assert tiered is not None and flex is not None and plain is not None
    found = {name: charged(ledger, entry.hold.order.attempt).nano for name, entry in spent.items()}
    assert found == {"small": tiered.cost(small), "large": tiered.cost(large), "flex": flex.cost(small)}
    assert tiered.cost(large) > 300 * (tiered.cost(Usage(input=1000)))
    assert flex.cost(small) != plain.cost(small)
    assert_in_step(ledger)


@pytest.fixture
def many(till: Till) -> int:
    """1,500 attempts of two tenants and three users."""

    def spend(n: int) -> None:
        till.spend(("acme", "beta")[n % 2], Usage(input=n, output=1), user=f"u{n % 3}")

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(spend, range(1500)))
    till.flush()
    return 1500


def test_many_attempts_are_charged_again_in_batches_and_an_interrupted_run_is_finished_by_the_next(
    ledger: Database, many: int
) -> None:
    book = book_of()
    (dry,) = rerate(ledger, book, since=an_hour_ago(), dry_run=True)
    assert dry.attempts == dry.changed == many

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rerate(ledger, book, since=an_hour_ago(), why="x", on_progress=interrupt)
    assert len(posted(ledger)) == corrections.AT_ONCE
    assert_in_step(ledger)
    looked: list[int] = []
    (rest,) = rerate(ledger, book, since=an_hour_ago(), why="x", on_progress=looked.append)
    assert sum(looked) == many
    assert rest.changed == many - corrections.AT_ONCE
    assert rest.after == dry.after
    assert len(posted(ledger)) == len({attempt for attempt, *_ in posted(ledger)}) == many
    assert rows(ledger, "SELECT sum(nano)::bigint FROM aikit.entries") == [(dry.after,)]
    assert len(list_audit(ledger, action="ledger.rerate")) == many / corrections.AT_ONCE
    assert_in_step(ledger)


def test_two_runs_at_once_charge_each_attempt_once(ledger: Database, many: int) -> None:
    book = book_of()
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(rerate, ledger, book, since=an_hour_ago(), why="x") for _ in range(2)]
        changed = [sum(one.changed for one in run.result()) for run in runs]
    assert sum(changed) == len(posted(ledger)) == many
    assert_in_step(ledger)


def test_calls_go_on_while_a_period_is_charged_again(ledger: Database, many: int, till: Till) -> None:
    book = book_of()
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(lambda: [till.spend(user="u1") for _ in range(40)]) for _ in range(3)]
        run = pool.submit(rerate, ledger, book, since=an_hour_ago(), why="x")
        (found,) = run.result()
        for each in calls:
            each.result()
    till.flush()
    assert found.changed >= many
    assert_in_step(ledger)


def test_an_attempt_that_is_corrected_by_hand_meanwhile_is_left_alone(
    ledger: Database, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = till.spend(), till.spend()
    till.flush()
    read = corrections.charged_between

    def overtaken(*arguments: Any, **named: Any) -> list[Charged]:
        found = read(*arguments, **named)
        monkeypatch.undo()
        correct(ledger, first.hold.order.attempt, nano=3, why="x")
        return found

    monkeypatch.setattr(corrections, "charged_between", overtaken)
    (done,) = rerate(ledger, book_of(), since=an_hour_ago(), why="x")
    assert (done.attempts, done.changed) == (1, 1)
    assert charged(ledger, first.hold.order.attempt).nano == 3
    assert charged(ledger, second.hold.order.attempt).nano == 2 * COST
    assert_in_step(ledger)


def test_who_why_and_what_are_on_record(ledger: Database, till: Till) -> None:
    till.spend()
    till.flush()
    since = an_hour_ago()
    rerate(ledger, book_of(), since=since, tenant="acme", why="the contract says so", who="ann")
    (row,) = list_audit(ledger)
    (price,) = rows(ledger, "SELECT price_id FROM aikit.entries WHERE seq = 1")[0]
    assert (row.action, row.subject, row.tenant, row.who) == ("ledger.rerate", "1 attempt", "acme", "ann")
    assert row.before == {"cost_usd": "0.00039"}
    assert row.after == {"cost_usd": "0.00078", "since": since.isoformat(), "tenant": "acme", "prices": [price]}
    assert row.why == "the contract says so"
    assert verify_audit(ledger).ok


def test_a_batch_that_fails_in_the_middle_leaves_nothing(ledger: Database, till: Till) -> None:
    till.spend()
    till.flush()
    with pytest.raises(ConfigError, match="who must be"):
        rerate(ledger, book_of(), since=an_hour_ago(), why="x", who="a\nb")
    assert posted(ledger) == []
    assert_in_step(ledger)


def test_a_run_that_posts_needs_a_reason_and_times_a_zone(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="reason"):
        rerate(ledger, book_of(), since=an_hour_ago())
    with pytest.raises(ConfigError, match="time zone"):
        rerate(ledger, book_of(), since=datetime(2026, 11, 1), dry_run=True)


def test_a_cost_beyond_all_bounds_is_an_error_and_posts_nothing(ledger: Database, till: Till) -> None:
    absurd = book_of({"openai/gpt-4o-mini": {"input": "1000000", "output": "1000000"}})
    till.end(Entry(till.admit(), Ending.SETTLED, 5, Usage(input=10**11), estimated=True))
    till.flush()
    with pytest.raises(ConfigError, match="would cost"):
        rerate(ledger, absurd, since=an_hour_ago(), why="x")
    assert posted(ledger) == []


def test_months_before_the_period_are_not_looked_into(ledger: Database, tmp_path: Path) -> None:
    spend_in(ledger, tmp_path, month(1), month(2) + timedelta(days=2), month(3), refused=0)
    since, until = month(2) + timedelta(days=1), month(3) - timedelta(days=1)
    asked = statements(lambda: charged_between(ledger, since, until, limit=10))
    ((query, parameters),) = [one for one in asked if "aikit.entries AS first" in one[0]]
    with ledger.connect(role="test") as connection:
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN (ANALYZE) {query}".encode(), parameters))
    looked_into = [line for line in plan.splitlines() if "entries_" in line and "never executed" not in line]
    assert any(part_of("entries", month(2)) in line for line in looked_into)
    assert not any(part_of("entries", month(1)) in line for line in looked_into)
    assert not any(part_of("entries", month(3)) in line for line in looked_into)
