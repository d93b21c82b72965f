"""What a tenant can see is its own, in its environment, whatever the statement says: PostgreSQL leaves out the rest."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from aikit.database.connect import Database
from aikit.errors import DatabaseUnavailable
from aikit.ledger import schema, tables
from aikit.ledger.audit import list_audit
from aikit.ledger.breakers import list_breakers
from aikit.ledger.calls import get_call, list_calls
from aikit.ledger.findings import findings
from aikit.ledger.isolated import IsolationMissing, _readers, isolated, isolation_of
from aikit.ledger.keys import create_key, list_keys
from aikit.ledger.limits import list_limits
from aikit.ledger.observed import observed
from aikit.ledger.plans import list_holders, list_plans
from aikit.ledger.policies import read_policies
from aikit.ledger.prompt_labels import list_labels
from aikit.ledger.prompts import list_published
from aikit.ledger.provider_keys import list_provider_keys, set_provider_key
from aikit.ledger.reports import spend
from aikit.ledger.tenants import add_tenant, list_tenants, set_limit
from aikit.policy.model import StatedLimit
from aikit.safe import Safe
from aikit.types import Metric, Window, new_id
from support.ledger import Till, rows, tell

PLACES = [(tenant, environment) for tenant in ("acme", "rival") for environment in ("prod", "staging")]
ELSEWHERE = ("rival", "hidden")
"""No word of what is seen as acme in prod has one of these in it: all that is made anywhere else has one."""


def word(tenant: str, environment: str, name: str) -> str:
    return f"{name}-{tenant}-{'shown' if environment == 'prod' else 'hidden'}"


@pytest.fixture
def full(ledger: Database, till: Till) -> Database:
    """Two tenants in two environments, each with some of everything."""
    safe = Safe(["A" * 43 + "="])
    for tenant in ("acme", "rival"):
        add_tenant(ledger, tenant, uncapped=True)
        for each in (None, "user"):
            limit = StatedLimit(Metric.CREDITS, Window.MONTH, 10**12, each=each)  # type: ignore[arg-type]
            set_limit(ledger, tenant, limit)
    for tenant, environment in PLACES:
        tags = {"environment": environment, "user": word(tenant, environment, "user")}
        tags["feature"] = word(tenant, environment, "feature")
        till.spend(tenant, **tags)
        till.void(till.admit(tenant, **tags))
        till.admit(tenant, **tags)
        till.ask("nobody-" + tenant, **tags)
        place: dict[str, Any] = {"tenant": tenant, "environment": environment}
        create_key(ledger, rights=["complete"], name=word(tenant, environment, "key"), **place)
        set_provider_key(ledger, safe, provider=word(tenant, environment, "provider"), key="sk-" + "x" * 30, **place)
        till.flush()
    for tenant, environment in PLACES:
        tell(
            ledger,
            "INSERT INTO aikit.refusals (tenant, attempt, call, environment, provider, model, api, reason_code, "
            f"limits, user_id) VALUES ('{tenant}', '{new_id()}', '{new_id()}', '{environment}', 'openai', "
            f"'m', 'openai.chat', 'NO_POLICY', '[]', '{word(tenant, environment, 'refused')}')",
            "INSERT INTO aikit.idempotency_keys VALUES "
            f"('{tenant}', '{word(tenant, environment, 'key')}', '{new_id()}', '', 200, 'a', 'b', now())",
        )
    for tenant in ("acme", "rival"):
        tell(ledger, f"INSERT INTO aikit.plan_holders VALUES ('{tenant}', '', 'pro', 1)")
    create_key(ledger, tenant=None, environment="prod", rights=["admin"], name="hidden operator")
    return ledger


READS: dict[str, Callable[[sa.Connection], object]] = {
    **{f"spend by {by}": lambda c, by=by: spend(c, by) for by in ("tenant", "user", "feature", "environment", "day")},
    "calls": lambda c: list_calls(c, limit=1000),
    "refused calls": lambda c: list_calls(c, refused=True),
    "limits": list_limits,
    "breakers": list_breakers,
    "findings": findings,
    "observed": observed,
    "policies": read_policies,
    "plans": list_plans,
    "holders": list_holders,
    "tenants": list_tenants,
    "prompts": list_published,
    "labels": list_labels,
    "keys": lambda c: list_keys(c, all=True),
    "provider keys": list_provider_keys,
    "audit": lambda c: [row for row in list_audit(c, limit=1000) if row.action.startswith("limit")],
}


def test_reads_that_name_no_tenant_see_one_tenant_in_one_environment(full: Database) -> None:
    with isolated(full, "acme", "prod") as connection:
        found = {name: repr(read(connection)) for name, read in READS.items()}
    for name, shown in found.items():
        assert not any(word in shown for word in ELSEWHERE), name
    for name in ("calls", "refused calls", "limits", "keys", "provider keys", "spend by user", "spend by feature"):
        assert "acme-shown" in found[name], name
    everything = {name: repr(read(full)) for name, read in READS.items()}  # type: ignore[arg-type]
    for name in ("calls", "refused calls", "limits", "keys", "provider keys", "spend by user", "tenants", "policies"):
        assert "rival" in everything[name], name


def test_what_is_seen_is_all_that_is_its_own(full: Database) -> None:
    with isolated(full, "acme", "prod") as connection:
        seen = list_calls(connection, limit=1000)
        spent = spend(connection)
    own = "tenant = 'acme' AND environment = 'prod'"
    (made,) = rows(
        full,
        f"SELECT (SELECT count(*) FROM aikit.entries WHERE {own}) + (SELECT count(*) FROM aikit.holds WHERE {own}) + "
        f"(SELECT count(*) FROM aikit.refusals WHERE {own}), (SELECT sum(nano) FROM aikit.rollups WHERE {own})",
    )
    assert (len(seen), spent.totals.nano) == made
    assert len(seen) == 4


def test_a_call_of_another_tenant_or_environment_is_not_there(full: Database) -> None:
    for tenant, environment in PLACES:
        query = "SELECT call, attempt FROM aikit.entries WHERE tenant = %s AND environment = %s"
        ids = [id for row in rows(full, query, tenant, environment) for id in row]
        assert ids
        with isolated(full, "acme", "prod") as connection:
            found = [get_call(connection, id) is not None for id in ids]
        assert all(found) if (tenant, environment) == ("acme", "prod") else not any(found)


def test_every_table_of_a_tenant_has_a_policy_or_can_not_be_read(full: Database) -> None:
    """Whoever adds a table with a tenant in it has to say in `aikit.isolation` who sees what of it."""
    role = isolation_of(full).role
    of_tenants = rows(
        full,
        "SELECT c.table_name, t.relispartition OR c.table_name LIKE 'pruned\\_%%_20%%', t.relrowsecurity, "
        "has_any_column_privilege(%s, t.oid, 'SELECT'), "
        "EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = 'aikit' AND p.tablename = c.table_name "
        "  AND p.policyname = %s AND p.permissive = 'RESTRICTIVE') "
        "FROM information_schema.columns c JOIN pg_class t ON t.oid = ('aikit.' || c.table_name)::regclass "
        "WHERE c.table_schema = 'aikit' AND c.column_name = 'tenant' AND t.relkind IN ('r', 'p')",
        role,
        role,
    )
    assert len(of_tenants) > 15
    for table, is_part, secured, readable, has_policy in of_tenants:
        if is_part:
            assert not readable, table
        else:
            assert (secured, has_policy) == (True, True), table
    with_tenants = {table.name for table in tables.metadata.tables.values() if "tenant" in table.c}
    assert with_tenants <= {table for table, *_ in of_tenants}


def test_every_table_is_either_of_tenants_or_known_to_be_the_same_for_all(full: Database) -> None:
    """A new table is not seen by tenants until somebody decided so."""
    known = dict(rows(full, "SELECT relation, condition FROM aikit.isolation()"))
    role = isolation_of(full).role
    readable = {
        name
        for (name,) in rows(
            full,
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'aikit'::regnamespace "
            "AND c.relkind IN ('r', 'p', 'v', 'm') AND has_any_column_privilege(%s, c.oid, 'SELECT')",
            role,
        )
    }
    assert readable <= set(known)
    assert {name for name in readable if known[name] is None} == {
        *("state", "prices", "breakers", "breaker_moves", "sightings"),
        *("prompt_versions", "prompt_moves", "prompt_gates"),
        *("decisions", "counts", "parts", "prompt_labels"),
    }


def test_views_see_what_their_reader_may_see(ledger: Database) -> None:
    views = rows(
        ledger,
        "SELECT c.relname, c.reloptions::text LIKE '%security_invoker=true%' FROM pg_class c "
        "WHERE c.relnamespace = 'aikit'::regnamespace AND c.relkind = 'v'",
    )
    assert len(views) >= 5
    assert all(secured for _, secured in views), views


def test_no_table_shows_what_is_of_another_tenant(full: Database) -> None:
    of_tenants = {table.name for table in tables.metadata.tables.values() if "tenant" in table.c}
    refused = set()
    for table in sorted(of_tenants | {"counts", "decisions", "summands"}):
        with isolated(full, "acme", "prod") as connection:
            try:
                found = set(connection.execute(sa.text(f"SELECT DISTINCT tenant FROM aikit.{table}")).scalars())
            except sa.exc.ProgrammingError as error:
                assert isinstance(error.orig, psycopg.errors.InsufficientPrivilege)
                refused.add(table)
            else:
                assert found == ({"acme", None} if table == "policies" and None in found else {"acme"}), table
    assert refused == {"pruned_rollups", "idempotency_keys", "repeats", "summands"}


def test_an_environment_is_as_far_away_as_another_tenant(full: Database) -> None:
    with isolated(full, "acme", "prod") as connection:
        for table in ("entries", "refusals", "holds", "rollups", "api_keys", "provider_keys"):
            query = sa.text(f"SELECT DISTINCT environment FROM aikit.{table}")
            assert connection.execute(query).scalars().all() == ["prod"], table


ESCAPES = {
    "become the session's user again": "RESET ROLE",
    "become it by a function": "SELECT set_config('role', 'none', false)",
    "become the owner": "SET ROLE postgres",
    "be somebody else": "SET SESSION AUTHORIZATION postgres",
    "forget who one is": "RESET SESSION AUTHORIZATION",
    "switch row security off": "SET row_security = off",
    "name another tenant": "SET aikit.tenant = 'rival'",
    "name another tenant in a select": "SELECT set_config('aikit.tenant', 'rival', true)",
    "name another environment": "SELECT set_config('aikit.environment', 'staging', true)",
    "give no proof": "SELECT set_config('aikit.proof', '', true)",
    "forget all settings": "RESET ALL",
    "discard": "DISCARD ALL",
    "have the proof said": "SELECT aikit.keyed('x')",
    "read the secret": "SELECT secret FROM aikit.state",
    "read the hashes": "SELECT hash FROM aikit.api_keys",
    "read sealed keys": "SELECT sealed FROM aikit.provider_keys",
    "read a month directly": "SELECT * FROM {part}",
    "make the role anew": "SELECT aikit.isolate()",
    "make months": "SELECT aikit.open_month('2070-01-01')",
    "write": "SET TRANSACTION READ WRITE; UPDATE aikit.tenants SET since = 1",
    "write in a new transaction": "COMMIT; BEGIN READ WRITE; DELETE FROM aikit.counters",
    "take requests away": "COMMIT; BEGIN READ WRITE; SELECT aikit.take_requests('{{a}}', '{{1}}', '{{5}}')",
    "see the other's by xml": "SELECT query_to_xml('SELECT DISTINCT tenant FROM aikit.entries', true, true, '')",
    "all in one": "SELECT set_config('role', 'none', false), set_config('aikit.tenant', 'rival', false), "
    "query_to_xml('SELECT * FROM aikit.entries', true, true, '')",
    "end the transaction": "COMMIT",
}


def test_sql_that_was_slipped_in_sees_nothing_more(full: Database) -> None:
    ((part,),) = rows(full, "SELECT tableoid::regclass::text FROM aikit.entries LIMIT 1")
    for escape, statement in ESCAPES.items():
        _slip_in(full, escape, statement.format(part=part))
    assert rows(full, "SELECT count(*) FROM aikit.tenants WHERE since = 1") == [(0,)]
    assert rows(full, "SELECT count(DISTINCT tenant) FROM aikit.entries") == [(2,)]
    assert rows(full, "SELECT count(*) FROM aikit.parts WHERE part LIKE '%2070%'") == [(0,)]


def _slip_in(full: Database, escape: str, statement: str) -> None:
    with isolated(full, "acme", "prod") as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, psycopg.Connection)
        said = ""
        try:
            cursor = raw.execute(statement.encode())
            while True:
                said += repr(cursor.fetchall()) if cursor.description else ""
                if not cursor.nextset():
                    break
        except psycopg.errors.Error as error:
            said += str(error)
            raw.rollback()
        before = "rival" if "'rival'" in statement else "\0"
        assert "user-rival" not in said.replace(before, ""), escape
        assert "hidden" not in said, escape
        for query in (
            "SELECT DISTINCT tenant, environment FROM aikit.entries",
            "SELECT DISTINCT tenant, environment FROM aikit.rollups",
            "SELECT DISTINCT tenant, environment FROM aikit.api_keys",
        ):
            try:
                seen = raw.execute(query.encode()).fetchall()
            except psycopg.errors.Error:
                raw.rollback()
                continue
            assert set(seen) <= {("acme", "prod")}, escape
        assert raw.execute("SELECT session_user = current_user").fetchone() == (True,)


def test_a_proof_is_good_for_one_connection(full: Database) -> None:
    with isolated(full, "rival", "prod") as theirs:
        proof = theirs.execute(sa.text("SELECT current_setting('aikit.proof')")).scalar_one()
        with isolated(full, "acme", "prod") as ours:
            ours.execute(
                sa.text("SELECT set_config('aikit.tenant', 'rival', true), set_config('aikit.proof', :proof, true)"),
                {"proof": proof},
            )
            assert ours.execute(sa.text("SELECT count(*) FROM aikit.entries")).scalar_one() == 0


def test_no_statement_that_others_of_the_role_can_see_names_a_tenant(full: Database) -> None:
    with isolated(full, "rival", "prod") as theirs:
        list_calls(theirs)
        with isolated(full, "acme", "prod") as ours:
            seen = ours.execute(
                sa.text(
                    "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            ).scalars()
            assert not any("rival" in (query or "") for query in seen)


def test_a_tag_with_every_kind_of_character_is_seen_by_itself_alone(ledger: Database, till: Till) -> None:
    odd = """o'dd "té" \\ %s :x ünï;--"""
    for tenant in (odd, "odd"):
        add_tenant(ledger, tenant, uncapped=True)
        till.spend(tenant)
    till.flush()
    with isolated(ledger, odd, "prod") as connection:
        assert {row.tenant for row in list_calls(connection)} == {odd}


