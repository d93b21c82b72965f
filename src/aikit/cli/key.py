"""`aikit key`: who may use the server for what, and tenants' own keys to providers."""

from __future__ import annotations

from datetime import UTC, datetime
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.group import group
from aikit.cli.key_provider import app as provider
from aikit.cli.options import Json, OfTenant, Reason
from aikit.cli.output import UNKNOWN, emit_json, facts, line, note, table, when
from aikit.durations import duration

if TYPE_CHECKING:
    from datetime import timedelta

    from aikit.ledger.keys import KeyRow, NewKey

app = group("Keys of the server: create, list, rotate, revoke; tenants' keys to providers.")
app.add_typer(provider, name="provider")

Id = Annotated[str, typer.Argument(metavar="ID", help="The key's id, key_…; `aikit key list` shows it.")]
Environment = Annotated[
    str | None, typer.Option("--env", metavar="ENV", help="dev, staging or prod; AIKIT_ENV, or dev, if left out.")
]


@app.command()
def create(
    tenant: Annotated[
        str | None, typer.Option("--tenant", metavar="NAME", help="Whose it is; without one, an operator's.")
    ] = None,
    env: Environment = None,
    scope: Annotated[
        str, typer.Option("--scope", metavar="RIGHTS", help="complete, evaluate, usage:read, admin; with commas.")
    ] = "",
    admin: Annotated[bool, typer.Option("--admin", help="The right admin, beside those of --scope.")] = False,
    user: Annotated[str | None, typer.Option("--user", metavar="NAME", help="For this user's calls alone.")] = None,
    feature: Annotated[
        str | None, typer.Option("--feature", metavar="NAME", help="For this feature's calls alone.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="TIME", help="90d, 12h …, or a time (UTC); never, if left out.")
    ] = None,
    per_minute: Annotated[
        int | None, typer.Option("--per-minute", metavar="N", help="Requests a minute, over all processes.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="TEXT", help="What it is for, for lists.")] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Make a key. Its secret is shown this once: alone on stdout, so that it can be piped."""
    from aikit.cli.books import open_books
    from aikit.ledger.keys import create_key

    rights = [right.strip() for right in scope.split(",") if right.strip()] + (["admin"] if admin else [])
    ends = _end("--expires", expires)
    made = create_key(
        open_books().database,
        tenant=tenant,
        environment=_environment(env),
        rights=rights,
        user=user,
        feature=feature,
        name=name,
        per_minute=per_minute,
        expires_at=ends,
        why=reason,
    )
    _show("key.create", made, json)


@app.command("list")
def list_(
    tenant: OfTenant = None,
    env: Annotated[str | None, typer.Option("--env", metavar="ENV", help="Only this environment.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="Those that work no more, too.")] = False,
    json: Json = False,
) -> None:
    """The keys that work, the newest first. No secret is in it: none is kept."""
    from aikit.cli.books import open_books
    from aikit.ledger.keys import list_keys

    rows = list_keys(open_books().database, tenant=tenant, environment=env, all=all_)
    if json:
        emit_json("key.list", [_data(row) for row in rows], {"keys": len(rows)})
    elif rows:
        columns = ["Id", "Name", "Ends in", "Tenant", "Env", "Rights", "State", "Until (UTC)"]
        table("Keys", columns, [_cells(row) for row in rows])
    else:
        note("There is no key yet. Make one: aikit key create --tenant NAME --scope complete")


@app.command()
def show(id: Id, json: Json = False) -> None:
    """One key: whose it is, what it may do, and where it stands."""
    from aikit.cli.books import open_books
    from aikit.ledger.keys import get_key

    row = get_key(open_books().database, id)
    if json:
        emit_json("key.show", _data(row))
        return
    known = _data(row)
    shown = {name: _words(value) for name, value in known.items() if value is not None}
    facts(shown.pop("id"), [(name.replace("_", " ").capitalize(), value) for name, value in shown.items()])


@app.command()
def rotate(
    id: Id,
    overlap: Annotated[
        str, typer.Option("--overlap", metavar="TIME", help="How long the old one works on; 0 ends it now.")
    ] = "24h",
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Make a key that may do the same, in place of this one. Its secret is shown this once, alone on stdout."""
    from aikit.cli.books import open_books
    from aikit.ledger.keys import rotate_key

    made = rotate_key(open_books().database, id, overlap=_lasting("--overlap", overlap), why=reason)
    _show("key.rotate", made, json)
    over = overlap.strip() in ("0", "0s", "0m", "0h", "0d")
    note(f"{id} {'ends now' if over else f'works on for {overlap}'}.")


@app.command()
def revoke(id: Id, reason: Reason = None, json: Json = False) -> None:
    """End a key: the next request with it is refused, everywhere."""
    from aikit.cli.books import open_books
    from aikit.ledger.keys import revoke_key

    revoked = revoke_key(open_books().database, id, why=reason)
    if json:
        emit_json("key.revoke", {"id": id, "revoked": revoked})
    else:
        line(f"{id}: {'revoked' if revoked else 'was revoked before'}")


def _show(name: str, made: NewKey, json: bool) -> None:
    row = made.row
    if json:
        emit_json(name, _data(row) | {"secret": made.secret})
    else:
        line(made.secret)
    whose = f"{row.tenant} in {row.environment}" if row.tenant else "an operator"
    bound = "".join(
        f", {what} {value} alone" for what, value in (("user", row.user), ("feature", row.feature)) if value
    )
    until = f"; until {when(row.expires_at)} UTC" if row.expires_at else ""
    note(f"{row.id}, of {whose}{bound}: {', '.join(row.rights)}{until}")
    note("The secret is kept nowhere and not shown again. End it: aikit key revoke " + quote(row.id))


def _cells(row: KeyRow) -> list[str]:
    ends = min([at for at in (row.expires_at, row.until) if at], default=None)
    rights = ", ".join(row.rights)
    return [
        row.id,
        row.name or UNKNOWN,
        row.last4,
        row.tenant or "(operator)",
        row.environment,
        rights,
        str(row.state),
        when(row.revoked_at or ends),
    ]


def _data(row: KeyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "last4": row.last4,
        "tenant": row.tenant,
        "environment": row.environment,
        "user": row.user,
        "feature": row.feature,
        "rights": list(row.rights),
        "per_minute": row.per_minute,
        "state": str(row.state),
        "expires_at": row.expires_at,
        "created_at": row.created_at,
        "created_by": row.created_by,
        "revoked_at": row.revoked_at,
        "revoked_by": row.revoked_by,
        "revoked_why": row.revoked_why,
        "replaces": row.replaces,
        "until": row.until,
    }


def _words(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{when(value)} UTC"
    return ", ".join(value) if isinstance(value, list) else f"{value}"


def _environment(stated: str | None) -> str:
    if stated is not None:
        return stated
    from aikit.config import load

    return load().environment


def _end(option: str, text: str | None) -> datetime | None:
    """In how long, or when."""
    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        return now + duration(text)
    except ValueError:
        pass
    try:
        written = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a time; write 90d, 12h or 2027-01-31", param_hint=option) from None
    return written if written.tzinfo else written.replace(tzinfo=UTC)


def _lasting(option: str, text: str) -> timedelta:
    try:
        return duration("0s" if text.strip() == "0" else text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
