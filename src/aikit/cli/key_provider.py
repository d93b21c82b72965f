"""`aikit key provider`: tenants' own keys to providers, stored encrypted; a key is never an argument."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, OfTenant, Reason
from aikit.cli.output import UNKNOWN, emit_json, line, note, table, when
from aikit.errors import ConfigError, Exit

LONGEST = 10_000

app = group("Tenants' own keys to providers: their calls are paid by themselves.")

Provider = Annotated[str, typer.Argument(metavar="PROVIDER", help="As in aikit.toml, such as openai.")]
Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose key it is.")]
Environment = Annotated[
    str | None, typer.Option("--env", metavar="ENV", help="dev, staging or prod; AIKIT_ENV, or dev, if left out.")
]


@app.command("set")
def set_(
    provider: Provider, tenant: Tenant, env: Environment = None, reason: Reason = None, json: Json = False
) -> None:
    """Store a key, from a hidden prompt or stdin, in place of the one that was there. AIKIT_ENCRYPTION_KEY seals it."""
    from aikit.cli.books import open_books
    from aikit.config import load
    from aikit.ledger.provider_keys import set_provider_key

    settings = load()
    if provider not in settings.providers:
        known = ", ".join(sorted(settings.providers))
        raise ConfigError(
            f"There is no provider {provider[:80]!r}.", remedy=f"Known are {known}; others are added to aikit.toml."
        )
    environment = env or settings.environment
    key = _read(f"The key of {tenant} to {provider} in {environment} (it is not shown):")
    where = {"tenant": tenant, "environment": environment, "provider": provider}
    replaced = set_provider_key(open_books().database, settings.vault, key=key, why=reason, **where)
    if json:
        emit_json("key.provider.set", where | {"replaced": replaced})
    else:
        line(f"{tenant}, {provider} in {environment}: {'replaced' if replaced else 'stored'}")


@app.command("list")
def list_(tenant: OfTenant = None, json: Json = False) -> None:
    """Which keys are stored, but not what they are."""
    from dataclasses import asdict

    from aikit.cli.books import open_books
    from aikit.ledger.provider_keys import list_provider_keys

    rows = list_provider_keys(open_books().database, tenant=tenant)
    if json:
        emit_json("key.provider.list", [asdict(row) for row in rows], {"keys": len(rows)})
    elif rows:
        cells = [
            [row.tenant, row.environment, row.provider, row.last4 or UNKNOWN, when(row.created_at), row.created_by]
            for row in rows
        ]
        table("Keys to providers", ["Tenant", "Env", "Provider", "Ends in", "Stored (UTC)", "By"], cells)
    else:
        note("No tenant has a key of its own. Store one: aikit key provider set PROVIDER --tenant NAME")


@app.command()
def remove(
    provider: Provider, tenant: Tenant, env: Environment = None, reason: Reason = None, json: Json = False
) -> None:
    """Forget a key: within two seconds the tenant's calls are made with the server's own again."""
    from aikit.cli.books import open_books
    from aikit.config import load
    from aikit.ledger.provider_keys import remove_provider_key

    where = {"tenant": tenant, "environment": env or load().environment, "provider": provider}
    removed = remove_provider_key(open_books().database, why=reason, **where)
    if json:
        emit_json("key.provider.remove", where | {"removed": removed})
    else:
        line(f"{tenant}, {provider} in {where['environment']}: {'removed' if removed else 'there was none'}")
    if not removed:
        raise typer.Exit(Exit.NO)


def _read(prompt: str) -> str:
    if sys.stdin.isatty():
        from aikit.cli.init_asking import Terminal

        try:
            return Terminal().read_hidden(prompt).strip()
        except ConfigError as error:
            raise ConfigError(error.message, remedy="Give it on stdin: aikit key provider set … < FILE") from None
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb").read(LONGEST).decode(errors="replace").strip()