def test_who_is_seen_is_proved_once_a_statement_and_not_for_each_row(full: Database) -> None:
    with isolated(full, "acme", "prod") as connection:
        connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        explained = "EXPLAIN SELECT * FROM aikit.entries ORDER BY attempt DESC LIMIT 50"
        plan = connection.execute(sa.text(explained)).scalars().all()
    assert any("Index Scan" in line for line in plan)
    assert not any("Filter" in line and "seen" in line for line in plan)


def test_the_owner_and_the_application_see_all_as_before(full: Database, role: Callable[..., str]) -> None:
    app = Database(
        role(
            "GRANT USAGE ON SCHEMA aikit TO {role}",
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aikit TO {role}",
        ),
        False,
        "test",
    )
    for database in (full, app):
        assert {row.tenant for row in list_calls(database)} >= {"acme", "rival"}
        assert {row.key for row in spend(database).rows} >= {"acme", "rival"}
        with isolated(database, "acme", "prod") as connection:
            assert {row.tenant for row in list_calls(connection)} == {"acme"}
    assert create_key(app, tenant="acme", environment="dev", rights=["complete"]).row.works


@pytest.fixture
def role(ledger: Database) -> Iterator[Callable[..., str]]:
    """Makes a role that may log in, with these rights; returns the DSN."""
    made: list[str] = []

    def new(*grants: str, attributes: str = "") -> str:
        name = f"app_{uuid4().hex[:8]}"
        tell(ledger, f"CREATE ROLE {name} LOGIN {attributes}", *[grant.format(role=name) for grant in grants])
        made.append(name)
        return make_conninfo(ledger.conninfo, user=name)

    yield new
    for name in made:
        tell(ledger, f"DROP OWNED BY {name} CASCADE")
        with ledger.connect(role="test") as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@contextmanager
