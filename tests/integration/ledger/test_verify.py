"""The books agree after real traffic; and each way in which they can disagree is found and named."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from aikit.database.connect import Database
from aikit.ledger.locks import POSTING
from aikit.ledger.plans import set_plan
from aikit.ledger.policies import put_policy
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.ledger.verify import Finding, Verification, verify
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Ending, Entry, Metric, Usage, Window
from support.ledger import BOUND, CLAUDE, MINI, SOME, Till, price_row, rows, tell

COST = MINI.cost(SOME)
CAP = 1000 * BOUND
NO_TRIGGERS = "SET LOCAL session_replication_role = replica"


@pytest.fixture
def books(ledger: Database, till: Till) -> Database:
    """acme and beta have made calls of every kind; nothing is pending."""
    for tenant in ("acme", "beta"):
        add_tenant(ledger, tenant)
        for window in (Window.DAY, Window.MONTH, Window.TOTAL, Window.CALL):
            set_limit(ledger, tenant, StatedLimit(Metric.CREDITS, window, CAP))
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
    set_limit(books, "acme", StatedLimit(Metric.CREDITS, Window.WEEK, CAP))
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


def edit(ledger: Database, name: str, amount: int, by: int, subject: str = "") -> None:
    """Change an amount of acme's slot `name`: 1 start, 2 used, 3 held, 4 previous."""
    tell(
        ledger,
        f"""UPDATE aikit.counters
            SET amounts[4 * (array_position(names, '{name}') - 1) + {amount}] =
                amounts[4 * (array_position(names, '{name}') - 1) + {amount}] + ({by})
            WHERE tenant = 'acme' AND subject = '{subject}' AND '{name}' = ANY (names)""",
    )


def test_a_counter_that_was_edited_is_found_to_the_nano(books: Database) -> None:
    edit(books, "credits/total", 2, 1)
    edit(books, "credits/total", 3, -7)
    proof = verify(books)
    spent = COST + CLAUDE.cost(Usage(input=5, cache_write_1h=3, output=1, searches=2)) + 2 * BOUND
    assert proof.findings == [
        Finding("counter_held", "acme", "credits/total: held", 0, -7, True),
        Finding("counter_negative", "acme", "credits/total: held", 0, -7, False),
        Finding("counter_used", "acme", "credits/total: used", spent, spent + 1, True),
    ]
    assert proof.unexplained_nano == 8


@pytest.fixture
def limited(books: Database, till: Till) -> Database:
    """Every metric is limited in a sliding and a whole window, for all, each user, a feature and an environment."""
    limits = [StatedLimit(m, w, 10**15) for m in Metric for w in (Window.MINUTE, Window.HOUR, Window.MONTH)]
    scopes = [Scope(), Scope(feature="chat"), Scope(environment="dev"), Scope(user="u1", feature="chat")]
    for scope in scopes:
        put_policy(books, Policy(scope.label, scope, limits=tuple(limits)))
    each = tuple([StatedLimit(m, Window.HOUR, 10**15, each="user") for m in Metric])
    put_policy(books, Policy("each user", Scope(), limits=each))
    for user, feature, environment in [("u1", "chat", "dev"), ("u2", "chat", "prod"), ("u1", "draw", "dev")]:
        till.spend("acme", user=user, feature=feature, environment=environment)
        till.presume(till.admit("acme", user=user, feature=feature, environment=environment))
        till.admit("acme", user=user, feature=feature, environment=environment)
    till.spend("acme")
    till.admit("acme")
    till.flush()
    return books


def test_counters_of_every_subject_metric_and_window_are_clean(limited: Database) -> None:
    proof = verify(limited)
    assert (proof.findings, proof.holds) == ([], 4)
    of_scopes, of_each_user, of_the_tenant_itself = 4 * 3 * len(Metric), 3 * len(Metric), 2
    assert proof.counters == of_scopes + of_each_user + of_the_tenant_itself


