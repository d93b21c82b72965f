"""What the process writes as text is what PostgreSQL reads."""

import json
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikit.database.connect import Database
from aikit.meter.rows import EndingRow, OrderRow, array, hold_row, plain_row
from aikit.types import USAGE_CLASSES, Ending, Entry, Hold, LimitState, Metric, Usage, Window
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
    sent = array([plain_row(["t", text, count, 0, 0, 0]) for text, count in rows])
    query = "SELECT key, was_used FROM unnest(%s::aikit.counter_change[])"
    assert connection.execute(query, (sent,)).fetchall() == rows


@given(texts | hostile, texts | hostile, counts, st.lists(texts.filter(bool), max_size=4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_a_hold_arrives_with_its_tags_limits_and_counters(
    connection: psycopg.Connection, model: str, source: str, cap: int, keys: list[str]
) -> None:
    asked = order(nano=cap)
    asked = asked._replace(call=asked.call._replace(model=model, stream=True))
    state = LimitState(Metric.CREDITS, Window.DAY, cap, 12, 34, NOW, source)
    sent = array([hold_row(OrderRow.of(asked), keys, [state, state])])
    query = """
        SELECT tenant, attempt, call, user_id, model, stream, nano, limits::text, string_to_array(counters, E'\\x1f')
        FROM unnest(%s::aikit.new_hold[])"""
    row = connection.execute(query, (sent,)).fetchone()
    assert row is not None
    assert row[:7] == ("acme", asked.attempt, asked.call.id, "u1", model, True, cap)
    assert json.loads(row[7]) == [["credits", "day", source, cap, 12, 34]] * 2
    assert (row[8] or []) == keys


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
