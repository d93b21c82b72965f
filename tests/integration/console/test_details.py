"""What Enter opens: pages about one thing, read anew, with everything that is known and nothing that is not."""

from __future__ import annotations

import pytest

from aikit.console.details import Details
from aikit.console.model import Tab
from aikit.corrections import correct
from aikit.database.connect import Database
from aikit.errors import AIKitError
from aikit.ledger.policies import put_policy
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.money import format_usd
from aikit.policy.model import Loops, Policy, Scope, StatedLimit
from aikit.types import Ending, Entry, Finding, GuardAction, Metric, Place, PromptId, Window, new_id
from support.ledger import MINI, SOME, Till, order, tell
from support.pages import items, section, words
from support.snapshots import snapshot

DOLLAR = 1_000_000_000
COST = format_usd(MINI.cost(SOME))
CREDITS, REQUESTS = Metric.CREDITS, Metric.REQUESTS
DAY, MONTH = Window.DAY, Window.MONTH


@pytest.fixture
def details(ledger: Database) -> Details:
    return Details(ledger, nano_per_credit=100_000)


@pytest.fixture
def acme(ledger: Database, till: Till) -> Till:
    """acme may spend $5 a month, and that was stated before its first call."""
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(CREDITS, MONTH, 5 * DOLLAR, soft_cap=4 * DOLLAR), who="bob", why="trial")
    return till


def test_a_settled_call_tells_its_decision_its_timeline_and_its_cost(details: Details, acme: Till) -> None:
    hold = acme.admit(user="ann", feature="chat")
    entry = Entry(hold, Ending.SETTLED, MINI.cost(SOME), SOME, status=200, duration_ms=2_400, first_byte_ms=340)
    acme.end(entry)
    acme.flush()
    page = details.page(Tab.CALLS, str(hold.order.attempt), snapshot(Tab.CALLS))
    assert page.heading == "Allowed: ALLOWED"
    timeline = items(page, "Timeline")
    assert timeline["first byte"].endswith("UTC · after 340 ms")
    assert timeline["ended"].endswith("UTC · after 2.40 s")
    assert timeline["ending"] == "settled · status 200"
    assert items(page, "Cost") == {
        "cost": COST, "held at most": "$0.001", "input": "1,000", "cache read": "200", "output": "300",
        "reasoning": "50", "tokens in all": "1,550",
    }  # fmt: skip
    assert items(page, "Decision")["in the name of"] == "tenant acme · user ann · feature chat · environment prod"
    assert "input $0.15, output $0.6 per million tokens · test 1" in items(page, "Decision")["price"]
    assert "$5.00, soft cap $4.00 · counts the whole tenant · tenant:acme" in items(page, "Limits")["credits/month"]
    assert items(page, "The same")["answer"].endswith("the same answer.")
    assert "not kept" in items(page, "What was said")["prompt text"]
    assert "not kept" in items(page, "What was said")["answer"]


def test_a_refused_call_tells_the_limit_that_stood_in_the_way_and_that_nothing_was_sent(
    details: Details, ledger: Database, acme: Till
) -> None:
    set_limit(ledger, "acme", StatedLimit(CREDITS, DAY, 1_500_000))
    acme.admit()
    decision = acme.ask()
    acme.flush()
    page = details.page(Tab.CALLS, str(decision.id), snapshot(Tab.CALLS))
    assert page.heading == "Refused: DAILY_BUDGET_EXCEEDED"
    assert items(page, "Timeline")["sent"] == "never; nothing was spent"
    assert items(page, "Cost") == {"cost": "$0.00: it was not sent"}
    assert page.sections[0].title == "Limits, as it found them"
    assert "→ refused it" in items(page, "Limits")["credits/day"]
    assert page.paragraphs[1].startswith("→ ")


def test_a_call_in_flight_has_no_cost_yet(details: Details, acme: Till) -> None:
    hold = acme.admit()
    page = details.page(Tab.CALLS, str(hold.order.attempt), snapshot(Tab.CALLS))
    assert items(page, "Timeline")["in flight"].startswith("its hold expires 20")
    assert items(page, "Cost")["cost"] == "— until it has ended"
    assert items(page, "Cost")["tokens"] == "—"


