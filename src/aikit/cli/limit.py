"""`aikit limit`: set, list and remove the caps of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, OfFeature, OfTenant, OfUser, Reason
from aikit.cli.output import emit_json, line, note
from aikit.errors import Exit

if TYPE_CHECKING:
    from aikit.cli.books import Books
    from aikit.ledger.limits import LimitRow
    from aikit.policy.model import StatedLimit

app = group("Caps on what a tenant may use: money, tokens, requests, calls at once.")

Tenant = Annotated[str, typer.Option("--tenant", metavar="NAME", help="Whose limit it is.")]
Span = Annotated[
    Literal["call", "minute", "hour", "day", "week", "month", "total"] | None,
    typer.Option(
        "--window", help="Over which time it counts: single calls, a minute … a month, or ever. Not for concurrency."
    ),
]
Counted = Annotated[
    Literal["credits", "tokens", "input_tokens", "output_tokens", "requests", "concurrency"],
    typer.Option("--metric", help="What it counts. Credits are money."),
]
Warns = Annotated[bool, typer.Option("--warn", help="It only records what it would have refused.")]
Each = Annotated[
    Literal["user", "feature"] | None, typer.Option("--each", help="Each user, or each feature, is counted by itself.")
]
OfEnvironment = Annotated[
    Literal["dev", "staging", "prod"] | None, typer.Option("--environment", help="Only this environment.")
]


@app.command("set")
def set_(
    tenant: Tenant,
    window: Span = None,
    metric: Counted = "credits",
    usd: Annotated[str | None, typer.Option("--usd", metavar="AMOUNT", help="The cap in dollars, such as 25.")] = None,
    credits: Annotated[
        int | None, typer.Option("--credits", min=0, metavar="NUMBER", help="The cap in credits, instead.")
    ] = None,
    cap: Annotated[
        int | None, typer.Option("--cap", min=0, metavar="NUMBER", help="The cap on any metric but credits.")
    ] = None,
    soft_usd: Annotated[
        str | None, typer.Option("--soft-usd", metavar="AMOUNT", help="Above this, calls are marked but not refused.")
    ] = None,
    soft_credits: Annotated[
        int | None, typer.Option("--soft-credits", min=0, metavar="NUMBER", help="The same in credits.")
    ] = None,
    soft_cap: Annotated[
        int | None, typer.Option("--soft-cap", min=0, metavar="NUMBER", help="The same for any other metric.")
    ] = None,
    warn: Warns = False,
    each: Each = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="ZONE", help="Where days start, such as Europe/Zurich.")
    ] = None,
    anchor: Annotated[
        str | None,
        typer.Option(
            "--anchor", metavar="START", help="When it starts: the hour of a day, a weekday, the day of a month."
        ),
    ] = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Cap what a tenant may use. It applies to the very next call, in every process.

    A limit of the same metric, window and --each is replaced; what was used in the window still counts.
    """
    from aikit.cli.books import open_books
    from aikit.cli.limit_stated import Amount, anchor_of, stated_limit
    from aikit.ledger.tenants import set_limit

    given = Amount("cap", usd, credits, cap), Amount("soft_cap", soft_usd, soft_credits, soft_cap)
    fields = {
        "window": window,
        "action": "warn" if warn else None,
        "each": each,
        "time_zone": time_zone,
        "anchor": anchor_of(anchor),
    }
    books = open_books()
    limit = stated_limit(metric, given, fields, books.nano_per_credit)
    before = set_limit(books.database, tenant, limit, why=reason)
    if json:
        emit_json("limit.set", _set_data(books, tenant, limit, before))
    else:
        _print_set(books, tenant, limit, before)


@app.command("list")
def list_(
    tenant: OfTenant = None,
    user: OfUser = None,
    feature: OfFeature = None,
    environment: OfEnvironment = None,
    nearest: Annotated[bool, typer.Option("--nearest", help="Those nearest to their caps first.")] = False,
    json: Json = False,
) -> None:
    """Every limit that applies, from whichever policy, and where it stands now."""
    from aikit.cli.books import open_books
    from aikit.cli.limit_rows import limit_data, print_limits
    from aikit.ledger.limits import list_limits

    books = open_books()
    rows = list_limits(books.database, tenant, user=user, feature=feature, environment=environment, nearest=nearest)
    if json:
        emit_json("limit.list", [limit_data(row, books.nano_per_credit) for row in rows], {"limits": len(rows)})
    elif rows:
        print_limits(rows)
    else:
        whose = f"for {tenant!r}" if tenant else "yet"
        note(f"There is no limit {whose}. Set one: aikit limit set --tenant NAME --window month --usd 25")


