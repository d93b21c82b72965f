"""The ledger says of each attempt which version of a prompt it was made with, and what guards found in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from aikit.corrections import correct
from aikit.database.connect import Database
from aikit.expiring import expire
from aikit.ledger.call_detail import get_call
from aikit.ledger.calls import list_calls
from aikit.ledger.reports import spend
from aikit.ledger.tenants import add_tenant
from aikit.ledger.verify import verify
from aikit.meter.engine import Meter
from aikit.meter.opening import open_meter
from aikit.types import Ending, Entry, Finding, GuardAction, Hold, Order, Place, PromptId, Usage
from support.ledger import Till, order, price_row, rows

V2, V3 = (PromptId(f"summarize@v{version}", f"{version:x}" * 64) for version in (2, 3))
EMAIL = Finding("pii", "email", Place.INPUT, GuardAction.REDACT, "messages/0/content", "0123456789abcdef", 2)
KEY = Finding("secrets", "openai", Place.OUTPUT, GuardAction.FLAG, "choices/0/message/content", "fedcba9876543210")


@pytest.fixture(autouse=True)
def tenant(ledger: Database) -> None:
    add_tenant(ledger, "acme", uncapped=True)


def asked(prompt: PromptId | None = V3, *findings: Finding, **tags: str) -> Order:
    one = order("acme", 1_000_000, **tags)
    return one._replace(call=one.call._replace(prompt=prompt), findings=findings)


def admit(meter: Meter, one: Order) -> Hold:
    decision = meter.admit(one)
    assert decision.hold is not None, decision.reason_code
    return decision.hold


def test_an_entry_and_its_decision_have_the_version_and_its_hash(ledger: Database, till: Till) -> None:
    till.settle(admit(till.meter, asked(V3)))
    till.flush()
    for table in ("entries", "decisions"):
        assert rows(ledger, f"SELECT prompt, prompt_hash, findings FROM aikit.{table}") == [(*V3, None)]


def test_what_the_answer_had_stands_behind_what_the_request_had(ledger: Database, till: Till) -> None:
    both, one, none = (admit(till.meter, asked(V3, *found)) for found in ([EMAIL], [], []))
    for hold, found in ((both, (KEY,)), (one, (KEY, EMAIL)), (none, ())):
        till.end(Entry(hold, Ending.SETTLED, 10, Usage(input=1), status=200, findings=found))
    till.flush()
    found = {hold.order.attempt: get_call(ledger, hold.order.attempt) for hold in (both, one, none)}
    assert [call.attempts[0].findings for call in found.values() if call] == [(EMAIL, KEY), (KEY, EMAIL), ()]
    assert [row.findings for row in list_calls(ledger, prompt="summarize")] == [0, 2, 2]


def test_a_running_attempt_and_a_refused_one_have_theirs_too(ledger: Database, till: Till) -> None:
    hold = admit(till.meter, asked(V3, EMAIL))
    blocked = EMAIL._replace(action=GuardAction.BLOCK)
    decision = till.meter.admit(asked(V2, blocked)._replace(blocked=True))
    assert (decision.hold, decision.reason_code) == (None, "GUARD_BLOCKED")
    running, refused = (get_call(ledger, one) for one in (hold.order.attempt, decision.id))
    assert running is not None and refused is not None
    assert (running.attempts[0].prompt, running.attempts[0].findings) == (V3, (EMAIL,))
    assert (refused.attempts[0].prompt, refused.attempts[0].findings) == (V2, (blocked,))
    till.settle(hold)
    till.flush()


def test_an_expired_hold_a_correction_and_a_late_truth_belong_to_the_same_version(
    ledger: Database, open_till: Callable[[], Till]
) -> None:
    till = open_till()
    late, gone = admit(till.meter, asked(V3)), admit(till.meter, asked(V2))
    with ledger.connect(role="test") as connection:
        connection.execute("UPDATE aikit.holds SET expires_at = now() - interval '1 s'")
    expire(ledger)
    till.settle(late)
    till.flush()
    correct(ledger, gone.order.attempt, nano=7, why="the bill says so", who="test")
    report = spend(ledger, "prompt")
    assert {row.key: row.calls for row in report.rows} == {V3.id: 1, V2.id: 1}
    assert {row.key: row.nano for row in report.rows}[V2.id] == 7
    assert rows(ledger, "SELECT count(DISTINCT prompt_hash), count(*) FROM aikit.entries") == [(2, 4)]
    assert verify(ledger).findings == []


def test_an_ending_from_the_spool_has_what_guards_found(ledger: Database, tmp_path: Path) -> None:
    from aikit.meter.spool import from_line, to_line

    meter = open_meter(ledger, tmp_path, price_row)
    hold = admit(meter, asked(V3, EMAIL))
    entry = Entry(hold, Ending.SETTLED, 10, Usage(input=1), findings=(KEY,))
    meter.end(from_line(to_line(entry).encode())[0])
    assert meter.flush() and meter.close()
    (found,) = get_call(ledger, hold.order.attempt).attempts  # type: ignore[union-attr]
    assert (found.prompt, found.findings) == (V3, (EMAIL, KEY))


def test_spending_by_prompt_has_errors_and_latency_of_each_version(ledger: Database, till: Till) -> None:
    for prompt, took in ((V2, range(10, 110, 10)), (V3, [500])):
        for ms in took:
            hold = admit(till.meter, asked(prompt))
            till.end(Entry(hold, Ending.SETTLED, 3, Usage(input=1), status=200, duration_ms=ms))
    till.void(admit(till.meter, asked(V3)))
    till.spend("acme")
    till.flush()
    report = spend(ledger, "prompt", tenant="acme")
    found = {row.key: row for row in report.rows}
    assert set(found) == {"", V2.id, V3.id}
    assert (found[V2.id].calls, found[V2.id].failed, found[V2.id].nano) == (10, 0, 30)
    assert (found[V3.id].calls, found[V3.id].failed) == (2, 1)
    latency = found[V2.id].latency
    assert latency is not None and (latency.p50_ms, latency.p95_ms) == (50, 100)
    assert found[V3.id].latency is not None and found[V3.id].latency.p50_ms == 500
    assert found[""].latency is None
    assert report.totals.calls == 13
    assert spend(ledger, "prompt", tenant="nobody").rows == []


def test_latencies_are_read_from_the_index_of_prompts(ledger: Database, till: Till) -> None:
    for _ in range(3):
        till.settle(admit(till.meter, asked(V3)))
    till.flush()
    with ledger.connect(role="test") as connection:
        connection.execute("SET enable_seqscan = off")
        plan = connection.execute(
            "EXPLAIN SELECT duration_ms FROM aikit.entries WHERE prompt = %s AND seq = 0 "
            "ORDER BY attempt DESC LIMIT 10000",
            (V3.id,),
        ).fetchall()
    text = "\n".join([line for (line,) in plan])
    assert "prompt_attempt_idx" in text and "Seq Scan" not in text and "Sort" not in text


def test_the_books_name_the_version_where_a_rollup_is_wrong(ledger: Database, till: Till) -> None:
    till.settle(admit(till.meter, asked(V3)))
    till.flush()
    with ledger.connect(role="test") as connection:
        connection.execute("UPDATE aikit.rollups SET prompt = 'summarize@v9'")
    found = verify(ledger).findings
    assert {finding.kind for finding in found} == {"rollup_missing", "rollup_surplus"}
    assert any("summarize@v3" in finding.what for finding in found)