@pytest.mark.parametrize("metric", ["requests", "tokens", "input_tokens", "output_tokens", "concurrency", "credits"])
def test_counters_of_every_metric_are_verified(limited: Database, metric: str) -> None:
    for amount, by in ((2, 1), (3, 2), (4, 3)):
        edit(limited, f"{metric}/hour", amount, by, "feature=chat\x1fuser=u1")
    proof = verify(limited)
    what = f"{metric}/hour of feature=chat, user=u1"
    assert [(f.kind, f.tenant, f.what, (f.found or 0) - (f.expected or 0)) for f in proof.findings] == [
        ("counter_held", "acme", f"{what}: held", 2),
        ("counter_previous", "acme", f"{what}: previous", 3),
        ("counter_used", "acme", f"{what}: used", 1),
    ]
    assert proof.unexplained_nano == (6 if metric == "credits" else 0)


def rewind(ledger: Database, interval: str) -> None:
    """Let everything have happened earlier, in whole windows: attempts, and the windows of sliding counters."""
    for table in ("entries", "holds"):
        break_in(ledger, f"UPDATE aikit.{table} SET admitted_at = admitted_at - interval '{interval}'")
    tell(ledger, "DELETE FROM aikit.rollups")
    tell(
        ledger,
        f"""UPDATE aikit.counters SET amounts = (
                SELECT array_agg(CASE WHEN (i - 1) % 4 = 0 AND a > 0 AND names[(i + 3) / 4] ~ 'minute|hour'
                                      THEN a - extract(epoch FROM interval '{interval}')::bigint ELSE a END ORDER BY i)
                FROM unnest(amounts) WITH ORDINALITY x (a, i))""",
    )


def wait_at_the_end_of_an_hour() -> None:
    """What takes seconds happens within one hour."""
    left = 3600 - time.time() % 3600
    if left < 10:
        time.sleep(left)


def counters_found(ledger: Database) -> set[tuple[str, str]]:
    return {(f.kind, f.what) for f in verify(ledger).findings if f.kind.startswith("counter")}


def test_a_slot_that_has_not_rolled_on_is_exact_for_its_own_window(limited: Database) -> None:
    rewind(limited, "3 hours")
    assert not {what for _, what in counters_found(limited) if "hour" in what or "minute" in what}


def test_what_the_window_before_came_to_is_verified_after_rolling_on(
    limited: Database, open_till: Callable[[], Till]
) -> None:
    wait_at_the_end_of_an_hour()
    rewind(limited, "1 hour")
    till = open_till()
    till.spend("acme", user="u1", feature="chat", environment="dev")
    till.flush()
    assert not {what for _, what in counters_found(limited) if "/hour" in what}
    ((previous,),) = rows(
        limited,
        "SELECT previous FROM aikit.counts WHERE subject = %s AND name = 'requests/hour'",
        "feature=chat\x1fuser=u1",
    )
    assert previous == 4
    edit(limited, "requests/hour", 4, 1, "feature=chat\x1fuser=u1")
    assert ("counter_previous", "requests/hour of feature=chat, user=u1: previous") in counters_found(limited)


def test_a_hold_that_vanished_is_found(books: Database, till: Till) -> None:
    till.admit("acme")
    tell(books, "DELETE FROM aikit.holds")
    proof = verify(books)
    assert {(f.kind, f.expected, f.found) for f in proof.findings} == {("counter_held", 0, BOUND)}
    assert proof.unexplained_nano == 3 * BOUND


def test_a_hold_whose_counters_are_gone_is_found(limited: Database) -> None:
    tell(limited, "DELETE FROM aikit.counters WHERE subject IN ('environment=dev', 'user=')")
    lists = {what.partition(" lists ")[2] for kind, _, what in found(limited) if kind == "counter_missing"}
    assert lists == {"environment=dev", "user="}


def test_a_hold_that_a_counter_of_its_own_does_not_know_is_found(limited: Database) -> None:
    tell(limited, "UPDATE aikit.holds SET subjects = array_remove(subjects, '') WHERE feature = 'draw'")
    findings = found(limited)
    (uncounted,) = [what for kind, _, what in findings if kind == "hold_uncounted"]
    assert uncounted.endswith(" does not list all")
    assert ("counter_held", "acme", "held") in findings
    tell(limited, "UPDATE aikit.holds SET subjects = '{}'")
    missing = sorted(what.partition(" list ")[2] for kind, _, what in found(limited) if kind == "hold_uncounted")
    assert missing == sorted(
        ["all"] * 4
        + ["environment=dev", "environment=dev", "feature=chat", "feature=chat", "feature=chat, user=u1"]
        + ["user=", "user=u1", "user=u1", "user=u2"]
    )


