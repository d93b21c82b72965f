"""Every read that is made often finds its rows by an index, on a ledger of realistic size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger.calls import get_call, list_calls
from aikit.ledger.charged import charged_between
from aikit.ledger.daily import daily
from aikit.ledger.findings import KEYS, findings
from aikit.ledger.limits import list_limits
from aikit.ledger.policies import put_policy
from aikit.ledger.reports import spend, user_tokens_today, user_usage
from aikit.ledger.tenants import list_tenants
from aikit.ledger.verify import verify
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Metric, Window
from support.ledger import MINI, SOME, price_row
from support.postgres import create_database, drop_database

ENTRIES, TENANTS, DAYS = 50_000, 200, 20
FOUND = """jsonb_build_array(jsonb_build_object(
    'guard', 'pii', 'kind', 'email', 'place', 'input', 'action', 'redact', 'at', '', 'hash', '', 'times', 2))"""
FILL = f"""
    INSERT INTO aikit.tenants (tenant) SELECT 'tenant' || n FROM generate_series(0, {TENANTS - 1}) n;
    INSERT INTO aikit.policies (name, tenant, body, by_hand, since)
    SELECT 'tenant:' || tenant, tenant,
           jsonb_build_object('name', 'tenant:' || tenant, 'scope', jsonb_build_object('tenant', tenant), 'limits',
               (SELECT jsonb_agg(jsonb_build_object('metric', 'credits', 'window', w, 'cap', 10^15::bigint))
                FROM unnest('{{day,month,total}}'::text[]) w)), true, 1
    FROM aikit.tenants;

    CREATE TEMP TABLE made AS
    SELECT 'tenant' || n % {TENANTS} AS tenant, at, 'user' || n % 37 AS user_id, n,
           (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000'
            || '8' || lpad(to_hex(n), 15, '0'))::uuid AS attempt,
           (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7001'
            || '8' || lpad(to_hex(n), 15, '0'))::uuid AS call
    FROM (SELECT n, now() - interval '{DAYS} days' * (n / {ENTRIES}::float8) AS at
          FROM generate_series(1, {ENTRIES}) n) _;

    INSERT INTO aikit.entries (
        tenant, attempt, call, user_id, feature, environment, provider, model, api, stream, price_id, ending, estimated,
        nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio, output,
        reasoning, output_audio, output_image, searches, status, held_nano, limits, policy_version, admitted_at,
        findings)
    SELECT tenant, attempt, call, user_id, 'chat', 'prod', 'openai', 'gpt-4o-mini', 'openai.chat', false, '{MINI.id}',
           'settled', false, {MINI.cost(SOME)}, {", ".join(map(str, SOME.counts()))}, 200, 10^6,
           '[["credits", "month", "tenant", 1, 0, 0]]', 1, at, CASE WHEN n % 50 = 7 THEN {FOUND} END
    FROM made WHERE n % 10 > 0;

    INSERT INTO aikit.refusals (
        tenant, attempt, call, user_id, feature, environment, provider, model, api, price_id, nano, tokens, reason_code,
        limits, policy_version, refused_at, findings)
    SELECT tenant, attempt, call, user_id, 'chat', 'prod', 'openai', 'gpt-4o-mini', 'openai.chat', '{MINI.id}', 10, 10,
           'MONTHLY_BUDGET_EXCEEDED', '[]', 1, at, CASE WHEN n % 100 = 0 THEN {FOUND} END
    FROM made WHERE n % 10 = 0;

    INSERT INTO aikit.rollups
    SELECT tenant, date_trunc('hour', at, 'UTC'), 'prod', user_id, 'chat', 'openai', 'gpt-4o-mini',
           count(*) FILTER (WHERE n % 10 > 0), count(*) FILTER (WHERE n % 10 = 0), 0, 0, 0,
           count(*) FILTER (WHERE n % 10 > 0) * {MINI.cost(SOME)},
           {", ".join(f"count(*) FILTER (WHERE n % 10 > 0) * {count}" for count in SOME.counts())}
    FROM made GROUP BY 1, 2, 3, 4, 5, 6, 7;

    SELECT aikit.open_counter(tenant, '', NULL, NULL, NULL, 'credits/' || w, 'credits', start, NULL)
    FROM aikit.tenants,
         (VALUES ('month', date_trunc('month', now(), 'UTC')), ('total', to_timestamp(0))) x (w, start);

    SELECT aikit.open_counter(tenant, 'user=' || user_id, NULL, NULL, user_id, 'requests/hour', 'requests', start,
                              start - interval '1 hour')
    FROM (SELECT DISTINCT tenant, user_id FROM made) _, date_trunc('hour', now(), 'UTC') start;
