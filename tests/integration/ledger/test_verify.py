"""The books agree after real traffic; and each way in which they can disagree is found and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from aikit.database.connect import Database
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.ledger.verify import Finding, Verification, verify
from aikit.types import Ending, Entry, Metric, Usage, Window
from support.ledger import BOUND, CLAUDE, MINI, SOME, Till, price_row, tell

COST = MINI.cost(SOME)
CAP = 1000 * BOUND
NO_TRIGGERS = "SET LOCAL session_replication_role = replica"


@pytest.fixture
def books(ledger: Database, till: Till) -> Database:
    """acme and beta have made calls of every kind; nothing is pending."""
    for tenant in ("acme", "beta"):
        add_tenant(ledger, tenant)
        for window in (Window.DAY, Window.MONTH, Window.TOTAL, Window.CALL):
            set_limit(ledger, tenant, Metric.CREDITS, window, CAP)
        till.spend(tenant, user="u1", feature="chat")
        till.spend(tenant, Usage(input=5, cache_write_1h=3, output=1, searches=2), price=CLAUDE)
        till.void(till.admit(tenant))
        till.presume(till.admit(tenant))
        till.end(Entry(till.admit(tenant), Ending.SETTLED, BOUND, estimated=True, error="no usage"))
        assert not till.ask(tenant, CAP + 1).allowed
    till.ask("nobody")
    till.refuse(None)
    till.flush()
    return ledger


def found(ledger: Database) -> set[tuple[str, str, str]]:
    return {(f.kind, f.tenant, f.what.partition(": ")[2] or f.what) for f in verify(ledger).findings}


def break_in(ledger: Database, statement: str) -> None:
    """Change what can't be changed, as somebody with all rights could."""
    tell(ledger, NO_TRIGGERS, statement)


def test_an_empty_ledger_is_clean(ledger: Database) -> None:
    assert verify(ledger) == Verification(0, 0, 0, 0, 0, 0, 0, 0, [])


def test_books_that_were_kept_by_the_meter_are_clean(books: Database, till: Till) -> None:
    till.admit("acme"), till.admit("beta")
    proof = verify(books)
    assert proof.findings == []
    assert proof.ok
    assert (proof.entries, proof.holds, proof.refusals, proof.counters) == (10, 2, 4, 6)
    assert (proof.presumed, proof.presumed_nano) == (2, 2 * BOUND)
    assert (proof.expired_holds, proof.unexplained_nano) == (0, 0)


def test_a_limit_that_was_set_later_is_clean(books: Database, till: Till) -> None:
    set_limit(books, "acme", Metric.CREDITS, Window.WEEK, CAP)
    held = till.admit("acme")
    assert verify(books).ok
    till.settle(held)
    till.flush()
    proof = verify(books)
    assert (proof.findings, proof.counters) == ([], 7)


def test_several_processes_leave_clean_books(books: Database, open_till: Callable[[], Till]) -> None:
    tills = [open_till() for _ in range(3)]
    for turn in range(30):
        tills[turn % 3].spend("acme" if turn % 2 else "beta", user=f"u{turn % 4}")
    for each in tills:
        each.flush()
    proof = verify(books)
    assert (proof.findings, proof.entries) == ([], 40)


def test_a_counter_that_was_edited_is_found_to_the_nano(books: Database) -> None:
    tell(books, """UPDATE aikit.counters SET used = used + 1, held = held - 7
                   WHERE tenant = 'acme' AND "window" = 'total'""")  # fmt: skip
    proof = verify(books)
    spent = COST + CLAUDE.cost(Usage(input=5, cache_write_1h=3, output=1, searches=2)) + 2 * BOUND
    assert proof.findings == [
        Finding("counter_held", "acme", "credits/total: held", 0, -7, True),
        Finding("counter_negative", "acme", "credits/total: held", 0, -7, False),
        Finding("counter_used", "acme", "credits/total: used", spent, spent + 1, True),
    ]
    assert proof.unexplained_nano == 8


def test_a_counter_of_a_past_window_is_verified_too(books: Database) -> None:
    past = "'credits/month/2020-02-01T00:00', 'credits', 'month', '2020-02-01T00:00Z'"
    tell(books, f"INSERT INTO aikit.counters VALUES ('acme', {past}, 5, 0)")
    assert found(books) == {("counter_used", "acme", "used")}


