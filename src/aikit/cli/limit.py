"""`aikit limit`: set, list and remove the caps on what a tenant may spend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, OfTenant
from aikit.cli.output import UNKNOWN, emit_json, line, note, table, when
from aikit.errors import ConfigError, Exit
from aikit.money import MAX_NANO, credits, format_usd, parse_usd, usd_string

if TYPE_CHECKING:
    from aikit.ledger.limits import LimitRow

app = group("Caps on what a tenant may spend.")

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose limit it is.")]
Span = Annotated[
    Literal["call", "day", "week", "month", "total"],
    typer.Option("--window", help="What the cap is for: each call, or all calls of a day, week, month (UTC) or ever."),
]


@app.command("set")
def set_(
    tenant: Tenant,
    window: Span,
    usd: Annotated[str | None, typer.Option("--usd", metavar="AMOUNT", help="The cap in dollars, such as 25.")] = None,
    credits: Annotated[
        int | None, typer.Option("--credits", min=0, metavar="NUMBER", help="The cap in credits, instead.")
    ] = None,
    json: Json = False,
) -> None:
    """Cap what a tenant may spend. It applies to the very next call, in every process."""
    if (usd is None) == (credits is None):
        raise ConfigError("A cap is given in dollars or in credits.", remedy="Give one of --usd and --credits.")
    cap = None if usd is None else _dollars(usd)
    from aikit.cli.books import open_books
    from aikit.ledger.limits import list_limits
    from aikit.ledger.tenants import set_limit
    from aikit.types import Metric, Window

    books = open_books()
    if cap is None:
        cap = min((credits or 0) * books.nano_per_credit, MAX_NANO + 1)
    before = set_limit(books.database, tenant, Metric.CREDITS, Window(window), cap)
    limit = next(row for row in list_limits(books.database, tenant) if row.window == window)
    if json:
        previous = {"previous_cap_usd": None if before is None else usd_string(before)}
        emit_json("limit.set", _data(limit, books.nano_per_credit) | previous)
        return
    old = "no limit" if before is None else format_usd(before)
    line(f"{tenant} · {_span(window)} · {old} → {format_usd(cap)} ({cap // books.nano_per_credit:,} credits)")
    if window != "call":
        line(_standing(limit))


@app.command("list")
def list_(tenant: OfTenant = None, json: Json = False) -> None:
    """The limits, and where each one stands now."""
    from aikit.cli.books import open_books
    from aikit.ledger.limits import list_limits

    books = open_books()
    rows = list_limits(books.database, tenant)
    if json:
        emit_json("limit.list", [_data(row, books.nano_per_credit) for row in rows], {"limits": len(rows)})
    elif rows:
        from aikit.cli.layout import Column

        columns: list[str | Column] = [
            "Tenant",
            "Window",
            "Cap",
            "Used",
            Column("Held", 2),
            "Left",
            Column("Resets (UTC)", 1),
        ]
        table("Limits", columns, [_cells(row) for row in rows])
    else:
        whose = f"for {tenant!r}" if tenant else "yet"
        note(f"There is no limit {whose}. Set one: aikit limit set --tenant NAME --window month --usd 25")


@app.command()
def remove(tenant: Tenant, window: Span, json: Json = False) -> None:
    """Remove a cap. A tenant that is left without any is refused, unless it is uncapped."""
    from aikit.cli.books import open_books
    from aikit.ledger.tenants import remove_limit
    from aikit.types import Metric, Window

    removed = remove_limit(open_books().database, tenant, Metric.CREDITS, Window(window))
    if json:
        emit_json("limit.remove", {"tenant": tenant, "metric": "credits", "window": window, "removed": removed})
    elif removed:
        line(f"{tenant} · {_span(window)} · removed")
    if not removed:
        note(f"{tenant!r} has no limit {_span(window)}. `aikit limit list` shows those that there are.")
        raise typer.Exit(Exit.NO)


def _dollars(text: str) -> int:
    try:
        return parse_usd(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}", param_hint="--usd") from None


def _data(row: LimitRow, nano_per_credit: int) -> dict[str, Any]:
    """Caps and what is left of them are rounded down to whole credits, what is used and held up."""
    return {
        "tenant": row.tenant,
        "metric": row.metric,
        "window": row.window,
        "cap_usd": usd_string(row.cap),
        "cap_credits": row.cap // nano_per_credit,
        "used_usd": usd_string(row.used),
        "used_credits": credits(row.used, nano_per_credit),
        "held_usd": usd_string(row.held),
        "held_credits": credits(row.held, nano_per_credit),
        "remaining_usd": usd_string(row.remaining),
        "remaining_credits": row.remaining // nano_per_credit,
        "resets_at": row.resets_at,
        "created_at": row.created_at,
    }


def _cells(row: LimitRow) -> list[str]:
    amounts = [row.cap] if row.window == "call" else [row.cap, row.used, row.held, row.remaining]
    shown = [format_usd(amount) for amount in amounts]
    return [row.tenant, row.window, *shown, *[UNKNOWN] * (4 - len(shown)), when(row.resets_at)[:16]]


def _standing(row: LimitRow) -> str:
    resets = f"resets {when(row.resets_at)[:16]} UTC" if row.resets_at else "never resets"
    amounts = (
        f"used {format_usd(row.used)} · held {format_usd(row.held)} · left {format_usd(row.remaining, floor=True)}"
    )
    return f"{amounts} · {resets}"


def _span(window: str) -> str:
    return {"call": "per call", "total": "in total"}.get(window, f"per {window}")