def _owned_by_one_without_rights(database: str) -> Iterator[tuple[Database, str]]:
    """A database whose owner may create no roles, and that owner's name."""
    owner = f"owner_{uuid4().hex[:8]}"
    with psycopg.connect(database, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f"CREATE ROLE {owner} LOGIN")
        connection.execute(f"GRANT CREATE ON DATABASE {name} TO {owner}")
    try:
        yield Database(make_conninfo(database, user=owner), False, "test"), owner
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"DROP OWNED BY {owner} CASCADE")
            connection.execute(f"DROP ROLE {owner}")


def test_without_the_right_to_create_roles_all_works_but_isolated_reads_and_what_to_do_is_said(database: str) -> None:
    with _owned_by_one_without_rights(database) as (ledger, owner):
        with ledger.engine().connect() as connection:
            schema.upgrade(connection)
        add_tenant(ledger, "acme", uncapped=True)
        found = isolation_of(ledger)
        assert not found.ready
        with pytest.raises(IsolationMissing) as missing, isolated(ledger, "acme", "prod"):
            pass
        for statement in found.statements:
            assert statement in missing.value.remedy
        with psycopg.connect(database, autocommit=True) as administrator:
            for statement in found.statements:
                administrator.execute(statement.encode())
            assert administrator.execute(
                "SELECT rolcreaterole FROM pg_roles WHERE rolname = %s", (owner,)
            ).fetchone() == (False,)
        with isolated(ledger, "acme", "prod") as connection:
            assert [row.tenant for row in list_tenants(connection)] == ["acme"]
        assert isolation_of(ledger).ready
        _drop_role(database, found.role)


