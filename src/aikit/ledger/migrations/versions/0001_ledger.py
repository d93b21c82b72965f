"""The ledger: tenants, limits, prices, counters, holds, entries, refusals, rollups."""

from aikit.ledger.schema import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql("0001_ledger.sql")
