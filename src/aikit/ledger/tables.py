"""The ledger's tables as SQLAlchemy Core sees them, for reads and admin writes; the files in `sql` make them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.types import TOKEN_CLASSES, USAGE_CLASSES

metadata = sa.MetaData(schema="aikit")

Column = sa.Column[Any]


def _text(name: str, *, key: bool = False, null: bool = False, collation: str | None = None) -> Column:
    return sa.Column(name, sa.Text(collation=collation), primary_key=key, nullable=null)


def _bigint(name: str, *, null: bool = False) -> Column:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _time(name: str, *, key: bool = False, null: bool = False) -> Column:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), primary_key=key, nullable=null)


def _json(name: str, *, null: bool = False) -> Column:
    return sa.Column(name, pg.JSON, nullable=null)


def _jsonb(name: str, *, null: bool = False) -> Column:
    return sa.Column(name, pg.JSONB(none_as_null=True), nullable=null)


def _version(name: str, *, key: bool = False, null: bool = False) -> Column:
    return sa.Column(name, sa.BigInteger, primary_key=key, nullable=null, autoincrement=False)


def _flag(name: str) -> Column:
    return sa.Column(name, sa.Boolean, nullable=False)


def _small(name: str, *, key: bool = False, null: bool = False) -> Column:
    return sa.Column(name, sa.SmallInteger, primary_key=key, nullable=null, autoincrement=False)


def _attempt() -> list[Column]:
    """What every table of attempts begins with: whose it is, and what it went to."""
    return [
        _text("tenant", key=True),
        sa.Column("attempt", sa.Uuid, primary_key=True),
        sa.Column("call", sa.Uuid, nullable=False),
        _text("user_id", null=True),
        _text("feature", null=True),
        _text("environment"),
        _text("provider"),
        _text("model"),
        _text("api"),
    ]


def _decision(*, version_null: bool = False) -> list[Column]:
    return [_json("limits"), _bigint("policy_version", null=version_null)]


def _content() -> list[Column]:
    """The prompt that an attempt was made with, and what guards found in it."""
    return [_text("prompt", null=True), _text("prompt_hash", null=True), _jsonb("findings", null=True)]


def _admission() -> list[Column]:
    """What an admission was made of and said, beside the limits."""
    return [_text("reason_code"), _text("would_refuse", null=True), _json("request", null=True)]


state = sa.Table(
    "state",
    metadata,
    sa.Column("singleton", sa.Boolean, primary_key=True),
    _bigint("nano_per_credit"),
    _bigint("policy_version"),
    _bigint("audit_seq"),
    _text("audit_hash"),
    _bigint("breaker_version"),
    sa.Column("secret", pg.BYTEA, nullable=False),
)

tenants = sa.Table("tenants", metadata, _text("tenant", key=True), _time("created_at"), _bigint("since"))

policies = sa.Table(
    "policies",
    metadata,
    _text("name", key=True),
    _text("tenant", null=True),
    _jsonb("body"),
    _flag("by_hand"),
    _version("since", key=True),
    _version("until", null=True),
)
sa.Index("policies_in_force", policies.c.name, unique=True, postgresql_where=policies.c.until.is_(None))
sa.Index("policies_by_tenant", policies.c.tenant, postgresql_where=policies.c.until.is_(None))

plan_holders = sa.Table(
    "plan_holders",
    metadata,
    _text("tenant", key=True),
    _text("user_id", key=True),
    _text("plan"),
    _version("since", key=True),
    _version("until", null=True),
)
sa.Index(
    "plan_holders_in_force",
    plan_holders.c.tenant,
    plan_holders.c.user_id,
    unique=True,
    postgresql_where=plan_holders.c.until.is_(None),
)

audit = sa.Table(
    "audit",
    metadata,
    _version("seq", key=True),
    _time("at"),
    _text("who"),
    _text("action"),
    _text("subject"),
    _text("tenant", null=True),
    _jsonb("before", null=True),
    _jsonb("after", null=True),
    _text("why", null=True),
    _bigint("policy_version", null=True),
    _text("hash"),
)
sa.Index("audit_by_version", audit.c.policy_version, postgresql_where=audit.c.policy_version.is_not(None))

prices = sa.Table(
    "prices",
    metadata,
    _text("price_id", key=True),
    _text("provider"),
    _text("model"),
    _text("source"),
    _text("version"),
    _jsonb("body"),
    _time("first_used_at"),
)

counters = sa.Table(
    "counters",
    metadata,
    _text("tenant", key=True, collation="C"),
    _text("subject", key=True, collation="C"),
    *[_text(name, null=True) for name in ("environment", "feature", "user_id")],
    sa.Column("names", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("amounts", pg.ARRAY(sa.BigInteger), nullable=False),
    _bigint("revision"),
)

counts = sa.table(
    "counts",
    *[_text(name, collation="C") for name in ("tenant", "subject")],
    *[_text(name, null=True) for name in ("environment", "feature", "user_id")],
    *[_text(name) for name in ("name", "metric", "window")],
    _time("window_start"),
    *[_bigint(name) for name in ("used", "held", "previous")],
    schema="aikit",
)
"""The view of the counters that has a row for each slot."""

holds = sa.Table(
    "holds",
    metadata,
    *_attempt(),
    _flag("stream"),
    _text("price_id", null=True),
    _bigint("nano"),
    _bigint("tokens"),
    _bigint("output_tokens"),
    sa.Column("subjects", pg.ARRAY(sa.Text), nullable=False),
    _small("generation"),
    *_admission(),
    *_decision(),
    _time("admitted_at"),
    _time("expires_at"),
    _bigint("presumed", null=True),
    *_content(),
)

entries = sa.Table(
    "entries",
    metadata,
    *_attempt(),
    _small("seq", key=True),
    _flag("stream"),
    _text("price_id", null=True),
    _text("ending"),
    _flag("estimated"),
    _bigint("nano"),
    *[_bigint(name, null=True) for name in USAGE_CLASSES],
    _small("status", null=True),
    _text("error", null=True),
    _text("served_model", null=True),
    sa.Column("duration_ms", sa.Integer),
    sa.Column("first_byte_ms", sa.Integer),
    *[_bigint(name) for name in ("held_nano", "held_tokens", "held_output")],
    *_admission(),
    *_decision(),
    _time("admitted_at"),
    _time("settled_at"),
    _bigint("presumed", null=True),
    *_content(),
)
sa.Index("entries_observed", entries.c.tenant, entries.c.attempt, postgresql_where=entries.c.would_refuse.is_not(None))
sa.Index("entries_by_prompt", entries.c.prompt, entries.c.attempt, postgresql_where=entries.c.prompt.is_not(None))
sa.Index("entries_by_time", entries.c.attempt)
sa.Index("entries_found", entries.c.tenant, entries.c.attempt, postgresql_where=entries.c.findings.is_not(None))

refusals = sa.Table(
    "refusals",
    metadata,
    *_attempt(),
    _text("price_id", null=True),
    _bigint("nano", null=True),
    _bigint("tokens", null=True),
    _text("reason_code"),
    *_decision(version_null=True),
    _time("refused_at"),
    _json("request", null=True),
    _text("source", null=True),
    *_content(),
)
sa.Index("refusals_by_time", refusals.c.attempt)
sa.Index("refusals_found", refusals.c.tenant, refusals.c.attempt, postgresql_where=refusals.c.findings.is_not(None))

idempotency_keys = sa.Table(
    "idempotency_keys",
    metadata,
    _text("tenant", key=True),
    _text("key", key=True),
    sa.Column("attempt", sa.Uuid, nullable=False),
    sa.Column("request_hash", pg.BYTEA, nullable=False),
    _small("status", null=True),
    _text("media_type", null=True),
    sa.Column("body", pg.BYTEA),
    _time("expires_at"),
    sa.Index("idempotency_keys_by_expiry", "expires_at"),
)

breakers = sa.Table(
    "breakers",
    metadata,
    _text("provider", key=True),
    _text("model", key=True),
    _text("state"),
    _time("since"),
    _time("until", null=True),
    _text("reason", null=True),
    *[sa.Column(name, sa.Integer, nullable=False) for name in ("trips", "successes")],
    sa.Column("probes", pg.ARRAY(sa.Uuid), nullable=False),
    sa.Column("leases", pg.ARRAY(sa.TIMESTAMP(timezone=True)), nullable=False),
    _bigint("revision"),
)

breaker_moves = sa.Table(
    "breaker_moves",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _time("at"),
    *[_text(name) for name in ("provider", "model", "was", "state")],
    _text("reason", null=True),
    _time("until", null=True),
    *[_text(name, null=True) for name in ("who", "why")],
)
sa.Index("breaker_moves_by_breaker", *[breaker_moves.c[name] for name in ("provider", "model", "seq")])

sightings = sa.Table(
    "sightings",
    metadata,
    _text("provider", key=True),
    _text("model", key=True),
    sa.Column("process", sa.Uuid, primary_key=True),
    _jsonb("body"),
    _time("at"),
)


repeats = sa.Table(
    "repeats",
    metadata,
    _text("tenant", key=True, collation="C"),
    _text("subject", key=True, collation="C"),
    _text("fingerprint", key=True, collation="C"),
    sa.Column("process", sa.Uuid, primary_key=True),
    _jsonb("body"),
    _time("until"),
)


def _rollup() -> list[Column]:
    return [
        _text("tenant", key=True),
        _time("hour", key=True),
        *[_text(name, key=True) for name in ("environment", "user_id", "feature", "provider", "model")],
        *[_bigint(name) for name in ("calls", "refused", "failed", "estimated", "unpriced", "nano")],
        *[_bigint(name) for name in (*USAGE_CLASSES, "unreported_input", "unreported_output")],
        _text("prompt", key=True),
    ]


rollups = sa.Table("rollups", metadata, *_rollup(), sa.Index("rollups_by_hour", "hour", "tenant"))
sa.Index("rollups_by_user", rollups.c.tenant, rollups.c.user_id, rollups.c.hour)

pruned_rollups = sa.Table("pruned_rollups", metadata, *_rollup(), _text("part", key=True), _small("seq", key=True))

pruned = sa.Table(
    "pruned",
    metadata,
    _text("part", key=True),
    _text("relation", key=True),
    _small("seq", key=True),
    *[sa.Column(name, sa.Uuid) for name in ("first_id", "end_id")],
    _bigint("rows"),
    _bigint("nano"),
    _text("file", null=True),
    _text("sha256", null=True),
    _time("at"),
)

parts = sa.table(
    "parts",
    *[_text(name) for name in ("relation", "part")],
    *[sa.Column(name, sa.Uuid) for name in ("first_id", "end_id")],
    *[_time(name, null=True) for name in ("since", "until")],
    schema="aikit",
)
"""The view of the tables that entries and refusals consist of, one a month; a bound that is null is open."""

prompt_versions = sa.Table(
    "prompt_versions",
    metadata,
    _text("name", key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    _text("sha256"),
    _text("source"),
    sa.Column("parent", sa.Integer),
    _time("published_at"),
    _text("published_by"),
)
sa.Index(
    "prompt_versions_by_content", *[prompt_versions.c[name] for name in ("name", "version", "sha256")], unique=True
)

prompt_moves = sa.Table(
    "prompt_moves",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _time("at"),
    *[_text(name) for name in ("name", "label", "kind")],
    sa.Column("was", sa.Integer),
    sa.Column("version", sa.Integer, nullable=False),
    _text("sha256"),
    _flag("forced"),
    _text("who"),
    _text("why", null=True),
)
sa.Index("prompt_moves_by_label", *[prompt_moves.c[name] for name in ("name", "label", "seq")])

prompt_labels = sa.table(
    "prompt_labels",
    *[_text(name) for name in ("name", "label")],
    sa.Column("version", sa.Integer, nullable=False),
    _text("sha256"),
    _time("since"),
    _text("who"),
    _text("why", null=True),
    _flag("forced"),
    _bigint("seq"),
    schema="aikit",
)
"""The view of where each label points now."""

prompt_gates = sa.Table(
    "prompt_gates",
    metadata,
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
    _time("at"),
    _text("name"),
    sa.Column("version", sa.Integer, nullable=False),
    *[_text(name) for name in ("sha256", "suite")],
    _flag("passed"),
    _jsonb("run"),
    _text("who"),
)
sa.Index("prompt_gates_by_content", *[prompt_gates.c[name] for name in ("name", "sha256", "suite", "seq")])

api_keys = sa.Table(
    "api_keys",
    metadata,
    _text("id", key=True),
    sa.Column("hash", pg.BYTEA, nullable=False),
    _text("name", null=True),
    _text("last4"),
    _text("tenant", null=True),
    _text("environment"),
    *[_text(name, null=True) for name in ("user_id", "feature")],
    sa.Column("rights", pg.ARRAY(sa.Text), nullable=False),
    sa.Column("per_minute", sa.Integer),
    _time("expires_at", null=True),
    _time("created_at"),
    _text("created_by"),
    _time("revoked_at", null=True),
    *[_text(name, null=True) for name in ("revoked_by", "revoked_why", "replaces")],
    _time("until", null=True),
)
sa.Index("api_keys_by_hash", api_keys.c.hash, unique=True)
sa.Index("api_keys_by_tenant", *[api_keys.c[name] for name in ("tenant", "environment", "created_at")])

key_minutes = sa.Table(
    "key_minutes", metadata, _text("key", key=True), _time("minute"), sa.Column("taken", sa.Integer, nullable=False)
)

provider_keys = sa.Table(
    "provider_keys",
    metadata,
    *[_text(name, key=True) for name in ("tenant", "environment", "provider")],
    sa.Column("sealed", pg.BYTEA, nullable=False),
    _text("last4"),
    _time("created_at"),
    _text("created_by"),
)


def total_tokens(table: sa.FromClause) -> sa.ColumnElement[int]:
    """The tokens of all classes in a row of entries or rollups; NULL where none were reported."""
    first, *rest = [table.c[name] for name in TOKEN_CLASSES]
    return sum(rest, start=first)
