"""`aikit ledger rerate`: charges a period again after its prices were put right, by further entries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json, OfTenant, Reason, Until, read_moment
from aikit.cli.output import emit_json, line, note, progress, table
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.corrections import Rerated

Since = Annotated[
    str,
    typer.Option("--since", metavar="TIME", show_default=False, help="2026-11-01, 24h, 7d, today, week, month (UTC)."),
]
OfProvider = Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only this provider.")]
OfModel = Annotated[str | None, typer.Option("--model", metavar="NAME", help="Only this model.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")]
Who = Annotated[
    str | None, typer.Option("--who", metavar="NAME", help="Who says so.", show_default="AIKIT_ACTOR, else user@host")
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


def rerate(
    since: Since,
    until: Until = None,
    tenant: OfTenant = None,
    provider: OfProvider = None,
    model: OfModel = None,
    dry_run: DryRun = False,
    reason: Reason = None,
    who: Who = None,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """Charge attempts again at the prices of today's price book for their time, aikit.toml included.

    Attempts that were voided, corrected by hand, or whose usage nobody knows stay as they are. The differences are
    posted as further entries. Interrupted, it is finished by being run again.
    """
    start, end = read_moment("--since", since), read_moment("--until", until)
    assert start is not None
    if not dry_run and not (reason or "").strip():
        raise typer.BadParameter("is needed, unless it is a --dry-run", param_hint="--reason")
    from functools import partial

    from aikit import corrections
    from aikit.cli.agreeing import agree
    from aikit.cli.archived import note_pruned
    from aikit.cli.books import open_books
    from aikit.config import load
    from aikit.pricing.book import PriceBook
    from aikit.pricing.overrides import parse_overrides

    books, book = open_books(), PriceBook(parse_overrides(load().prices))
    run = partial(
        corrections.rerate, books.database, book, since=start, until=end, tenant=tenant, provider=provider, model=model
    )
    found = _with_progress("Pricing attempts", lambda looked: run(dry_run=True, on_progress=looked))
    changed = sum(one.changed for one in found)
    if not json:
        _show(found, start, end)
    posted = 0
    if changed and not dry_run:
        agree(
            f"Post {_corrections(changed)}, {_signed(sum(one.after - one.before for one in found))} in all?",
            yes=yes,
            remedy="Add --yes to do it without asking. --dry-run only shows what would change.",
        )
        total = sum(one.attempts for one in found)
        found = _with_progress(
            "Posting corrections", lambda looked: run(why=reason, who=who, on_progress=looked), total
        )
        posted = sum(one.changed for one in found)
    if json:
        emit_json("ledger.rerate", [_data(one) for one in found], {**_totals(found), "posted": posted})
    elif posted:
        line(f"posted {_corrections(posted)}: {_signed(sum(one.after - one.before for one in found))}")
    if found and not changed:
        note("There is nothing to change.")
    note_pruned(books.database, start)


def _with_progress(
    text: str, work: Callable[[Callable[[int], None]], list[Rerated]], total: int | None = None
) -> list[Rerated]:
    with progress(text, total) as advance:
        return work(advance)


def _show(found: Sequence[Rerated], start: datetime, end: datetime | None) -> None:
    until = f" until {end:%Y-%m-%d %H:%M}" if end else ""
    if not found:
        line(f"No attempts with a usage since {start:%Y-%m-%d %H:%M}{until} UTC.")
        return
    sums = _totals(found)
    total = [
        "total",
        f"{sums['attempts']:,}",
        f"{sums['changed']:,}",
        f"{sums['unpriced']:,}",
        *_amounts(sum(one.before for one in found), sum(one.after for one in found)),
    ]
    columns = ["Model", "Attempts", "Changed", "Unpriced", "Cost before", "Cost after", "Difference"]
    table(f"Since {start:%Y-%m-%d %H:%M}{until} UTC", columns, [_cells(one) for one in found], total)
    if sums["unpriced"]:
        note(f"{sums['unpriced']:,} attempts have no price today that covers what they used; they stay as they are.")


def _cells(one: Rerated) -> list[str]:
    counts = [f"{number:,}" for number in (one.attempts, one.changed, one.unpriced)]
    return [f"{one.provider}/{one.model}", *counts, *_amounts(one.before, one.after)]


def _amounts(before: int, after: int) -> list[str]:
    return [format_usd(before), format_usd(after), _signed(after - before)]


def _corrections(number: int) -> str:
    return f"{number:,} correction{'' if number == 1 else 's'}"


def _signed(nano: int) -> str:
    return f"+{format_usd(nano)}" if nano > 0 else format_usd(nano)


def _data(one: Rerated) -> dict[str, Any]:
    return {"provider": one.provider, "model": one.model, **_totals([one])}


def _totals(found: Sequence[Rerated]) -> dict[str, Any]:
    before, after = sum(one.before for one in found), sum(one.after for one in found)
    return {
        "attempts": sum(one.attempts for one in found),
        "changed": sum(one.changed for one in found),
        "unpriced": sum(one.unpriced for one in found),
        "before_usd": usd_string(before),
        "after_usd": usd_string(after),
        "difference_usd": usd_string(after - before),
    }