def test_counters_of_other_metrics_are_verified(books: Database, till: Till) -> None:
    for metric in ("requests", "tokens", "concurrency"):
        tell(books, f"INSERT INTO aikit.limits VALUES ('acme', '{metric}', 'month', 1000000)")
    tell(books, "UPDATE aikit.state SET policy_version = policy_version + 1")
    till.admit("acme")
    till.spend("acme")
    till.flush()
    assert verify(books).ok
    tell(books, "UPDATE aikit.counters SET used = used - 1, held = held + 1 WHERE metric <> 'credits'")
    assert found(books) == {
        ("counter_used", "acme", "used"),
        ("counter_held", "acme", "held"),
        ("counter_negative", "acme", "used"),
    }
    proof = verify(books)
    assert len(proof.findings) == 7
    assert proof.unexplained_nano == 0


def test_a_hold_that_vanished_is_found(books: Database, till: Till) -> None:
    till.admit("acme")
    tell(books, "DELETE FROM aikit.holds")
    proof = verify(books)
    assert {(f.kind, f.expected, f.found) for f in proof.findings} == {("counter_held", 0, BOUND)}
    assert proof.unexplained_nano == 3 * BOUND


def test_a_hold_whose_counter_is_gone_is_found(books: Database, till: Till) -> None:
    hold = till.admit("acme")
    tell(books, "DELETE FROM aikit.counters WHERE tenant = 'acme' AND \"window\" = 'day'")
    (key,) = [key for key in hold.counters if "/day/" in key]
    assert found(books) == {("counter_missing", "acme", f"hold {hold.order.attempt} lists {key}")}


def test_a_hold_that_has_an_ending_is_found(books: Database) -> None:
    tell(books, """INSERT INTO aikit.holds
                   SELECT tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id,
                          held_nano, 1, '{}', 0, limits, policy_version, admitted_at, now()
                   FROM aikit.entries WHERE ending = 'voided' AND tenant = 'acme'""")  # fmt: skip
    (finding,) = verify(books).findings
    assert (finding.kind, finding.tenant, finding.found) == ("ended_hold", "acme", BOUND)


def test_expired_holds_are_told_but_are_no_finding(books: Database, till: Till) -> None:
    till.admit("acme"), till.admit("acme")
    tell(books, "UPDATE aikit.holds SET expires_at = now() - interval '1 second'")
    proof = verify(books)
    assert (proof.expired_holds, proof.ok) == (2, True)


@pytest.mark.parametrize("column", ["calls", "refused", "failed", "estimated", "unpriced", "nano", "input", "searches"])
def test_a_rollup_that_was_edited_is_found(books: Database, column: str) -> None:
    tell(books, f"UPDATE aikit.rollups SET {column} = {column} + 3 WHERE tenant = 'acme' AND user_id = 'u1'")
    (finding,) = verify(books).findings
    assert (finding.kind, finding.tenant, finding.money) == ("rollup", "acme", column == "nano")
    assert finding.what.endswith(f"/prod/u1/chat/openai/gpt-4o-mini: {column}")
    assert finding.expected is not None
    assert finding.found == finding.expected + 3


def test_a_missing_and_a_surplus_rollup_are_found(books: Database) -> None:
    tell(books, "UPDATE aikit.rollups SET feature = 'x' WHERE tenant = 'acme' AND feature = 'chat'")
    missing, surplus = sorted(verify(books).findings, key=lambda finding: finding.kind)
    assert (missing.kind, missing.expected, missing.found) == ("rollup_missing", COST, None)
    assert (surplus.kind, surplus.expected, surplus.found) == ("rollup_surplus", None, COST)


def test_a_refusal_without_its_rollup_is_found(books: Database) -> None:
    tell(books, "DELETE FROM aikit.rollups WHERE tenant = 'nobody'")
    (finding,) = verify(books).findings
    assert (finding.kind, finding.tenant, finding.expected) == ("rollup_missing", "nobody", 0)


