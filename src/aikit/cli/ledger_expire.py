"""`aikit ledger expire`: presumes spent what has no ending."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json, Reason
from aikit.cli.output import UNKNOWN, emit_json, line, note, progress, table, when
from aikit.errors import Exit
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.expiring import Expired, PendingHold

Now = Annotated[bool, typer.Option("--now", help="All pending holds, also those of calls that are running right now.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]


def expire(now: Now = False, reason: Reason = None, yes: Yes = False, json: Json = False) -> None:
    """Presume spent what has stood for too long without an ending: its process died, or can't reach the ledger.

    Every process with an open kit does that by itself, every half minute. Exits 1 if others leave something over.
    """
    from aikit import expiring
    from aikit.cli.agreeing import agree
    from aikit.cli.books import open_books

    database = open_books().database
    at = expiring.database_now(database)
    held_since = at if now else None
    found = expiring.pending(database, held_since)
    if now and found:
        if not json:
            _show(found, at)
        running = sum(not hold.expired for hold in found)
        if running:
            note(
                f"{_holds(running)} {'has' if running == 1 else 'have'} not expired: their calls may be running now. "
                "What they really cost is posted as a correction when they end."
            )
        agree(f"Presume {_holds(len(found))} spent, {format_usd(sum(hold.nano for hold in found))} in all?", yes=yes)
    with progress("Ending holds", len(found)) as advance:
        done = expiring.expire(database, held_since, why=reason, on_progress=advance)
    if json:
        emit_json("ledger.expire", _data(done), _totals(done))
    else:
        _tell(done)
    if done.left:
        note(f"{_holds(done.left)} {'is' if done.left == 1 else 'are'} left: another process is ending holds just now.")
        raise typer.Exit(Exit.NO)


def _show(found: Sequence[PendingHold], at: datetime) -> None:
    """The pending holds by tenant, and how old they are."""
    rows = []
    for tenant in sorted({hold.tenant for hold in found}):
        theirs = [hold for hold in found if hold.tenant == tenant]
        oldest, newest = theirs[0].admitted_at, theirs[-1].admitted_at
        expired = sum(hold.expired for hold in theirs)
        amount = format_usd(sum(hold.nano for hold in theirs))
        ages = [_age(at - oldest), _age(at - newest)]
        rows.append([tenant or UNKNOWN, f"{len(theirs):,}", f"{expired:,}", amount, when(oldest), *ages])
    columns = ["Tenant", "Holds", "Expired", "Amount", "Oldest (UTC)", "Oldest is", "Newest is"]
    table("Pending holds", columns, rows)


def _age(age: timedelta) -> str:
    """`12 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(0, int(age.total_seconds()))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:,} {unit}"
    return f"{seconds} s"


def _tell(done: Expired) -> None:
    if not done.presumed:
        line("No hold was presumed spent.")
        return
    rows = [[tenant or UNKNOWN, f"{len(amounts):,}", format_usd(sum(amounts))] for tenant, amounts in _sorted(done)]
    totals = _totals(done)
    total = ["total", f"{totals['holds']:,}", format_usd(sum(map(sum, done.presumed.values())))]
    table("Presumed spent", ["Tenant", "Holds", "Amount"], rows, total)


def _holds(number: int) -> str:
    return f"{number:,} hold{'' if number == 1 else 's'}"


def _sorted(done: Expired) -> Iterable[tuple[str, list[int]]]:
    return sorted(done.presumed.items())


def _data(done: Expired) -> list[dict[str, Any]]:
    return [
        {"tenant": tenant or None, "holds": len(amounts), "presumed_usd": usd_string(sum(amounts))}
        for tenant, amounts in _sorted(done)
    ]


def _totals(done: Expired) -> dict[str, Any]:
    nano = sum(map(sum, done.presumed.values()))
    return {"holds": sum(map(len, done.presumed.values())), "presumed_usd": usd_string(nano), "left": done.left}
