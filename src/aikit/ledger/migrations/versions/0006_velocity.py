"""What processes have seen of requests that are there over and over."""

from aikit.ledger.schema import run_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql("0006_velocity.sql")
