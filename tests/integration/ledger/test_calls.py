"""The list of attempts, and one of them in full."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.calls import AttemptDetail, CallRow, get_call, list_calls
from aikit.ledger.policies import put_policy
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.pricing.price import Price
from aikit.types import Action, Decision, Ending, Entry, Hold, Limit, LimitState, Metric, Usage, Window, new_id
from support.ledger import BOUND, CLAUDE, MINI, SOME, Till, tell

COST = MINI.cost(SOME)


@pytest.fixture
def books(ledger: Database) -> Database:
    """acme has a limit a month; beta may do anything."""
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.MONTH, 100 * BOUND))
    add_tenant(ledger, "beta", uncapped=True)
    return ledger


@pytest.fixture
def day(books: Database, till: Till) -> Iterator[dict[str, UUID]]:
    """One attempt of each kind, by what became of it, in this order."""
    attempts = {
        "settled": till.spend(user="u1", feature="chat").hold.order.attempt,
        "voided": till.void(till.admit(user="u1")).hold.order.attempt,
        "presumed_spent": till.presume(till.admit(user="u2")).hold.order.attempt,
        "refused": till.ask(nano=1000 * BOUND, user="u1").id,
        "running": till.admit(feature="chat").order.attempt,
        "beta": till.spend("beta", price=CLAUDE).hold.order.attempt,
        "unknown": till.ask("nobody").id,
    }
    till.flush()
    yield attempts


def states(rows: list[CallRow]) -> list[str]:
    return [row.state for row in rows]


def test_entries_refusals_and_running_attempts_are_one_list_newest_first(books: Database, day: dict[str, UUID]) -> None:
    found = list_calls(books, tenant="acme")
    assert states(found) == ["running", "refused", "presumed_spent", "voided", "settled"]
    running, refused, presumed, voided, settled = found
    assert [row.attempt for row in found] == [day[name] for name in states(found)]
    assert (settled.nano, settled.tokens, settled.bound_nano) == (COST, SOME.total_tokens, BOUND)
    assert (settled.user, settled.feature, settled.environment) == ("u1", "chat", "prod")
    assert (settled.provider, settled.model, settled.api) == ("openai", "gpt-4o-mini", "openai.chat")
    assert (settled.status, settled.duration_ms, settled.estimated, settled.reason_code) == (200, 5, False, "ALLOWED")
    assert (voided.nano, voided.tokens, voided.status, voided.error) == (0, None, 500, "server_error")
    assert (presumed.nano, presumed.tokens, presumed.estimated) == (BOUND, None, True)
    assert (running.nano, running.tokens, running.bound_nano, running.duration_ms) == (None, None, BOUND, None)
    assert (refused.nano, refused.tokens, refused.bound_nano) == (0, 0, 1000 * BOUND)
    assert refused.reason_code == "MONTHLY_BUDGET_EXCEEDED"
    assert all(abs(row.at - datetime.now(UTC)) < timedelta(minutes=1) for row in found)


def test_the_list_of_all_tenants_has_those_that_nobody_added(books: Database, day: dict[str, UUID]) -> None:
    found = list_calls(books)
    assert [row.attempt for row in found] == list(reversed(day.values()))
    assert {row.tenant for row in found} == {"acme", "beta", "nobody"}


def test_a_list_has_no_more_than_was_asked_for(books: Database, day: dict[str, UUID]) -> None:
    assert [row.attempt for row in list_calls(books, limit=2)] == [day["unknown"], day["beta"]]
    assert states(list_calls(books, tenant="acme", limit=2)) == ["running", "refused"]
    with pytest.raises(ConfigError, match="list of 0 calls"):
        list_calls(books, limit=0)


def test_the_list_can_be_narrowed(books: Database, day: dict[str, UUID]) -> None:
    assert states(list_calls(books, user="u1")) == ["refused", "voided", "settled"]
    assert states(list_calls(books, tenant="acme", feature="chat")) == ["running", "settled"]
    assert [row.attempt for row in list_calls(books, model="claude")] == [day["beta"]]
    assert [row.attempt for row in list_calls(books, model="anthropic/claude")] == [day["beta"]]
    assert list_calls(books, model="openai/claude") == []
    assert states(list_calls(books, refused=True)) == ["refused", "refused"]
    assert "refused" not in states(list_calls(books, refused=False))
    assert states(list_calls(books, ending=Ending.VOIDED)) == ["voided"]
    assert states(list_calls(books, ending="presumed_spent")) == ["presumed_spent"]
    assert list_calls(books, ending="settled", refused=True) == []
    with pytest.raises(ConfigError, match="no ending 'ended'"):
        list_calls(books, ending="ended")


@pytest.fixture
def tried(books: Database, till: Till) -> dict[str, UUID]:
    """A limit of two requests a day is tried out on acme, which also has a soft cap."""
    day = StatedLimit(Metric.REQUESTS, Window.DAY, 2, action=Action.WARN)
    total = StatedLimit(Metric.CREDITS, Window.TOTAL, 50 * BOUND, soft_cap=3 * BOUND)
    put_policy(books, Policy("trial", Scope(tenant="acme"), limits=(day, total)))
    attempts = {
        "plain": till.spend().hold.order.attempt,
        "held": till.admit().order.attempt,
        "observed": till.spend().hold.order.attempt,
        "soft": till.settle(till.admit(nano=4 * BOUND)).hold.order.attempt,
        "refused": till.ask(nano=60 * BOUND).id,
    }
    till.flush()
    return attempts


def test_the_list_says_what_would_have_been_refused_and_which_soft_caps_were_crossed(
    books: Database, tried: dict[str, UUID]
) -> None:
    names = {attempt: name for name, attempt in tried.items()}
    found = [(names[row.attempt], row.reason_code, row.would_refuse) for row in list_calls(books)]
    assert found == [
        ("refused", "TOTAL_BUDGET_EXCEEDED", None),
        ("soft", "ALLOWED_SOFT_CAP", "DAILY_REQUEST_LIMIT_EXCEEDED"),
        ("observed", "ALLOWED", "DAILY_REQUEST_LIMIT_EXCEEDED"),
        ("held", "ALLOWED", None),
        ("plain", "ALLOWED", None),
    ]


def test_the_list_can_be_narrowed_by_what_was_decided(books: Database, tried: dict[str, UUID]) -> None:
    def listed(**narrowed: Any) -> list[str]:
        names = {attempt: name for name, attempt in tried.items()}
        return [names[row.attempt] for row in list_calls(books, **narrowed)]

    assert listed(would_refuse=True) == ["soft", "observed"]
    assert listed(would_refuse=False) == ["refused", "held", "plain"]
    assert listed(would_refuse=True, tenant="acme", limit=1) == ["soft"]
    assert listed(would_refuse=True, refused=True) == []
    assert listed(code="ALLOWED_SOFT_CAP") == ["soft"]
    assert listed(code="ALLOWED") == ["observed", "held", "plain"]
    assert listed(code="TOTAL_BUDGET_EXCEEDED", tenant="acme") == ["refused"]
    assert listed(code="NO_SUCH_CODE") == []


def test_an_attempt_in_full_says_what_it_asked_for_and_what_it_was_granted(books: Database, till: Till) -> None:
    limit = StatedLimit(Metric.OUTPUT_TOKENS, Window.DAY, 1500)
    put_policy(books, Policy("less", Scope(tenant="acme"), limits=(limit,), clamp=True))
    whole = till.admit()
    fewer = till.admit()
    refused = till.ask().id
    till.settle(fewer)
    till.flush()
    running, clamped = (detail_of(books, hold.order.attempt) for hold in (whole, fewer))
    assert (running.output_tokens, running.clamped) == (1000, False)
    assert (clamped.output_tokens, clamped.clamped) == (500, True)
    assert clamped.request is not None
    assert (clamped.request["output"], clamped.request["input"]) == (1000, 1000)
    last = detail_of(books, refused)
    assert (last.reason_code, last.output_tokens, last.clamped) == ("DAILY_TOKEN_LIMIT_EXCEEDED", None, False)


def test_the_list_can_begin_at_a_time(books: Database, day: dict[str, UUID]) -> None:
    settled, *_ = list_calls(books, ending="settled", tenant="acme")
    assert day["settled"] not in [
        row.attempt for row in list_calls(books, since=settled.at + timedelta(microseconds=1))
    ]
    assert day["settled"] in [row.attempt for row in list_calls(books, since=settled.at)]
    assert len(list_calls(books, since=datetime(1, 1, 1, tzinfo=UTC))) == 7
    with pytest.raises(ConfigError, match="without a time zone"):
        list_calls(books, since=datetime(2026, 1, 1))


def test_an_attempt_refused_before_it_was_priced_has_no_bound(ledger: Database, till: Till) -> None:
    till.refuse(None)
    till.flush()
    (row,) = list_calls(ledger)
    assert (row.tenant, row.reason_code, row.nano, row.bound_nano) == ("", "TENANT_REQUIRED", 0, None)


def test_a_correction_is_part_of_what_an_attempt_came_to(books: Database, day: dict[str, UUID]) -> None:
    columns = "tenant, attempt, call, user_id, environment, provider, model, api, stream, price_id, ending, estimated"
    more = "held_nano, limits, policy_version, admitted_at"
    usage = "input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio, output"
    tell(
        books,
        f"""INSERT INTO aikit.entries ({columns}, {more}, {usage}, reasoning, output_audio, output_image, seq, nano)
            SELECT {columns}, {more}, 9, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, -400 FROM aikit.entries
            WHERE attempt = '{day["presumed_spent"]}'""",
    )
    (row,) = list_calls(books, ending="presumed_spent")
    assert (row.nano, row.tokens) == (BOUND - 400, 10)
    detail = get_call(books, day["presumed_spent"])
    assert detail is not None
    assert [(line.seq, line.nano) for line in detail.attempts] == [(0, BOUND), (1, -400)]
    assert detail.nano == BOUND - 400


def test_an_attempt_in_full_has_its_price_its_usage_and_the_limits_it_was_decided_on(
    books: Database, till: Till
) -> None:
    till.spend(user="u1", feature="chat", environment="dev")
    till.flush()
    entry = till.spend(user="u1", feature="chat", environment="dev")
    till.flush()
    call = get_call(books, entry.hold.order.attempt)
    assert call is not None
    assert (call.call, call.tenant, call.user, call.feature) == (entry.hold.order.call.id, "acme", "u1", "chat")
    assert (call.environment, call.nano) == ("dev", COST)
    (attempt,) = call.attempts
    assert (attempt.state, attempt.reason_code, attempt.usage) == ("settled", "ALLOWED", SOME)
    assert attempt.price is not None
    price = Price.from_json(attempt.price.body)
    assert (price, price.id, price.cost(SOME)) == (MINI, attempt.price_id, attempt.nano)
    (limit,) = attempt.limits
    now = datetime.now(UTC)
    month_end = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    assert limit == LimitState(Limit(Metric.CREDITS, Window.MONTH, 100 * BOUND, "tenant:acme"), COST, 0, month_end)
    assert attempt.settled_at is not None
    assert timedelta(0) <= attempt.settled_at - attempt.decided_at < timedelta(minutes=1)


def test_a_running_attempt_in_full_says_until_when_it_is_held(books: Database, till: Till) -> None:
    hold = till.admit()
    call = get_call(books, hold.order.attempt)
    assert call is not None
    (attempt,) = call.attempts
    assert (attempt.state, attempt.nano, attempt.bound_nano, call.nano) == ("running", None, BOUND, 0)
    assert attempt.usage is None
    assert attempt.expires_at is not None
    assert attempt.expires_at > attempt.decided_at


def test_a_refused_attempt_in_full_says_why(books: Database, day: dict[str, UUID]) -> None:
    call = get_call(books, day["refused"])
    assert call is not None
    (attempt,) = call.attempts
    assert (attempt.state, attempt.reason_code, attempt.nano) == ("refused", "MONTHLY_BUDGET_EXCEEDED", 0)
    assert attempt.bound_nano == 1000 * BOUND
    assert attempt.limits[0].cap == 100 * BOUND


def test_a_call_is_found_by_its_id_with_all_its_attempts_in_order(books: Database, till: Till) -> None:
    first = till.admit()
    again = first.order._replace(attempt=new_id())
    decision: Decision = till.meter.admit(again)
    assert decision.hold is not None
    till.void(first)
    till.end(Entry(decision.hold, Ending.SETTLED, COST, SOME))
    till.flush()
    call = get_call(books, first.order.call.id)
    assert call is not None
    assert [(a.attempt, a.state) for a in call.attempts] == [
        (first.order.attempt, "voided"),
        (again.attempt, "settled"),
    ]
    assert call.nano == COST


def test_an_unreported_usage_is_not_a_usage_of_zero(books: Database, till: Till) -> None:
    unknown = till.presume(till.admit()).hold.order.attempt
    zero = till.settle(till.admit(), Usage()).hold.order.attempt
    till.flush()
    assert [usage_of(books, attempt) for attempt in (unknown, zero)] == [None, Usage()]


def usage_of(books: Database, attempt: UUID) -> Usage | None:
    return detail_of(books, attempt).usage


def detail_of(books: Database, attempt: UUID) -> AttemptDetail:
    call = get_call(books, attempt)
    assert call is not None
    return call.attempts[0]


def test_an_id_that_nobody_knows_is_no_call(books: Database, day: dict[str, UUID]) -> None:
    for id in (new_id(), uuid4(), UUID(int=0), UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")):
        assert get_call(books, id) is None


def test_a_hold_is_not_listed_once_it_has_ended(books: Database, till: Till) -> None:
    hold: Hold = till.admit()
    assert states(list_calls(books)) == ["running"]
    till.settle(hold)
    till.flush()
    assert states(list_calls(books)) == ["settled"]
