"""Policies with versions, plans, the audit, counters by subject."""

from aikit.ledger.schema import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    run_sql("0002_policies.sql")
