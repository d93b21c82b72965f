"""Alembic's entry: runs on the connection it is given, or prints SQL when there is none."""

from alembic import context

from aikit.ledger.schema import SCHEMA

connection = context.config.attributes.get("connection")
context.configure(
    connection=connection,
    dialect_name="postgresql",
    version_table="schema_version",
    version_table_schema=SCHEMA,
    literal_binds=connection is None,
)
if connection is None:
    with context.begin_transaction():
        context.get_context().impl.static_output(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA};")
        context.run_migrations()
else:
    context.run_migrations()
