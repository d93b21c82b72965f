"""`aikit tenant`: add and list the tenants in whose name calls are made."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from aikit.cli.group import group
from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note, table, when
from aikit.errors import Exit
from aikit.money import format_usd, usd_string

app = group("Tenants: in whose name calls are made.")


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="The tenant, as your application names it.")],
    uncapped: Annotated[bool, typer.Option("--uncapped", help="It may spend without any limit.")] = False,
    json: Json = False,
) -> None:
    """Add a tenant. Its calls are refused until it has a limit, unless it is uncapped."""
    from aikit.cli.books import open_books
    from aikit.ledger.tenants import TenantRow, add_tenant, list_tenants

    database = open_books().database
    added = add_tenant(database, name, uncapped=uncapped)
    tenant: TenantRow = next(row for row in list_tenants(database) if row.tenant == name)
    if json:
        emit_json("tenant.add", {"tenant": name, "added": added, "uncapped": tenant.uncapped})
    else:
        line(f"{name}: {'added' if added else 'was there already'}{', uncapped' if tenant.uncapped else ''}")
    if not tenant.uncapped and not tenant.limits:
        note("It has no limit yet, so its calls are refused. Set one:")
        note(f"  aikit limit set --tenant {quote(name)} --window month --usd 25")
    if uncapped and not tenant.uncapped:
        note("It was added with limits in force, and stays so: --uncapped counts only when a tenant is added.")
        raise typer.Exit(Exit.NO)


@app.command("list")
def list_(json: Json = False) -> None:
    """Every tenant, its limits, and what it has spent today (UTC)."""
    from aikit.cli.books import open_books
    from aikit.ledger.tenants import list_tenants

    rows = list_tenants(open_books().database)
    if json:
        data = [
            {
                "tenant": row.tenant,
                "uncapped": row.uncapped,
                "limits": row.limits,
                "today_usd": usd_string(row.nano_today),
                "created_at": row.created_at,
            }
            for row in rows
        ]
        today = sum(row.nano_today for row in rows)
        emit_json("tenant.list", data, {"tenants": len(rows), "today_usd": usd_string(today)})
    elif rows:
        cells = [
            [
                row.tenant,
                f"{row.limits}" if row.limits else "uncapped" if row.uncapped else "none: refused",
                format_usd(row.nano_today),
                when(row.created_at),
            ]
            for row in rows
        ]
        table("Tenants", ["Tenant", "Limits", "Spent today", "Added (UTC)"], cells)
    else:
        note("There is no tenant yet. Add one: aikit tenant add NAME")
