"""The ledger's tables as SQLAlchemy Core sees them, for reads and admin writes; `sql/0001_ledger.sql` makes them."""

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


def _time(name: str, *, key: bool = False) -> Column:
    return sa.Column(name, sa.TIMESTAMP(timezone=True), primary_key=key, nullable=False)


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
    return [sa.Column("limits", pg.JSON, nullable=False), _bigint("policy_version", null=version_null)]


state = sa.Table(
    "state",
    metadata,
    sa.Column("singleton", sa.Boolean, primary_key=True),
    _bigint("nano_per_credit"),
    _bigint("policy_version"),
)

tenants = sa.Table("tenants", metadata, _text("tenant", key=True), _flag("uncapped"), _time("created_at"))

limits = sa.Table(
    "limits",
    metadata,
    _text("tenant", key=True),
    _text("metric", key=True),
    _text("window", key=True),
    _bigint("cap"),
    _time("created_at"),
)

prices = sa.Table(
    "prices",
    metadata,
    _text("price_id", key=True),
    _text("provider"),
    _text("model"),
    _text("source"),
    _text("version"),
    sa.Column("body", pg.JSONB, nullable=False),
    _time("first_used_at"),
)

counters = sa.Table(
    "counters",
    metadata,
    _text("tenant", key=True, collation="C"),
    _text("key", key=True, collation="C"),
    _text("metric"),
    _text("window"),
    _time("window_start"),
    _bigint("used"),
    _bigint("held"),
)

holds = sa.Table(
    "holds",
    metadata,
    *_attempt(),
    _flag("stream"),
    _text("price_id", null=True),
    _bigint("nano"),
    _bigint("tokens"),
    sa.Column("counters", pg.ARRAY(sa.Text), nullable=False),
    _small("generation"),
    *_decision(),
    _time("admitted_at"),
    _time("expires_at"),
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
    _bigint("held_nano"),
    *_decision(),
    _time("admitted_at"),
    _time("settled_at"),
)

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
)

rollups = sa.Table(
    "rollups",
    metadata,
    _text("tenant", key=True),
    _time("hour", key=True),
    *[_text(name, key=True) for name in ("environment", "user_id", "feature", "provider", "model")],
    *[_bigint(name) for name in ("calls", "refused", "failed", "estimated", "unpriced", "nano")],
    *[_bigint(name) for name in USAGE_CLASSES],
    sa.Index("rollups_by_hour", "hour"),
)


def total_tokens(table: sa.FromClause) -> sa.ColumnElement[int]:
    """The tokens of all classes in a row of entries or rollups; NULL where none were reported."""
    first, *rest = [table.c[name] for name in TOKEN_CLASSES]
    return sum(rest, start=first)