"""


@pytest.fixture(scope="module")
def large(postgres_server: str, ledger_template: str) -> Iterator[Database]:
    """200 tenants with 37 users each and 50,000 attempts in 20 days, a tenth of them refused."""
    dsn = create_database(postgres_server, ledger_template)
    ledger = Database(dsn, False, "test")
    each = StatedLimit(Metric.REQUESTS, Window.HOUR, 100, each="user")
    put_policy(ledger, Policy("default", Scope(), limits=(each,)))
    with ledger.connect(role="test") as connection:
        price = price_row(MINI.id)
        row = (price.price_id, price.provider, price.model, price.source, price.version, price.body)
        connection.execute("INSERT INTO aikit.prices VALUES (%s, %s, %s, %s, %s, %s)", row)
        connection.execute(FILL)
        connection.execute("VACUUM ANALYZE")
    yield ledger
    drop_database(dsn)


NEWER = """
    INSERT INTO aikit.entries
    SELECT (jsonb_populate_record(e, jsonb_build_object(
        'attempt', aikit.id_at(now() + n * interval '1 millisecond'), 'admitted_at', now()))).*
    FROM (SELECT e FROM aikit.entries e WHERE tenant = 'tenant7' AND seq = 0 LIMIT 1) x, generate_series(1, 300) n"""
"""More of one tenant's entries, all of this minute."""


@pytest.fixture(scope="module")
def one(large: Database) -> tuple[UUID, UUID]:
    """An attempt somewhere in the middle, and its call."""
    with large.connect(role="test") as connection:
        query = "SELECT attempt, call FROM aikit.entries WHERE tenant = 'tenant7' ORDER BY attempt OFFSET 100 LIMIT 1"
        ((attempt, call),) = connection.execute(query).fetchall()
        return attempt, call


