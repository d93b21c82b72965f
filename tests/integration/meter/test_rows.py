"""What the process writes as text is what PostgreSQL reads."""

import json
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikit.database.connect import Database
from aikit.ledger.recorded import read_findings, read_request, read_states
from aikit.meter.counters import Counters
from aikit.meter.rows import EndingRow, OrderRow, array, counter_row, hold_row, plain_row
from aikit.types import (
    USAGE_CLASSES,
    Ending,
    Entry,
    Finding,
    GuardAction,
    Hold,
    Limit,
    LimitState,
    Metric,
    Place,
    PromptId,
    Usage,
    Window,
)
from support.attempts import NOW, order

texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=30)
hostile = st.sampled_from(['"', "\\", '\\"', "{}", "(a,b)", "NULL", "null", "", " ", ",", "é漢字", "a\\\\b", "'", "$1"])
counts = st.integers(0, 2**62)


@pytest.fixture
def connection(ledger: Database) -> Any:
    with ledger.connect(role="test") as opened:
        yield opened


@given(st.lists(st.tuples(texts | hostile | st.none(), st.integers(-(2**62), 2**62)), min_size=1, max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_arrives_as_it_was(connection: psycopg.Connection, rows: list[tuple[str | None, int]]) -> None:
    sent = array([plain_row(["t", text, count, None]) for text, count in rows])
    query = "SELECT subject, seen FROM unnest(%s::aikit.counter_change[])"
    assert connection.execute(query, (sent,)).fetchall() == rows


@given(texts | hostile, texts | hostile)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_what_guards_found_arrives_whatever_they_call_it(
    connection: psycopg.Connection, kind: str, prompt: str
) -> None:
    found = Finding("custom.own", kind, Place.TOOL_RESULTS, GuardAction.FLAG, f"messages/{kind}", "0" * 16, 3)
    asked = order()
    asked = asked._replace(call=asked.call._replace(prompt=PromptId(prompt, "f" * 64)), findings=(found, found))
    sent = array([hold_row(OrderRow.of(asked), Hold(asked, (), NOW), [], "ALLOWED", None)])
    query = "SELECT prompt, prompt_hash, findings FROM unnest(%s::aikit.new_hold[])"
    row = connection.execute(query, (sent,)).fetchone()
    assert row is not None
    assert (row[0], row[1], read_findings(row[2])) == (prompt, "f" * 64, (found, found))


@given(texts | hostile, texts | hostile, counts, st.lists(texts.filter(bool), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_hold_arrives_with_its_tags_limits_and_subjects(
    connection: psycopg.Connection, model: str, source: str, cap: int, subjects: list[str]
) -> None:
    asked = order(nano=cap)
    asked = asked._replace(call=asked.call._replace(model=model, stream=True), named=False, characters=77)
    limit = Limit(Metric.CREDITS, Window.DAY, cap, source, subject="feature=a\x1fuser=" + source)
    state = LimitState(limit, 12, 34, NOW, 5)
    granted = Hold(asked._replace(output_tokens=3), tuple(subjects), NOW)
    sent = array([hold_row(OrderRow.of(asked), granted, [state, state], "ALLOWED_SOFT_CAP", "DAILY_BUDGET_EXCEEDED")])
    query = """
        SELECT tenant, attempt, call, user_id, model, stream, nano, output_tokens, reason_code, would_refuse,
               limits::text, request::text, string_to_array(subjects, E'\\x1e')
        FROM unnest(%s::aikit.new_hold[])"""
    row = connection.execute(query, (sent,)).fetchone()
    assert row is not None
    assert row[:8] == ("acme", asked.attempt, asked.call.id, "u1", model, True, cap, 3)
    assert row[8:10] == ("ALLOWED_SOFT_CAP", "DAILY_BUDGET_EXCEEDED")
    assert read_states(json.loads(row[10]), NOW) == (state._replace(resets_at=NOW.replace(microsecond=0)),) * 2
    assert read_request(json.loads(row[11])) == {
        "input": 10, "output": None, "answers": 1, "least": 1, "characters": 77, "cost": [1, [cap, 0]],
    }  # fmt: skip
    assert (row[12] or []) == subjects


@given(texts | hostile, st.integers(-(2**62), 2**62))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_counters_arrive_as_they_will_stand(connection: psycopg.Connection, subject: str, used: int) -> None:
    counters = Counters(7, ["credits/day", "requests/minute"], [100, used, 3, 4, 60, 1, 2, 9])
    query = "SELECT tenant, subject, seen, amounts FROM unnest(%s::aikit.counter_change[])"
    row = connection.execute(query, (array([counter_row("acme", subject, counters)]),)).fetchone()
    assert row == ("acme", subject, 7, [100, used, 3, 4, 60, 1, 2, 9])


@given(st.none() | st.builds(Usage, **dict.fromkeys(USAGE_CLASSES, counts)), st.none() | texts | hostile)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_ending_arrives_with_its_usage_or_none(
    connection: psycopg.Connection, usage: Usage | None, error: str | None
) -> None:
    entry = Entry(Hold(order(), (), NOW, 3), Ending.SETTLED, 5, usage, True, status=200, error=error, price_id="p2")
    columns = ", ".join(USAGE_CLASSES)
    query = f"""
        SELECT generation, ending, estimated, nano, status, error, other_price, duration_ms, {columns}
        FROM unnest(%s::aikit.ending[])"""
    row = connection.execute(query, (array([EndingRow.of(entry).text]),)).fetchone()
    assert row is not None
    assert row[:8] == (3, "settled", True, 5, 200, error, "p2", None)
    assert row[8:] == (usage.counts() if usage else (None,) * len(USAGE_CLASSES))


def test_what_the_database_can_not_hold_does_not_keep_an_ending_from_being_posted(
    connection: psycopg.Connection,
) -> None:
    found = Finding("custom.own", "a\x00b\ud800c", Place.OUTPUT, GuardAction.FLAG)
    sent = array(
        [hold_row(OrderRow.of(order()._replace(findings=(found,))), Hold(order(), (), NOW), [], "ALLOWED", None)]
    )
    row = connection.execute("SELECT findings FROM unnest(%s::aikit.new_hold[])", (sent,)).fetchone()
    assert row is not None and row[0][0]["kind"] == "a?b?c"
