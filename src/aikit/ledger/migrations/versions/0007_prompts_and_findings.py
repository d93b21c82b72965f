"""Which prompt a call was made with, and what guards found in it."""

from aikit.ledger.schema import run_sql

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql("0007_prompts_and_findings.sql")
