"""`aikit db`: how the database stands, upgrade its schema, prune old months, stop the embedded server."""

from __future__ import annotations

from typing import Annotated

import typer

from aikit.cli.db_prune import prune
from aikit.cli.group import group
from aikit.cli.options import Json
from aikit.cli.output import emit_json, facts, line, note

app = group("The database: where it is, upgrade it, prune it, stop it.")
app.command()(prune)


@app.command()
def status(json: Json = False) -> None:
    """Where the database is, whether it runs, and its schema. Starts nothing.

    Exits 7 when it can't be reached or its schema is behind.
    """
    from aikit.cli.db_status import look
    from aikit.config import load

    found = look(load())
    if json:
        emit_json("db.status", found.data())
    else:
        facts(found.database, found.facts())
    if found.problem is not None:
        raise found.problem


@app.command()
def upgrade(
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL instead; needs no database.")] = False,
    json: Json = False,
) -> None:
    """Bring the schema up to date. Safe while others do the same."""
    from aikit.ledger import schema

    if sql:
        typer.echo(schema.upgrade_sql())
        return
    from aikit.cli.books import open_configured
    from aikit.cli.db_status import newer
    from aikit.config import load
    from aikit.ledger.opening import current

    database = open_configured(load())
    with database.connect(role="upgrade") as connection:
        before = current(connection)
    if before is not None and before > schema.head():
        raise newer(database.name, before)
    with database.engine().connect() as upgrading:
        after = schema.upgrade(upgrading).current
    if json:
        emit_json("db.upgrade", {"database": database.name, "from": before, "to": after})
    elif before == after:
        line(f"{database.name}: schema {after}, up to date")
    else:
        line(f"{database.name}: schema {before or 'none'} → {after}")


@app.command()
def stop(json: Json = False) -> None:
    """Stop the embedded server. The next command or call starts it again."""
    from aikit.config import load
    from aikit.database import embedded

    settings = load()
    root = settings.data_dir / "postgres"
    stopped = embedded.stop(root)
    if json:
        emit_json("db.stop", {"stopped": stopped, "directory": str(root)})
    else:
        line(f"The embedded PostgreSQL in {root} {'was stopped' if stopped else 'was not running'}.")
    if settings.database_url is not None:
        note(f"The database in use is another one, from {settings.sources['database.url']}; it was left alone.")
