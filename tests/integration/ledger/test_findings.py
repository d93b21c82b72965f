"""What guards found, counted from the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.findings import KEYS, FindingsReport, findings
from aikit.ledger.tenants import add_tenant
from aikit.types import Ending, Entry, Finding, GuardAction, Place, PromptId, Refusal
from support.ledger import MINI, SOME, Till, order

BLOCK, REDACT, FLAG = GuardAction.BLOCK, GuardAction.REDACT, GuardAction.FLAG


def email(action: GuardAction = REDACT, place: Place = Place.INPUT, times: int = 1) -> Finding:
    return Finding("pii", "email", place, action, "messages/0/content", "0123456789abcdef", times)


KEY = Finding("secrets", "openai", Place.INPUT, BLOCK, "messages/0/content", "fedcba9876543210")
LONG = Finding("max_length", "length", Place.OUTPUT, FLAG)


@pytest.fixture
def found(ledger: Database, till: Till) -> Database:
    """Two calls of acme and one of globex in which something was found, one that was blocked, and one without."""
    for tenant in ("acme", "globex"):
        add_tenant(ledger, tenant, uncapped=True)
    sent(till, "acme", email(times=3), after=(email(FLAG, Place.OUTPUT), LONG), feature="chat")
    sent(till, "acme", email(), feature="mail")
    sent(till, "globex", email(FLAG))
    sent(till, "acme", feature="chat")
    refused = order("acme", 0, feature="chat")._replace(findings=(KEY, email()))
    till.meter.refuse(Refusal(refused, "GUARD_BLOCKED"))
    till.flush()
    return ledger


def sent(till: Till, tenant: str, *before: Finding, after: tuple[Finding, ...] = (), **tags: str) -> None:
    """An attempt with these findings in its request and its response."""
    asked = order(tenant, 10**6, **tags)
    prompt = PromptId("summarize@v3", "0" * 64) if before else None
    asked = asked._replace(findings=before, call=asked.call._replace(prompt=prompt))
    decision = till.meter.admit(asked)
    assert decision.hold is not None, decision.reason_code
    till.end(Entry(decision.hold, Ending.SETTLED, MINI.cost(SOME), SOME, status=200, findings=after))


def told(report: FindingsReport) -> list[tuple[str, int, int]]:
    return [(row.key, row.findings, row.attempts) for row in report.rows]


@pytest.mark.parametrize(
    ("by", "expected"),
    [
        ("guard", [("pii", 7, 4), ("max_length", 1, 1), ("secrets", 1, 1)]),
        ("kind", [("pii/email", 7, 4), ("max_length/length", 1, 1), ("secrets/openai", 1, 1)]),
        ("tenant", [("acme", 8, 3), ("globex", 1, 1)]),
        ("feature", [("chat", 7, 2), ("", 1, 1), ("mail", 1, 1)]),
        ("model", [("openai/gpt-4o-mini", 9, 4)]),
        ("prompt", [("summarize@v3", 7, 3), ("", 2, 1)]),
    ],
)
def test_findings_are_counted_by_what_they_are_asked_by(
    found: Database, by: str, expected: list[tuple[str, int, int]]
) -> None:
    report = findings(found, by)
    assert told(report) == expected
    assert (report.totals.findings, report.totals.attempts) == (9, 4)


def test_places_and_actions_are_told_apart(found: Database) -> None:
    totals = findings(found).totals
    assert totals.counts == {
        (Place.INPUT, FLAG): 1,
        (Place.INPUT, REDACT): 5,
        (Place.INPUT, BLOCK): 1,
        (Place.OUTPUT, FLAG): 2,
    }
    assert totals.acted == {GuardAction.ALLOW: 0, FLAG: 2, REDACT: 3, BLOCK: 1}
    assert (totals.at(Place.INPUT), totals.at(Place.OUTPUT), totals.at(Place.TOOL_RESULTS)) == (7, 2, 0)


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({"tenant": "globex"}, [("pii", 1, 1)]),
        ({"guard": "secrets"}, [("secrets", 1, 1)]),
        ({"kind": "length"}, [("max_length", 1, 1)]),
        ({"guard": "secrets", "kind": "email"}, []),
        ({"tenant": "nobody"}, []),
        ({"ago": timedelta(hours=-1)}, []),
        ({"ago": timedelta(days=400), "guard": "pii"}, [("pii", 7, 4)]),
    ],
    ids=str,
)
def test_they_are_narrowed_to_a_tenant_a_guard_a_kind_or_a_time(
    found: Database, narrowed: dict[str, Any], expected: list[tuple[str, int, int]]
) -> None:
    given = {name: value for name, value in narrowed.items() if name != "ago"}
    since = datetime.now(UTC) - narrowed["ago"] if "ago" in narrowed else None
    report = findings(found, since=since, **given)
    assert told(report) == expected
    assert report.totals.findings == sum(row.findings for row in report.rows)


def test_what_was_done_counts_not_what_the_guard_should_have_done(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    sent(till, "acme", Finding("pii", "crashed", Place.INPUT, REDACT), Finding("pii", "crashed", Place.INPUT, FLAG))
    sent(till, "acme", after=(Finding("json_schema", "repaired", Place.OUTPUT, BLOCK),))
    sent(till, "acme", after=(Finding("json_schema", "mismatch", Place.OUTPUT, BLOCK),))
    till.flush()
    acted = {row.key: {action: count for action, count in row.acted.items() if count} for row in findings(ledger).rows}
    assert acted == {"pii": {FLAG: 1, BLOCK: 1}, "json_schema": {REDACT: 1, BLOCK: 1}}


def test_a_ledger_without_findings_has_none(ledger: Database) -> None:
    report = findings(ledger)
    assert (report.rows, report.totals.findings, report.totals.attempts, report.totals.counts) == ((), 0, 0, {})


def test_what_can_not_be_asked_is_told(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="There are no findings by 'user'") as caught:
        findings(ledger, "user")
    assert all(name in caught.value.remedy for name in KEYS)
    with pytest.raises(ConfigError, match="time zone"):
        findings(ledger, since=datetime(2026, 11, 1))