def test_a_deleted_entry_is_missed_by_its_counters_and_its_rollup(books: Database) -> None:
    break_in(books, "DELETE FROM aikit.entries WHERE tenant = 'acme' AND feature = 'chat'")
    proof = verify(books)
    assert sorted(finding.kind for finding in proof.findings) == ["counter_used"] * 3 + ["rollup_surplus"]
    assert proof.unexplained_nano == 4 * COST


def test_an_entry_with_another_amount_is_found_by_its_price(books: Database) -> None:
    break_in(books, "UPDATE aikit.entries SET nano = nano + 1 WHERE tenant = 'acme' AND feature = 'chat'")
    (finding,) = [finding for finding in verify(books).findings if finding.kind == "charge"]
    assert (finding.tenant, finding.expected, finding.found, finding.money) == ("acme", COST, COST + 1, True)
    assert MINI.id in finding.what


def test_an_entry_with_another_usage_is_found_by_its_price(books: Database) -> None:
    break_in(books, "UPDATE aikit.entries SET output = output + 1 WHERE feature = 'chat'")
    charges = [finding for finding in verify(books).findings if finding.kind == "charge"]
    assert [(finding.tenant, finding.found) for finding in charges] == [("acme", COST), ("beta", COST)]


def test_many_entries_of_one_wrong_charge_are_one_finding(books: Database, till: Till) -> None:
    for _ in range(5):
        till.end(Entry(till.admit("acme"), Ending.SETTLED, COST - 2, SOME))
    till.flush()
    (finding,) = verify(books).findings
    assert (finding.kind, finding.expected, finding.found) == ("charge", 5 * COST, 5 * COST - 10)


def test_a_usage_that_its_price_does_not_know_is_found(books: Database, till: Till) -> None:
    till.end(Entry(till.admit("acme"), Ending.SETTLED, 1, Usage(searches=1)))
    till.flush()
    (finding,) = verify(books).findings
    assert (finding.kind, finding.expected, finding.found) == ("charge", None, 1)


def test_a_settled_entry_without_usage_is_found(books: Database, till: Till) -> None:
    attempt = till.end(Entry(till.admit("acme"), Ending.SETTLED, 1)).hold.order.attempt
    till.flush()
    assert found(books) == {("usage_missing", "acme", f"attempt {attempt}")}


def test_a_void_that_charges_and_a_presumption_of_part_are_found(books: Database, till: Till) -> None:
    till.end(Entry(till.admit("acme"), Ending.VOIDED, 5))
    till.end(Entry(till.admit("acme"), Ending.PRESUMED_SPENT, BOUND - 1, estimated=True))
    till.flush()
    findings = {(f.kind, f.expected, f.found) for f in verify(books).findings}
    assert findings == {("voided_charged", 0, 5), ("presumed_amount", BOUND, BOUND - 1)}


def test_a_price_that_is_not_on_record_is_found(books: Database) -> None:
    break_in(books, f"DELETE FROM aikit.prices WHERE price_id = '{MINI.id}'")
    what = f"price {MINI.id} of 4 entries"
    assert found(books) == {("price_missing", "acme", what), ("price_missing", "beta", what)}


def test_a_price_whose_rates_were_changed_is_found(books: Database) -> None:
    body = json.loads(price_row(MINI.id).body)
    body["rates"]["output"]["base"] = str(Decimal(body["rates"]["output"]["base"]) * 2)
    break_in(books, f"UPDATE aikit.prices SET body = '{json.dumps(body)}' WHERE price_id = '{MINI.id}'")
    (finding,) = verify(books).findings
    assert (finding.kind, finding.what.startswith(f"price {MINI.id} has the rates of ")) == ("price_changed", True)


@pytest.mark.parametrize("body", ["{}", "[]", "1", '{"rates": {"input": 1}}'])
def test_a_price_that_cant_be_read_is_found(books: Database, body: str) -> None:
    break_in(books, f"UPDATE aikit.prices SET body = '{body}' WHERE price_id = '{MINI.id}'")
    assert found(books) == {("price_changed", "", f"price {MINI.id} can't be read")}


def test_to_verify_changes_nothing_and_waits_for_nobody(books: Database) -> None:
    with books.connect(role="test") as busy, busy.transaction():
        busy.execute("SELECT pg_advisory_xact_lock(7206071, 1)")
        busy.execute("UPDATE aikit.counters SET used = used + 1")
        assert verify(books).ok
