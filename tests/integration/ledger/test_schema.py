"""Migrations: from the installed package, by several at once, or by hand from the printed SQL."""

from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from aikit.database.connect import Database, named_database
from aikit.errors import ConfigError
from aikit.ledger import schema
from aikit.ledger.calls import get_call
from aikit.ledger.limits import list_limits
from aikit.ledger.opening import current, migrate, prepare
from aikit.ledger.policies import apply, read_policies, rollback
from aikit.ledger.tenants import list_tenants, set_limit
from aikit.ledger.verify import verify
from aikit.ledger.version import HEAD
from aikit.meter.opening import open_meter
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Ending, Entry, Hold, Metric, Window
from support.ledger import MINI, SOME, Till, order, price_row, rows

UPGRADE = """
import sys
from aikit.database.connect import named_database
from aikit.ledger.opening import migrate, prepare
database = named_database(sys.argv[1], "test")
sys.stdin.readline()
migrate(database)
print(prepare(database).nano_per_credit)
"""


def blank(dsn: str) -> Database:
    return named_database(dsn, "test")


def test_the_version_that_is_checked_at_opening_is_the_newest_migration() -> None:
    assert schema.head() == HEAD


def test_three_upgrades_at_once_make_one_schema(database: str) -> None:
    upgraders = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, database], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for upgrader in upgraders:
        assert upgrader.stdin is not None
        upgrader.stdin.write("go\n")
        upgrader.stdin.flush()
    assert [upgrader.communicate(timeout=60)[0] for upgrader in upgraders] == ["100000\n"] * 3
    assert all(upgrader.returncode == 0 for upgrader in upgraders)
    with blank(database).connect(role="test") as connection:
        assert current(connection) == HEAD
        assert connection.execute("SELECT count(*) FROM aikit.state").fetchone() == (1,)


def test_the_printed_sql_makes_the_same_schema_and_is_one_transaction(database: str) -> None:
    text = schema.upgrade_sql()
    assert text.index("BEGIN;") < text.index("CREATE SCHEMA")
    with blank(database).connect(role="test") as connection:
        connection.execute(text)
    assert prepare(blank(database)).nano_per_credit == 100_000


COST = MINI.cost(SOME)
HELD = 500_000_000
BEFORE_POLICIES = f"""
    UPDATE aikit.state SET policy_version = 7;
    INSERT INTO aikit.tenants (tenant, uncapped)
    VALUES ('acme', false), ('free', true), ('both', true), ('bare', false);
    INSERT INTO aikit.limits VALUES
        ('acme', 'credits', 'month', 2000000000), ('acme', 'credits', 'call', 1000000000),
        ('acme', 'credits', 'day', 0), ('both', 'credits', 'total', 9000000000000000000);

    INSERT INTO aikit.holds (
        tenant, attempt, call, user_id, environment, provider, model, api, stream, price_id, nano, tokens, counters,
        limits, policy_version, admitted_at, expires_at)
    SELECT 'acme', gen_random_uuid(), gen_random_uuid(), 'u1', 'prod', 'openai', 'gpt-4o-mini', 'openai.chat', false,
           '{MINI.id}', {HELD}, 2000, '{{credits/month/2026-01-01T00:00}}',
           '[["credits", "month", "tenant", 2000000000, 0, 0]]', 7, now(), now() + interval '1 hour';

    INSERT INTO aikit.entries (
        tenant, attempt, call, user_id, environment, provider, model, api, stream, price_id, ending, estimated,
        nano, input, cache_read, cache_write_5m, cache_write_1h, input_audio, input_image, cache_read_audio, output,
        reasoning, output_audio, output_image, searches, status, held_nano, limits, policy_version, admitted_at)
    SELECT 'acme', (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid,
           gen_random_uuid(), 'u1', 'prod', 'openai', 'gpt-4o-mini', 'openai.chat', false, '{MINI.id}', 'settled',
           false, {COST}, {", ".join(map(str, SOME.counts()))}, 200, 10^6,
           '[["credits", "month", "tenant", 2000000000, 0, 0]]', 7, now();

    INSERT INTO aikit.refusals VALUES (
        'acme', (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '70008000000000000001')::uuid,
        gen_random_uuid(), 'u1', NULL, 'prod', 'openai', 'gpt-4o-mini', 'openai.chat', '{MINI.id}', 10, 10,
        'MONTHLY_BUDGET_EXCEEDED', '[["credits", "month", "tenant", 2000000000, 1999999999, 0]]', 7, now());

    INSERT INTO aikit.rollups
    SELECT 'acme', date_trunc('hour', now(), 'UTC'), 'prod', 'u1', '', 'openai', 'gpt-4o-mini', 1, 1, 0, 0, 0,
           {COST}, {", ".join(map(str, SOME.counts()))};

    INSERT INTO aikit.counters
    SELECT 'acme', 'credits/month/2026-01-01T00:00', 'credits', 'month', date_trunc('month', now()), {COST}, {HELD};
"""