@app.command()
def remove(
    tenant: Tenant,
    window: Span = None,
    metric: Counted = "credits",
    warn: Warns = False,
    each: Each = None,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Remove a cap of a tenant's own. Without any limit it is refused, unless it is uncapped."""
    from aikit.cli.books import open_books
    from aikit.cli.limit_rows import span
    from aikit.ledger.tenants import remove_limit
    from aikit.types import Action, Metric, Window

    counted = _window(metric, window)
    action = Action.WARN if warn else Action.BLOCK
    removed = remove_limit(
        open_books().database, tenant, Metric(metric), Window(counted), action=action, each=each, why=reason
    )
    words = span(metric, counted, each, warns=warn)
    if json:
        data = {"tenant": tenant, "metric": metric, "window": window, "action": action, "each": each}
        emit_json("limit.remove", data | {"removed": removed})
    elif removed:
        line(f"{tenant} · {words} · removed")
    if not removed:
        note(f"{tenant!r} has no limit {words} of its own. `aikit limit list` shows those that there are.")
        raise typer.Exit(Exit.NO)


def _window(metric: str, window: str | None) -> str:
    """The window of a limit to remove; one of concurrency has none, and is kept under `total`."""
    if metric == "concurrency":
        if window is not None:
            raise typer.BadParameter("a limit of concurrency has none; leave it out", param_hint="--window")
        return "total"
    if window is None:
        raise typer.BadParameter("is missing: call, minute, hour, day, week, month or total", param_hint="--window")
    return window


def _print_set(books: Books, tenant: str, limit: StatedLimit, before: StatedLimit | None) -> None:
    from aikit.cli.limit_rows import amount, soft, span, standing, worded
    from aikit.types import Action, Metric, Window

    what = span(limit.metric, limit.window, limit.each, warns=limit.action is Action.WARN)
    whole = f" ({limit.cap // books.nano_per_credit:,} credits)" if limit.metric is Metric.CREDITS else ""
    after = f"{amount(limit.cap, limit.metric)}{whole}{soft(limit)}"
    line(f"{tenant} · {what} · {worded(before)} → {after}")
    if limit.window is Window.CALL:
        return
    row = _row(books, tenant, limit)
    if row is not None:
        line(standing(row))
    elif limit.each is None:
        note(f"Another policy for {tenant!r} has a higher priority, and its limit stays in force: aikit limit list.")


def _set_data(books: Books, tenant: str, limit: StatedLimit, before: StatedLimit | None) -> dict[str, Any]:
    """The limit, where it stands (null for one of each user or feature), and its caps before."""
    from aikit.cli.limit_rows import amounts
    from aikit.types import Metric

    row = _row(books, tenant, limit)
    left: dict[str, int | None] = {"remaining": row.remaining if row else None}
    used = {"used": row.used if row else None, "held": row.held if row else None}
    previous = {
        "previous_cap": before.cap if before else None,
        "previous_soft_cap": before.soft_cap if before else None,
    }
    unit = books.nano_per_credit
    return {
        "tenant": tenant,
        "metric": limit.metric,
        "window": None if limit.metric is Metric.CONCURRENCY else limit.window,
        "action": limit.action,
        "each": limit.each,
        "source": f"tenant:{tenant}",
        **amounts(limit.metric, {"cap": limit.cap, "soft_cap": limit.soft_cap, **left}, unit),
        **amounts(limit.metric, used, unit, up=True),
        **amounts(limit.metric, previous, unit),
        "time_zone": limit.zone,
        "resets_at": row.resets_at if row else None,
    }


def _row(books: Books, tenant: str, limit: StatedLimit) -> LimitRow | None:
    """The limit as it is in force for the tenant as a whole."""
    if limit.each is not None:
        return None
    from aikit.ledger.limits import list_limits

    wanted = (f"tenant:{tenant}", "", limit.metric, limit.window, limit.action)
    for row in list_limits(books.database, tenant):
        if (row.source, row.counts, row.metric, row.window, row.action) == wanted:
            return row
    return None