def test_a_role_that_is_gone_as_after_a_restore_elsewhere_is_made_again(database: str) -> None:
    ledger = Database(database, False, "test")
    with ledger.engine().connect() as connection:
        schema.upgrade(connection)
    add_tenant(ledger, "acme")
    found = isolation_of(ledger)
    _drop_role(database, found.role)
    with isolated(ledger, "acme", "prod") as connection:
        assert [row.tenant for row in list_tenants(connection)] == ["acme"]
    _drop_role(database, found.role)


def test_a_role_that_is_not_let_in_is_told_so(full: Database) -> None:
    role = isolation_of(full).role
    name = _readers.pop(full.conninfo, None)
    assert name is None or name.role == role
    with isolated(full, "acme", "prod"):
        pass
    with full.connect(role="test") as connection:
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(database))
    with pytest.raises(IsolationMissing, match="does not let the role"), isolated(full, "acme", "prod"):
        pass


def test_the_role_has_the_password_that_is_derived_from_the_databases_secret(full: Database) -> None:
    """The servers of tests let everybody in without one."""
    with isolated(full, "acme", "prod"):
        password = conninfo_to_dict(_readers[full.conninfo].database.conninfo)["password"]
    ((verifier,),) = rows(full, "SELECT rolpassword FROM pg_authid WHERE rolname = %s", isolation_of(full).role)
    rounds, salt, stored = re.match(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):", verifier).groups()  # type: ignore[union-attr]
    salted = hashlib.pbkdf2_hmac("sha256", str(password).encode(), base64.b64decode(salt), int(rounds))
    key = hmac.digest(salted, b"Client Key", "sha256")
    assert base64.b64decode(stored) == hashlib.sha256(key).digest()
    assert len(str(password)) == 64