def migrate_to(ledger: Database, revision: str) -> None:
    """Bring an empty database to an earlier schema."""
    config = Config()
    config.set_main_option("script_location", str(files("aikit.ledger") / "migrations"))
    with ledger.engine().begin() as connection:
        connection.execute(sa.text(f"CREATE SCHEMA {schema.SCHEMA}"))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.fixture
def upgraded(database: str) -> Database:
    """A ledger that was in use before there were policies, upgraded."""
    ledger = blank(database)
    migrate_to(ledger, "0001")
    price = price_row(MINI.id)
    row = (price.price_id, price.provider, price.model, price.source, price.version, price.body)
    with ledger.connect(role="test") as connection:
        connection.execute("INSERT INTO aikit.prices VALUES (%s, %s, %s, %s, %s, %s)", row)
        connection.execute(BEFORE_POLICIES)
    migrate(ledger)
    return ledger


def test_limits_become_policies_of_their_tenants_by_hand(upgraded: Database) -> None:
    def cap(window: Window, nano: int) -> StatedLimit:
        return StatedLimit(Metric.CREDITS, window, nano)

    found = read_policies(upgraded)
    assert found.version == 7
    assert [stored.policy for stored in found.policies] == [
        Policy(
            "tenant:acme",
            Scope(tenant="acme"),
            limits=(cap(Window.CALL, 10**9), cap(Window.DAY, 0), cap(Window.MONTH, 2 * 10**9)),
        ),
        Policy("tenant:both", Scope(tenant="both"), limits=(cap(Window.TOTAL, 9 * 10**18),), uncapped=True),
        Policy("tenant:free", Scope(tenant="free"), uncapped=True),
    ]
    assert all(stored.by_hand for stored in found.policies)


def test_tenants_are_known_as_before(upgraded: Database) -> None:
    found = [(row.tenant, row.plan, row.uncapped, row.limits, row.nano_today) for row in list_tenants(upgraded)]
    assert found == [
        ("acme", None, False, 3, COST),
        ("bare", None, False, 0, 0),
        ("both", None, True, 1, 0),
        ("free", None, True, 0, 0),
    ]


def test_nothing_that_was_used_or_held_before_is_lost(upgraded: Database) -> None:
    standing = {row.window: (row.used, row.held) for row in list_limits(upgraded, "acme")}
    assert standing[Window.MONTH] == standing[Window.DAY] == (COST, HELD)
    assert verify(upgraded).ok


def test_what_was_decided_before_can_still_be_read(upgraded: Database) -> None:
    for table, used in (("entries", 0), ("refusals", 1_999_999_999)):
        ((attempt,),) = rows(upgraded, f"SELECT attempt FROM aikit.{table}")
        call = get_call(upgraded, UUID(str(attempt)))
        assert call is not None
        (state,) = call.attempts[0].limits
        assert (state.metric, state.window, state.cap, state.used) == (Metric.CREDITS, Window.MONTH, 2 * 10**9, used)


def test_calls_go_on_where_they_were_and_one_that_was_running_is_settled(upgraded: Database, tmp_path: Path) -> None:
    meter = open_meter(upgraded, tmp_path, price_row)
    till = Till(meter)
    assert till.ask("acme").reason_code == "DAILY_BUDGET_EXCEEDED"
    set_limit(upgraded, "acme", StatedLimit(Metric.CREDITS, Window.DAY, 10**10))
    assert till.ask("acme", 10**9).allowed
    assert till.ask("acme", 10**9 - HELD - COST + 1).reason_code == "MONTHLY_BUDGET_EXCEEDED"
    ((attempt, admitted_at),) = rows(upgraded, f"SELECT attempt, admitted_at FROM aikit.holds WHERE nano = {HELD}")
    running = Hold(order("acme", HELD, user="u1")._replace(attempt=attempt), (), admitted_at)
    till.end(Entry(running, Ending.SETTLED, COST, SOME, status=200))
    till.flush()
    assert rows(upgraded, "SELECT count(*), sum(nano) FROM aikit.entries") == [(2, 2 * COST)]
    assert meter.close()
    assert verify(upgraded).ok


def test_the_policies_of_before_are_a_version_to_go_back_to(upgraded: Database) -> None:
    with pytest.raises(ConfigError, match="no policy version 6; the oldest is 7, the newest 7"):
        rollback(upgraded, 6)
    apply(upgraded, [Policy("tenant:acme", Scope(tenant="acme"))])
    assert rollback(upgraded, 7).changes
    assert [stored.by_hand for stored in read_policies(upgraded).policies] == [True] * 3
    with pytest.raises(ConfigError, match="no policy version 6; the oldest is 7, the newest 9"):
        rollback(upgraded, 6)