def test_a_presumed_call_is_told_as_estimated(details: Details, acme: Till) -> None:
    entry = acme.presume(acme.admit())
    acme.flush()
    page = details.page(Tab.CALLS, str(entry.hold.order.attempt), snapshot(Tab.CALLS))
    assert items(page, "Timeline")["ending"] == "presumed_spent · error ReadTimeout · estimated"
    assert items(page, "Cost")["cost"] == "$0.001"


def test_corrections_are_told_with_what_they_came_to(details: Details, ledger: Database, acme: Till) -> None:
    entry = acme.presume(acme.admit())
    acme.flush()
    correct(ledger, entry.hold.order.attempt, nano=360_000, why="the bill says so", who="bob")
    page = details.page(Tab.CALLS, str(entry.hold.order.attempt), snapshot(Tab.CALLS))
    assert items(page, "Cost")["cost"] == "$0.00036"
    (correction,) = section(page, "Corrections").items
    assert correction.text.startswith("-$0.00064, in all $0.00036 · 20")
    assert correction.remarks == ("corrected by hand; `aikit audit list --action ledger` says by whom",)


def test_the_other_attempts_of_the_same_call_can_be_opened(details: Details, acme: Till) -> None:
    first = order("acme", 1_000_000)
    second = first._replace(attempt=new_id())
    for one in (first, second):
        hold = acme.meter.admit(one).hold
        assert hold is not None
        acme.void(hold) if one is first else acme.settle(hold)
    acme.flush()
    page = details.page(Tab.CALLS, str(second.attempt), snapshot(Tab.CALLS))
    (other,) = section(page, "Other attempts of this call, 1").items
    assert other.text == "voided · status 500 · error server_error · openai/gpt-4o-mini · $0.00"
    assert other.opens == str(first.attempt)
    assert details.page(Tab.CALLS, other.opens, snapshot(Tab.CALLS)).heading == "Allowed: ALLOWED"


def test_identical_requests_are_counted_where_a_rule_watched_them(
    details: Details, ledger: Database, till: Till
) -> None:
    add_tenant(ledger, "acme")
    scope = Scope(tenant="acme")
    put_policy(ledger, Policy("tenant:acme", scope, loops=Loops(2), limits=(StatedLimit(CREDITS, DAY, DOLLAR),)))
    for _ in range(3):
        decision = till.meter.admit(order("acme", 1_000)._replace(fingerprint="same"))
    till.flush()
    assert decision.reason_code == "LOOP_DETECTED"
    page = details.page(Tab.CALLS, str(decision.id), snapshot(Tab.CALLS))
    assert page.paragraphs[-1] == "3 identical requests in 60 s, this one included."
    assert "→ refused it" in items(page, "Rules against runaways")["loops"]


def test_a_prompt_and_findings_are_told_but_no_text(details: Details, acme: Till) -> None:
    asked = order("acme", 1_000_000)
    finding = Finding("pii", "email", Place.INPUT, GuardAction.REDACT, "messages/0/content", "9c1f", 2)
    version = PromptId("summarize@v3", "3f2a" * 16)
    asked = asked._replace(call=asked.call._replace(prompt=version), findings=(finding,))
    hold = acme.meter.admit(asked).hold
    assert hold is not None
    acme.settle(hold)
    acme.flush()
    page = details.page(Tab.CALLS, str(asked.attempt), snapshot(Tab.CALLS))
    assert items(page, "Decision")["prompt"] == "summarize@v3 (3f2a3f2a3f2a)"
    assert items(page, "What guards found")["pii: email"].startswith("redacted in the input, 2 times")


@pytest.mark.parametrize("key", ["no-id", "", "019aa4d6-7f21-7c31-9e54-00c0ffee0001"])
def test_a_call_that_is_not_there_is_told_with_a_remedy(details: Details, acme: Till, key: str) -> None:
    with pytest.raises(AIKitError, match="The ledger has no attempt") as told:
        details.page(Tab.CALLS, key, snapshot(Tab.CALLS))
    assert told.value.remedy


def test_a_call_whose_policies_were_pruned_is_told_as_it_was_recorded(
    details: Details, ledger: Database, acme: Till
) -> None:
    entry = acme.spend()
    acme.flush()
    tell(ledger, "ALTER TABLE aikit.entries DISABLE TRIGGER USER", "UPDATE aikit.entries SET policy_version = 99")
    page = details.page(Tab.CALLS, str(entry.hold.order.attempt), snapshot(Tab.CALLS))
    assert "Not made again: there is no policy version 99" in words(page)
    assert items(page, "Cost")["cost"] == COST
