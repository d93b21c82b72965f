"""Corrections by hand: further entries that change what was charged, with counters, rollups and the audit in step."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikit.corrections import Corrected, correct
from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.kit import AIKit
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.charged import charged, charged_between
from aikit.ledger.verify import verify
from aikit.meter import locked
from aikit.meter.opening import poster_on
from aikit.money import MAX_NANO
from aikit.types import Entry, Usage, new_id
from support.attempts import set_policy
from support.kits import Books
from support.ledger import BOUND, MINI, SOME, Till, order, price_row, rows, tell
from support.months import month, spend_in

COST = MINI.cost(SOME)
PLENTY = 10**15
LIMITS: list[dict[str, Any]] = [
    {"metric": "credits", "window": "month", "cap": PLENTY},
    {"metric": "credits", "window": "total", "cap": PLENTY},
    {"metric": "tokens", "window": "day", "cap": PLENTY},
    {"metric": "output_tokens", "window": "minute", "cap": PLENTY},
    {"metric": "credits", "window": "hour", "cap": PLENTY, "each": "user"},
    {"metric": "requests", "window": "hour", "cap": PLENTY, "each": "feature"},
    {"metric": "concurrency", "window": "total", "cap": 1000},
]


@pytest.fixture(autouse=True)
def acme(ledger: Database) -> Database:
    """acme has limits on everything, over every kind of window."""
    set_policy(ledger, "acme", limits=LIMITS)
    return ledger


def assert_in_step(database: Database) -> None:
    """Entries, counters, rollups and the audit agree, and nothing is below zero."""
    assert verify(database).findings == []
    assert verify_audit(database).ok


def entries_of(database: Database, entry: Entry) -> list[tuple[Any, ...]]:
    query = "SELECT seq, nano, error, input FROM aikit.entries WHERE attempt = %s ORDER BY seq"
    return rows(database, query, entry.hold.order.attempt)


def counts(database: Database) -> dict[str, tuple[int, int, int]]:
    query = "SELECT concat_ws(' ', subject, name), used, held, previous FROM aikit.counts WHERE tenant = 'acme'"
    return {name.strip(): (used, held, previous) for name, used, held, previous in rows(database, query)}


def test_an_attempt_is_corrected_up_and_down_and_each_entry_is_the_difference(ledger: Database, till: Till) -> None:
    entry, other = till.spend(user="ann", feature="chat"), till.spend(user="bob")
    till.flush()
    id = entry.hold.order.attempt
    before = COST
    for amount in (COST + 5, 3, 0, 2 * BOUND):
        assert correct(ledger, id, nano=amount, why="the bill says so") == Corrected(id, "acme", before, amount, True)
        assert charged(ledger, id).nano == amount
        assert counts(ledger)["user=ann credits/hour"][0] == amount
        assert counts(ledger)["credits/month"][0] == counts(ledger)["credits/total"][0] == amount + COST
        assert_in_step(ledger)
        before = amount
    assert entries_of(ledger, entry) == [
        (0, COST, None, 1000),
        (1, 5, "corrected", None),
        (2, -COST - 2, "corrected", None),
        (3, -3, "corrected", None),
        (4, 2 * BOUND, "corrected", None),
    ]
    assert entries_of(ledger, other) == [(0, COST, None, 1000)]
    assert rows(ledger, "SELECT sum(calls), sum(nano) FROM aikit.rollups") == [(2, 2 * BOUND + COST)]
    till.spend(user="ann", feature="chat")  # the meter that was open all the time goes on from what is there now
    till.flush()
    assert_in_step(ledger)


def test_the_same_amount_posts_nothing(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    assert correct(ledger, entry.hold.order.attempt, nano=COST, why="checked").posted is False
    assert len(entries_of(ledger, entry)) == 1
    assert list_audit(ledger) == []


def test_the_only_attempt_of_a_call_is_found_by_the_calls_id(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    assert correct(ledger, entry.hold.order.call.id, nano=7, why="x").attempt == entry.hold.order.attempt


def test_a_voided_attempt_that_was_billed_after_all_is_charged(ledger: Database, till: Till) -> None:
    entry = till.void(till.admit(user="ann"))
    till.flush()
    correct(ledger, entry.hold.order.attempt, usage=SOME, why="on the bill")
    assert entries_of(ledger, entry) == [(0, 0, "server_error", None), (1, COST, "corrected", 1000)]
    assert_in_step(ledger)


@pytest.mark.parametrize("amount", [-1, MAX_NANO + 1])
def test_an_amount_out_of_bounds_is_refused(ledger: Database, till: Till, amount: int) -> None:
    entry = till.spend()
    till.flush()
    with pytest.raises(ConfigError, match="can't have cost"):
        correct(ledger, entry.hold.order.attempt, nano=amount, why="x")
    assert len(entries_of(ledger, entry)) == 1


def test_what_is_no_attempt_that_has_ended_is_refused_with_the_reason(ledger: Database, till: Till) -> None:
    running = till.admit()
    refused = till.ask("nobody")
    first = till.spend()
    again = order("acme", BOUND)._replace(call=first.hold.order.call)
    second = till.meter.admit(again).hold
    assert second is not None
    till.settle(second)
    till.flush()
    for id, match in (
        (new_id(), "has no attempt and no call"),
        (running.order.attempt, "is still running"),
        (refused.id, "was refused"),
        (first.hold.order.call.id, "has 2 attempts"),
    ):
        with pytest.raises(ConfigError, match=match):
            correct(ledger, id, nano=1, why="x")
    till.settle(running)
    till.flush()


def test_an_attempt_that_was_pruned_is_told_by_its_file(ledger: Database, till: Till) -> None:
    tell(
        ledger,
        "INSERT INTO aikit.pruned (relation, part, seq, first_id, end_id, rows, nano, file, sha256) "
        "VALUES ('entries', 'entries_2026_01', 1, aikit.id_at('2026-01-01'), aikit.id_at('2026-02-01'), 1, 5, "
        "'entries_2026_01.parquet', 'x')",
    )
    ((id,),) = rows(ledger, "SELECT aikit.id_at('2026-01-15')")
    with pytest.raises(ConfigError, match=r"pruned.*entries_2026_01\.parquet"):
        correct(ledger, id, nano=1, why="x")


def test_an_amount_and_a_usage_are_not_taken_together_and_a_reason_is_needed(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    id = entry.hold.order.attempt
    with pytest.raises(ConfigError, match="an amount or a usage"):
        correct(ledger, id, nano=1, usage=SOME, why="x")
    with pytest.raises(ConfigError, match="an amount or a usage"):
        correct(ledger, id, why="x")
    with pytest.raises(ConfigError, match="reason"):
        correct(ledger, id, nano=1, why=" ")


def test_a_usage_that_comes_late_is_charged_at_the_price_of_the_attempt_and_counts_its_tokens(
    ledger: Database, till: Till
) -> None:
    entry = till.presume(till.admit(user="ann"))
    till.flush()
    presumed = counts(ledger)["tokens/day"][0]
    done = correct(ledger, entry.hold.order.attempt, usage=SOME, why="from the provider's log")
    assert (done.before, done.after) == (BOUND, COST)
    assert counts(ledger)["tokens/day"][0] == presumed + SOME.total_tokens
    assert counts(ledger)["credits/month"][0] == COST
    assert entries_of(ledger, entry)[1] == (1, COST - BOUND, "corrected", 1000)
    assert rows(ledger, "SELECT sum(calls), sum(input), sum(cache_read) FROM aikit.rollups") == [(1, 1000, 200)]
    assert_in_step(ledger)
    with pytest.raises(ConfigError, match="usage of this attempt is on record"):
        correct(ledger, entry.hold.order.attempt, usage=SOME, why="again")


def test_a_usage_that_costs_what_was_presumed_is_posted_for_its_tokens(ledger: Database, till: Till) -> None:
    entry = till.presume(till.admit(nano=COST))
    till.flush()
    done = correct(ledger, entry.hold.order.attempt, usage=SOME, why="late")
    assert (done.before, done.after, done.posted) == (COST, COST, True)
    assert entries_of(ledger, entry)[1] == (1, 0, "corrected", 1000)
    assert_in_step(ledger)


def test_a_usage_of_an_attempt_that_has_one_or_has_no_price_is_refused(ledger: Database, till: Till) -> None:
    entry = till.spend()
    unpriced = till.admit(price=None)
    till.presume(unpriced)
    till.flush()
    with pytest.raises(ConfigError, match="on record already"):
        correct(ledger, entry.hold.order.attempt, usage=Usage(input=1), why="x")
    with pytest.raises(ConfigError, match="no price"):
        correct(ledger, unpriced.order.attempt, usage=Usage(input=1), why="x")
    assert correct(ledger, unpriced.order.attempt, nano=9, why="x").after == 9
    assert_in_step(ledger)


def test_who_and_why_are_on_record_and_the_chain_holds(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    correct(ledger, entry.hold.order.attempt, nano=5, why="the bill says so", who="ann@example.com")
    (row,) = list_audit(ledger, action="ledger")
    assert (row.action, row.subject, row.tenant) == ("ledger.correct", f"attempt:{entry.hold.order.attempt}", "acme")
    assert (row.who, row.why) == ("ann@example.com", "the bill says so")
    assert (row.before, row.after) == ({"cost_usd": "0.00039"}, {"cost_usd": "0.000000005"})
    assert verify_audit(ledger).ok


def test_nothing_that_was_posted_is_changed(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    before = rows(ledger, "SELECT * FROM aikit.entries")
    correct(ledger, entry.hold.order.attempt, nano=5, why="x")
    assert rows(ledger, "SELECT * FROM aikit.entries WHERE seq = 0") == before
    with pytest.raises(psycopg.errors.RestrictViolation, match="append-only"):
        tell(ledger, "UPDATE aikit.entries SET nano = 0 WHERE seq = 1")


def test_a_correction_that_fails_in_the_middle_leaves_nothing(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    before = counts(ledger), rows(ledger, "SELECT * FROM aikit.rollups")
    with pytest.raises(ConfigError, match="who must be"):  # found out after entry and counters were written
        correct(ledger, entry.hold.order.attempt, nano=5, why="x", who="a\nb")
    assert (counts(ledger), rows(ledger, "SELECT * FROM aikit.rollups")) == before
    assert len(entries_of(ledger, entry)) == 1
    assert list_audit(ledger) == []
    assert_in_step(ledger)


def test_an_attempt_of_an_earlier_month_is_corrected_there(ledger: Database, tmp_path: Path) -> None:
    old, new = spend_in(ledger, tmp_path, month(1), month(2) + timedelta(hours=3), refused=0)
    before = counts(ledger)
    correct(ledger, old, nano=10 * BOUND, why="x")
    after = counts(ledger)
    assert {name for name in after if after[name] != before[name]} == {"credits/total"}
    correct(ledger, new, nano=0, why="x")
    assert counts(ledger)["credits/month"][0] == 0
    assert counts(ledger)["credits/total"][0] == 10 * BOUND
    assert_in_step(ledger)


@pytest.mark.parametrize("later", [timedelta(seconds=60), timedelta(seconds=130), timedelta(hours=1)])
def test_an_attempt_of_an_earlier_minute_or_hour_is_corrected_in_the_window_it_was_admitted_in(
    ledger: Database, tmp_path: Path, later: timedelta
) -> None:
    at = month(1) + timedelta(days=3, hours=5, minutes=58, seconds=30)
    attempt, _ = spend_in(ledger, tmp_path, at, at + later, refused=0)
    correct(ledger, attempt, nano=3, why="x")
    assert_in_step(ledger)
    spend_in(ledger, tmp_path, at + later + timedelta(seconds=20), refused=0)
    correct(ledger, attempt, nano=BOUND, why="x")
    assert_in_step(ledger)


def test_corrections_made_at_once_of_one_attempt_come_one_after_the_other(ledger: Database, till: Till) -> None:
    entry = till.spend()
    till.flush()
    id = entry.hold.order.attempt
    in_parallel([lambda amount=amount: correct(ledger, id, nano=amount, why="x") for amount in (11, 22, 33, 44)])
    audited = list(reversed(list_audit(ledger)))
    assert [row.before for row in audited[1:]] == [row.after for row in audited[:-1]]
    posted = [nano for _, nano, *_ in entries_of(ledger, entry)]
    assert len(posted) == 5
    assert sum(posted) == charged(ledger, id).nano
    assert sum(posted) in (11, 22, 33, 44)
    assert_in_step(ledger)


def test_a_usage_that_two_bring_at_once_counts_once(ledger: Database, till: Till) -> None:
    entry = till.presume(till.admit())
    till.flush()
    refused: list[ConfigError] = []

    def bring() -> None:
        try:
            correct(ledger, entry.hold.order.attempt, usage=SOME, why="x")
        except ConfigError as error:
            refused.append(error)

    in_parallel([bring, bring, bring])
    assert len(refused) == 2
    assert len(entries_of(ledger, entry)) == 2
    assert_in_step(ledger)


def test_a_truth_that_comes_later_than_a_persons_word_changes_nothing(ledger: Database, till: Till) -> None:
    hold = till.admit()
    poster = poster_on(ledger.connect(role="meter"), price_row)
    assert poster.expire(all_holds=True) == 1
    correct(ledger, hold.order.attempt, nano=77, why="x")
    entry = till.settle(hold)
    till.flush()
    poster.close()
    assert [nano for _, nano, *_ in entries_of(ledger, entry)] == [BOUND, 77 - BOUND]
    assert_in_step(ledger)


def test_a_truth_on_its_way_while_a_person_corrects_is_not_posted_on_top(
    ledger: Database, till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = till.admit()
    poster = poster_on(ledger.connect(role="meter"), price_row)
    assert poster.expire(all_holds=True) == 1
    found = locked.late_truths

    def overtaken(*arguments: Any) -> Any:
        truths = found(*arguments)
        monkeypatch.undo()
        correct(ledger, hold.order.attempt, nano=77, why="x")
        return truths

    monkeypatch.setattr(locked, "late_truths", overtaken)
    entry = till.settle(hold)
    till.flush()
    poster.close()
    assert [nano for _, nano, *_ in entries_of(ledger, entry)] == [BOUND, 77 - BOUND]
    assert_in_step(ledger)


def test_corrections_while_another_kit_makes_calls_of_the_same_tenant(kit: AIKit, books: Books) -> None:
    database = Database(books.dsn, False, "test")
    client = kit.openai(tenant="acme", user="ann")
    hello: Any = [{"role": "user", "content": 'Hello [[sim: {"usage": {"input": 90, "output": 10}}]]'}]

    def call() -> None:
        client.chat.completions.create(model="gpt-4o-mini", messages=hello)

    for _ in range(3):
        call()
    assert kit.flush()
    attempts = [entry["attempt"] for entry in books.entries()]

    def many() -> None:
        for _ in range(15):
            call()

    def corrected() -> None:
        for turn in range(20):
            correct(database, attempts[turn % 3], nano=1000 * turn, why="turn")

    in_parallel([many, many, many, many, corrected])
    assert kit.flush()
    books.assert_balanced()
    assert [charged(database, attempt).nano for attempt in attempts] == [18_000, 19_000, 17_000]
    assert len(books.entries()) == 3 + 60 + 20


def test_a_counter_that_opens_in_the_same_moment_waits_for_the_correction(
    ledger: Database, open_till: Callable[[], Till], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_policy(ledger, "acme", limits=LIMITS[:4])
    entry = (till := open_till()).spend(user="ann")
    till.flush()
    each = {"metric": "tokens", "window": "month", "cap": PLENTY, "each": "feature"}
    set_policy(ledger, "acme", limits=[*LIMITS[:4], each, {**each, "metric": "credits"}])
    other = open_till()
    opening = threading.Thread(target=lambda: other.spend(user="ann"))
    read = locked.with_subjects

    def overtaken(*arguments: Any) -> Any:
        found = read(*arguments)  # it does not have the counters that the call is about to open
        opening.start()
        opening.join(1)
        return found

    monkeypatch.setattr(locked, "with_subjects", overtaken)
    correct(ledger, entry.hold.order.attempt, nano=5, why="x")
    monkeypatch.undo()
    opening.join(30)
    other.flush()
    assert counts(ledger)["feature= credits/month"][0] == 5 + COST
    assert_in_step(ledger)


def test_corrections_of_users_whose_first_calls_come_in_the_same_moment(
    ledger: Database, open_till: Callable[[], Till]
) -> None:
    set_policy(ledger, "acme", limits=LIMITS[:4])
    till = open_till()
    users = [f"u{n}" for n in range(24)]
    spent = [till.spend(user=user, feature=user) for user in users]
    till.flush()
    each = [{"metric": "tokens", "window": window, "cap": PLENTY, "each": "user"} for window in ("month", "minute")]
    each += [{"metric": "credits", "window": "day", "cap": PLENTY, "each": "feature"}]
    set_policy(ledger, "acme", limits=[*LIMITS, *each])
    other = open_till()

    def calls() -> None:
        for user in users:
            other.spend(user=user, feature=user)

    def corrected(half: int) -> None:
        for entry in spent[half::2]:
            correct(ledger, entry.hold.order.attempt, nano=5, why="x")

    in_parallel([calls, lambda: corrected(0), lambda: corrected(1)])
    till.flush()
    other.flush()
    assert counts(ledger)["user=u3 credits/hour"][0] == 5 + COST
    assert_in_step(ledger)


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(stated=st.lists(st.integers(0, 10**12), min_size=1, max_size=5))
def test_after_any_sequence_of_corrections_the_ledger_says_the_last_amount(
    ledger: Database, till: Till, stated: list[int]
) -> None:
    entry = till.spend(user="ann")
    till.flush()
    for amount in stated:
        correct(ledger, entry.hold.order.attempt, nano=amount, why="x")
    assert sum(nano for _, nano, *_ in entries_of(ledger, entry)) == stated[-1]
    assert_in_step(ledger)


def test_a_period_is_read_in_pages_each_attempt_once(ledger: Database, till: Till) -> None:
    set_policy(ledger, "beta", limits=LIMITS)
    made = {till.spend(tenant, user="ann").hold.order.attempt for tenant in ("acme", "beta") for _ in range(7)}
    till.flush()
    since = datetime.now(UTC) - timedelta(hours=1)
    found, last = [], None
    while page := charged_between(ledger, since, after=last, limit=3):
        assert len(page) <= 3
        found += page
        last = page[-1]
    assert {one.attempt for one in found} == made
    assert len(found) == 14
    assert [(one.tenant, one.attempt) for one in found] == sorted((one.tenant, one.attempt) for one in found)


def in_parallel(works: list[Callable[[], Any]]) -> None:
    """Run these at once; whatever one raises is raised."""
    errors: list[BaseException] = []

    def guarded(work: Callable[[], Any]) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    if errors:
        raise errors[0]
