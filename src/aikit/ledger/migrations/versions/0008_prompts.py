"""Published prompts, the moves of their labels, and what eval gates said of them."""

from aikit.ledger.schema import run_sql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql("0008_prompts.sql")
