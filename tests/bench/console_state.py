"""What stands beside the entries of the seeded database: policies, counters, breakers, prompts, and the audit."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger import audit
from aikit.ledger.breakers import force_breaker, reset_breaker
from aikit.ledger.prompt_labels import promote, rollback
from aikit.ledger.prompts import publish
from aikit.ledger.tables import audit as audit_rows
from aikit.ledger.tables import state
from aikit.ledger.tenants import set_limit
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Window
from bench.console_world import CAUTIOUS, MODELS, TENANTS, USERS, VERSIONS, drafts, tenant

PEOPLE = ("mara", "jonas", "ines", "deploy-bot")
POLICIES = """
    INSERT INTO aikit.policies (name, tenant, body, by_hand, since)
    SELECT 'tenant:' || tenant, tenant, jsonb_build_object(
               'name', 'tenant:' || tenant, 'scope', jsonb_build_object('tenant', tenant),
               'limits', jsonb_build_array(
                   jsonb_build_object('metric', 'credits', 'window', 'day', 'cap', day, 'soft_cap', day / 5 * 4),
                   jsonb_build_object('metric', 'credits', 'window', 'month', 'cap', day * 31),
                   jsonb_build_object('metric', 'requests', 'window', 'hour', 'cap', 200000),
                   jsonb_build_object('metric', 'requests', 'window', 'minute', 'cap', 10000, 'each', 'user'))),
           false, 1
    FROM (SELECT t.tenant, greatest(50000000, (coalesce(s.daily, 0) * (
                     CASE n % 50 WHEN 7 THEN 0.6 WHEN 8 THEN 0.95 WHEN 9 THEN 1.05 WHEN 10 THEN 1.1
                                 ELSE 1.5 + n % 13 * 0.25 END))::bigint) / 100000 * 100000 AS day
          FROM aikit.tenants t
          CROSS JOIN LATERAL (SELECT right(t.tenant, 4)::int) x (n)
          LEFT JOIN (SELECT tenant, sum(nano) / 7 AS daily FROM aikit.rollups
                     WHERE hour >= date_trunc('day', now()) - interval '7 days' AND hour < date_trunc('day', now())
                     GROUP BY tenant) s USING (tenant)) x"""
"""A cap on a day's money is so many times what the tenant spends a day; the cap of one in fifty does not suffice."""
COUNTERS = """
    SELECT count(aikit.open_counter(t.tenant, w.subject, NULL, NULL, w.user_id, w.metric || '/' || w.window, w.metric,
                                    date_trunc(w.window, now()), date_trunc(w.window, now()) - w.length))
    FROM aikit.tenants t
    CROSS JOIN (VALUES (1, '', NULL, 'credits', 'day', NULL::interval), (2, '', NULL, 'credits', 'month', NULL),
                       (3, '', NULL, 'requests', 'hour', interval '1 hour'))
               w (place, subject, user_id, metric, "window", length)"""
OF_USERS = """
    SELECT count(aikit.open_counter(t.tenant, 'user=user-' || n, NULL, NULL, 'user-' || n, 'requests/minute',
                                    'requests', date_trunc('minute', now()),
                                    date_trunc('minute', now()) - interval '1 minute'))
    FROM aikit.tenants t CROSS JOIN generate_series(1, %s) n"""
MOVE = """
    INSERT INTO aikit.breaker_moves (at, provider, model, was, state, reason, until)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""
BREAKER = """
    INSERT INTO aikit.breakers (provider, model, state, since, until, reason, trips)
    VALUES (%s, %s, %s, %s, %s, %s, %s)"""


def fill_state(database: Database, now: datetime) -> None:
    """The entries and their rollups must be there."""
    _fill_policies(database)
    _fill_audit(database, now)
    _fill_breakers(database, now)
    _fill_prompts(database)


def _fill_policies(database: Database) -> None:
    with database.connect(role="seed") as connection, connection.transaction():
        connection.execute(POLICIES)
        connection.execute("UPDATE aikit.state SET policy_version = policy_version + 1")
    with database.connect(role="seed") as connection:
        connection.execute("ANALYZE aikit.rollups")
        connection.execute(COUNTERS)
        connection.execute(OF_USERS, (USERS,))


def _fill_breakers(database: Database, now: datetime) -> None:
    """Most have opened a few times and closed again; one is open, one forced."""
    with database.connect(role="seed") as connection, connection.transaction():
        for place, model in enumerate(MODELS, 1):
            at = now - timedelta(days=30)
            for i in range(12):
                at += timedelta(hours=50 + 7 * place + i)
                for was, state, reason, seconds in (
                    ("closed", "open", "failure_rate", 15),
                    ("open", "half_open", "probe", 0),
                    ("half_open", "closed", "recovered", 0),
                ):
                    until = at + timedelta(seconds=seconds) if seconds else None
                    connection.execute(MOVE, (at, model.provider, model.name, was, state, reason, until))
                    at += timedelta(seconds=16)
            key = (model.provider, model.name)
            if place == CAUTIOUS:
                until = now + timedelta(hours=2)
                connection.execute(MOVE, (now, *key, "closed", "open", "quota_exhausted", until))
                connection.execute(BREAKER, (*key, "open", now, until, "quota_exhausted", 1))
            else:
                connection.execute(BREAKER, (*key, "closed", at, None, "recovered", 0))
        connection.execute("UPDATE aikit.state SET breaker_version = breaker_version + 1")
    for model in MODELS[:3]:
        force_breaker(database, (model.provider, model.name), open=True, who="mara", why="their status page says so")
        reset_breaker(database, (model.provider, model.name), who="jonas", why="it answers again")


def _fill_prompts(database: Database) -> None:
    publish(database, drafts(), who="deploy-bot")
    for name in dict.fromkeys(draft.prompt.name for draft in drafts()):
        for version in range(1, VERSIONS + 1):
            promote(database, name, version, "production", who="ines", why="reads better", force=True)
        rollback(database, name, "production", who="mara", why="answers grew too long")
        promote(database, name, VERSIONS, "staging", who="deploy-bot", why="every release", force=True)


def _fill_audit(database: Database, now: datetime) -> None:
    """A row for each tenant, sealed as `audit.record` seals them; and for some limits that were changed by hand."""
    with database.engine().begin() as connection:
        seq, sealed = connection.execute(sa.select(state.c.audit_seq, state.c.audit_hash)).one()
        rows: list[dict[str, Any]] = []
        for number in range(1, TENANTS + 1):
            row = {
                "seq": seq + number,
                "at": now - timedelta(minutes=24 * (TENANTS - number)),
                "who": PEOPLE[number % 4],
                "action": "tenant.add",
                "subject": tenant(number),
                "tenant": tenant(number),
                "before": None,
                "after": {"plan": None, "uncapped": False},
                "why": None,
                "policy_version": None,
            }
            sealed = row["hash"] = audit.seal(sealed, row)
            rows.append(row)
        connection.execute(sa.insert(audit_rows), [row | {"before": sa.null()} for row in rows])
        connection.execute(sa.update(state).values(audit_seq=seq + TENANTS, audit_hash=sealed))
    for number in range(3, 150, 7):
        cap = StatedLimit(Metric.TOKENS, Window.WEEK, 40_000_000_000)
        set_limit(database, tenant(number), cap, who=PEOPLE[number % 3], why="a campaign")