def test_the_role_can_do_nothing_that_roles_can_be_given(full: Database) -> None:
    role = isolation_of(full).role
    powers = "rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
    assert rows(full, f"SELECT {powers} FROM pg_roles WHERE rolname = %s", role) == [(False,) * 6]
    assert rows(
        full, "SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = %s", role
    ) == [(0,)]
    assert rows(
        full, "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE r.rolname = %s", role
    ) == [(0,)]
    rights = rows(
        full,
        "SELECT DISTINCT privilege_type FROM information_schema.table_privileges WHERE grantee = %s",
        role,
    )
    assert rights == [("SELECT",)]


def test_what_everybody_may_is_no_back_door(full: Database) -> None:
    ((part,),) = rows(full, "SELECT tableoid::regclass::text FROM aikit.entries LIMIT 1")
    for granted in (
        "SELECT ON ALL TABLES IN SCHEMA aikit",
        "SELECT (secret) ON aikit.state",
        "SELECT (hash) ON aikit.api_keys",
        f"SELECT ON {part}",
        "UPDATE ON aikit.breakers",
    ):
        _readers.pop(full.conninfo, None)
        tell(full, f"GRANT {granted} TO PUBLIC")
        with pytest.raises(IsolationMissing, match="as everybody may") as exposed, isolated(full, "acme", "prod"):
            pass
        tell(full, *exposed.value.facts["statements"])
        with isolated(full, "acme", "prod") as connection:
            assert {row.tenant for row in list_calls(connection)} == {"acme"}


def test_a_database_that_is_away_is_told_so() -> None:
    away = Database("host=/nowhere dbname=x user=y", False, "test")
    with pytest.raises(DatabaseUnavailable), isolated(away, "acme", "prod"):
        pass


def _drop_role(dsn: str, role: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {role} CASCADE")
        connection.execute(f"DROP ROLE {role}")
