"""The schema and its migrations, run from the installed package under an advisory lock."""

from __future__ import annotations

import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import sqlalchemy as sa
from alembic import command, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from aikit.ledger.locks import MIGRATING

SCHEMA = "aikit"


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Which migration a database is at, and which one this version of aikit needs."""

    current: str | None
    head: str


def head() -> str:
    """The newest migration that this version of aikit knows."""
    revision = ScriptDirectory.from_config(_config()).get_current_head()
    assert revision is not None
    return revision


def status(connection: sa.Connection) -> SchemaStatus:
    """Where this database stands."""
    context = MigrationContext.configure(
        connection, opts={"version_table": "schema_version", "version_table_schema": SCHEMA}
    )
    return SchemaStatus(context.get_current_revision(), head())


def upgrade(connection: sa.Connection) -> SchemaStatus:
    """Bring the database to the newest schema; waits while another process does the same. One transaction."""
    with connection.begin():
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATING})
        connection.execute(sa.text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        return status(connection)


def upgrade_sql() -> str:
    """The SQL that makes the newest schema from nothing, for those who run it by hand."""
    out = io.StringIO()
    config = _config()
    config.output_buffer = out
    with redirect_stdout(out):
        command.upgrade(config, "head", sql=True)
    return out.getvalue()


def run_sql(name: str) -> None:
    """For migrations: run one of the files under `ledger/sql/`, as it is."""
    text = (files("aikit.ledger") / "sql" / name).read_text(encoding="utf-8")
    context = op.get_context()
    if context.as_sql:
        context.impl.static_output(text)
    else:
        op.get_bind().execution_options(no_parameters=True).exec_driver_sql(text)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
