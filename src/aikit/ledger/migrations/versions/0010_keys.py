"""Keys of the server, tenants' own keys to providers, and a role that sees one tenant alone."""

from aikit.ledger.schema import run_sql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql("0010_keys.sql")