def statements(read: Callable[[], object]) -> list[tuple[str, Any]]:
    """What `read` asks the database, with the parameters."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", listen)
    try:
        read()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", listen)
    return asked


def scans(ledger: Database, read: Callable[[], object]) -> dict[str, set[str]]:
    """How each table is read by the statements that `read` runs: by name, the kinds of scan.

    A scan of a month is one of the table that it is a part of; how a month is read that has no rows does not matter.
    """
    found: dict[str, set[str]] = {}
    with ledger.connect(role="test") as connection:
        months = dict(connection.execute("SELECT part, relation FROM aikit.parts").fetchall())
        empty = {part for part in months if connection.execute(f"SELECT FROM aikit.{part} LIMIT 1").rowcount == 0}
        for statement, parameters in statements(read):
            if "aikit." in statement:
                row = connection.execute(f"EXPLAIN (FORMAT JSON) {statement}".encode(), parameters).fetchone()
                assert row is not None
                for node in nodes(row[0][0]["Plan"]):
                    if (table := node.get("Relation Name")) and table not in empty:
                        found.setdefault(months.get(table, table), set()).add(node["Node Type"])
    assert found, "the read made no statement"
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes(part)


def test_a_plan_that_reads_a_whole_table_is_seen(large: Database) -> None:
    def read() -> None:
        with large.engine().connect() as connection:
            connection.execute(sa.text("SELECT sum(nano) FROM aikit.entries"))

    assert scans(large, read) == {"entries": {"Seq Scan"}}


@pytest.mark.parametrize("by", ["tenant", "user", "feature", "model", "provider", "day", "environment"])
def test_spending_is_summed_from_rollups_alone(large: Database, by: str) -> None:
    assert scans(large, lambda: spend(large, by)).keys() == {"rollups"}


def test_a_tenants_or_a_days_spending_does_not_read_all_rollups(large: Database) -> None:
    since = datetime.now(UTC) - timedelta(hours=24)
    assert "Seq Scan" not in scans(large, lambda: spend(large, since=since))["rollups"]
    assert "Seq Scan" not in scans(large, lambda: spend(large, "user", tenant="tenant7"))["rollups"]


def test_a_day_that_is_compared_with_a_bill_does_not_read_the_whole_ledger(large: Database) -> None:
    day = datetime.now(UTC).date() - timedelta(days=3)
    found = scans(large, lambda: daily(large, ["openai"], day, day + timedelta(days=1)))
    assert not [table for table, kinds in found.items() if "Seq Scan" in kinds]


@pytest.mark.parametrize(
    "narrowed",
    [
        {},
        {"tenant": "tenant7"},
        {"tenant": "tenant7", "user": "user3"},
        {"tenant": "tenant7", "ending": "voided"},
        {"tenant": "tenant7", "refused": True},
        {"tenant": "tenant7", "code": "MONTHLY_BUDGET_EXCEEDED"},
        {"tenant": "tenant7", "would_refuse": True},
        {"would_refuse": True},
        {"tenant": "tenant7", "model": "openai/gpt-4o-mini", "limit": 1000},
        {"refused": False},
        {"user": "user3", "since": timedelta(days=1)},
        {"tenant": "tenant7", "since": timedelta(hours=1)},
    ],
    ids=str,
)
def test_calls_are_listed_by_walking_down_an_index(large: Database, narrowed: dict[str, Any]) -> None:
    if ago := narrowed.get("since"):
        narrowed = narrowed | {"since": datetime.now(UTC) - ago}
    found = scans(large, lambda: list_calls(large, **narrowed))
    assert "Seq Scan" not in found.get("entries", set()) | found.get("refusals", set())


def test_of_a_tenants_newest_calls_no_more_are_read_than_are_listed(large: Database) -> None:
    """Where the statistics know of none of them yet."""
    since = datetime.now(UTC) - timedelta(minutes=1)
    asked = statements(lambda: list_calls(large, tenant="tenant7", since=since, limit=20))
    found = [number for number, (statement, _) in enumerate(asked) if "aikit.entries" in statement]
    statement, parameters = asked[found[0]]
    with large.connect(role="test") as connection, connection.transaction(force_rollback=True):
        connection.execute(NEWER)
        for before, given in asked[: found[0]]:
            connection.execute(before.encode(), given)
        row = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), parameters).fetchone()
    assert row is not None
    read = [
        node["Actual Rows"] * node["Actual Loops"]
        for node in nodes(row[0][0]["Plan"])
        if str(node.get("Relation Name")).startswith("entries_2")
    ]
    assert max(read) in (20, 21), row


def test_a_call_is_found_by_index_by_either_of_its_ids(large: Database, one: tuple[UUID, UUID]) -> None:
    for id in one:
        found = scans(large, lambda id=id: get_call(large, id))  # type: ignore[misc]  # bound at once
        assert "Seq Scan" not in found["entries"] | found["refusals"]
        call = get_call(large, id)
        assert call is not None
        assert ([attempt.attempt for attempt in call.attempts], call.call) == ([one[0]], one[1])


def test_a_period_that_is_charged_again_is_read_by_index_page_by_page(large: Database) -> None:
    since = datetime.now(UTC) - timedelta(days=3)
    first = charged_between(large, since, limit=500)
    for narrowed in ({}, {"after": first[-1]}, {"tenant": "tenant7"}, {"until": since + timedelta(days=1)}):
        found = scans(large, lambda narrowed=narrowed: charged_between(large, since, limit=500, **narrowed))
        assert found["entries"] <= {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}, narrowed


@pytest.mark.parametrize("narrowed", [{}, {"tenant": "tenant7"}, {"guard": "pii"}, {"days": 1}], ids=str)
@pytest.mark.parametrize("by", KEYS)
def test_findings_are_read_from_the_few_attempts_that_have_some(
    large: Database, by: str, narrowed: dict[str, Any]
) -> None:
    days = narrowed.get("days", DAYS + 1)
    narrowed = {name: value for name, value in narrowed.items() if name != "days"}
    since = datetime.now(UTC) - timedelta(days=days)
    found = scans(large, lambda: findings(large, by, since=since, **narrowed))
    assert found.keys() == {"entries", "refusals"}
    assert "Seq Scan" not in found["entries"] | found["refusals"]
    totals = findings(large, by, since=since).totals
    assert totals.attempts == pytest.approx((ENTRIES // 50 + ENTRIES // 100) * min(days, DAYS) / DAYS, abs=2)
    assert totals.findings == 2 * totals.attempts


def test_a_users_usage_is_read_from_the_tenants_rollups(large: Database) -> None:
    since = datetime.now(UTC) - timedelta(days=7)
    for found in (
        scans(large, lambda: user_usage(large, "tenant7", "user7", since)),
        scans(large, lambda: user_tokens_today(large, "tenant7", "user7")),
    ):
        assert found.keys() == {"rollups"}
        assert "Seq Scan" not in found["rollups"]


def test_tenants_and_limits_read_no_entries(large: Database) -> None:
    for read in (lambda: list_tenants(large), lambda: list_limits(large), lambda: list_limits(large, "tenant7")):
        found = scans(large, read)
        assert not found.keys() & {"entries", "refusals"}
        assert "Seq Scan" not in found.get("rollups", set())


def test_a_tenants_limits_are_read_from_its_own_counters(large: Database) -> None:
    found = scans(large, lambda: list_limits(large, "tenant7", user="user3"))
    assert "Seq Scan" not in found["counters"]


def test_limits_take_the_same_few_statements_for_any_number_of_tenants(large: Database) -> None:
    assert len(statements(lambda: list_limits(large))) == len(statements(lambda: list_limits(large, "tenant7"))) <= 6
    assert len({row.tenant for row in list_limits(large)}) == TENANTS


def test_what_a_slot_opens_with_is_found_by_index(large: Database) -> None:
    """Statements inside functions are not explained; that they scanned no table is in the statistics."""
    query = """SELECT sum(seq_scan) FROM pg_stat_xact_user_tables
               WHERE schemaname = 'aikit' AND (relname LIKE 'entries%%' OR relname = 'rollups')"""
    counted = "SELECT aikit.counted('tenant7', NULL, NULL, %s, 'tokens', now() - %s * interval '1 minute', NULL)"
    with large.connect(role="test") as connection, connection.transaction():
        ((before,),) = connection.execute(query).fetchall()
        for user in (None, "user7"):
            for minutes in (1, 90, 60 * 24, 60 * 24 * 19):
                connection.execute(counted, (user, minutes))
        assert connection.execute(query).fetchall() == [(before,)]


def test_a_large_ledger_is_verified_in_seconds(large: Database) -> None:
    started = datetime.now(UTC)
    proof = verify(large)
    assert (proof.findings, proof.entries, proof.refusals) == ([], ENTRIES * 9 // 10, ENTRIES // 10)
    assert datetime.now(UTC) - started < timedelta(seconds=30)