def test_a_hold_that_has_an_ending_is_found(books: Database) -> None:
    shared = """tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, limits,
                policy_version, admitted_at"""
    tell(
        books,
        f"""INSERT INTO aikit.holds ({shared}, nano, tokens, subjects, expires_at)
            SELECT {shared}, held_nano, 1, '{{""}}', now() FROM aikit.entries
            WHERE ending = 'voided' AND tenant = 'acme'""",
    )
    findings = {(f.kind, f.tenant, f.expected, f.found) for f in verify(books).findings}
    assert findings == {("ended_hold", "acme", 0, BOUND), ("counter_held", "acme", BOUND, 0)}


def test_expired_holds_are_told_but_are_no_finding(books: Database, till: Till) -> None:
    till.admit("acme"), till.admit("acme")
    tell(books, "UPDATE aikit.holds SET expires_at = now() - interval '1 second'")
    proof = verify(books)
    assert (proof.expired_holds, proof.ok) == (2, True)


@pytest.mark.parametrize(
    "column",
    [
        "calls",
        "refused",
        "failed",
        "estimated",
        "unpriced",
        "nano",
        "input",
        "searches",
        "unreported_input",
        "unreported_output",
    ],
)
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


def test_an_attempt_that_was_admitted_with_a_refusals_code_is_found(books: Database) -> None:
    break_in(books, "UPDATE aikit.entries SET reason_code = 'NO_POLICY' WHERE feature = 'chat' AND tenant = 'acme'")
    (finding,) = verify(books).findings
    assert (finding.kind, finding.tenant) == ("reason_code", "acme")
    assert finding.what.endswith(" was admitted with NO_POLICY")


def test_versions_of_a_policy_that_overlap_are_found(books: Database) -> None:
    tell(books, "UPDATE aikit.policies SET until = until + 1 WHERE name = 'tenant:acme' AND since = 3")
    (finding,) = verify(books).findings
    what = "policy tenant:acme since version 3: end"
    assert (finding.kind, finding.tenant, finding.what) == ("policy_span", "acme", what)
    assert (finding.expected, finding.found) == (4, 5)


def test_a_policy_of_a_version_that_is_yet_to_come_is_found(books: Database) -> None:
    ((version,),) = rows(books, "SELECT policy_version FROM aikit.state")
    tell(books, "UPDATE aikit.state SET policy_version = policy_version - 1")
    finding, *_ = verify(books).findings
    assert (finding.kind, finding.tenant, finding.expected, finding.found) == (
        "policy_span",
        "beta",
        version - 1,
        version,
    )


def test_a_policy_under_another_name_or_tenant_is_found(books: Database) -> None:
    tell(books, "UPDATE aikit.policies SET tenant = 'beta' WHERE name = 'tenant:acme' AND until IS NULL")
    tell(books, "UPDATE aikit.policies SET name = 'x' WHERE name = 'tenant:beta' AND until IS NULL")
    assert {kind for kind, _, _ in found(books)} == {"policy_body"}


def test_plans_that_overlap_are_found(books: Database) -> None:
    for plan in ("free", "pro"):
        put_policy(books, Policy(f"plan:{plan}", Scope(plan=plan), entitlements=("ai_access",)))
        set_plan(books, "acme", plan)
        set_plan(books, "acme", plan, user="u1")
    assert verify(books).ok
    tell(books, "UPDATE aikit.plan_holders SET until = until + 1 WHERE plan = 'free' AND user_id = ''")
    (finding,) = verify(books).findings
    assert (finding.kind, finding.tenant) == ("plan_span", "acme")
    assert finding.what.startswith("plan of tenant acme since version ")


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
        busy.execute("SELECT pg_advisory_xact_lock(%s, %s)", POSTING)
        busy.execute("UPDATE aikit.counters SET revision = revision + 1")
        assert verify(books).ok
