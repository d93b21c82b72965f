"""Attempts of all tenants by time, and rollups by hour and tenant, for the console."""

from aikit.ledger.schema import run_sql

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql("0009_console.sql")
