"""`aikit ledger spool`: endings that wait on disk for a ledger that was away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, gap, line, note, progress, table, when
from aikit.errors import Exit
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.database.connect import Database
    from aikit.meter.prices import PriceRow
    from aikit.meter.spooled import Spooled, Waiting

Post = Annotated[bool, typer.Option("--post", help="Post now what no living process owns.")]


def spool(post: Post = False, json: Json = False) -> None:
    """Endings that were written to disk because the ledger was away. They are posted by the next process that opens it.

    Works while the database is away, except with --post.
    """
    from aikit.cli.books import open_configured
    from aikit.config import load
    from aikit.meter.spool import spool_folder
    from aikit.meter.spooled import look

    settings = load()
    database = open_configured(settings)
    folder = spool_folder(database, settings.data_dir)
    found = look(folder)
    posted = 0
    left = False
    if post:
        ownerless = sum(file.endings for file in found.files if not file.owned)
        if ownerless:
            left = not _post(settings, database)
            found = look(folder)
            posted = max(0, ownerless - sum(file.endings for file in found.files if not file.owned))
    if json:
        emit_json("ledger.spool", _data(found), _totals(found, posted))
    else:
        _print(found)
    if post:
        note(f"Posted {posted:,} ending{'' if posted == 1 else 's'}.")
    if left:
        note("The ledger did not take all of them; what it did not take is still in the spool.")
        raise typer.Exit(Exit.NO)


def _post(settings: Settings, database: Database) -> bool:
    """Adopt what no living process owns, and post it. False: some could not be posted in time."""
    from aikit.ledger.opening import prepare
    from aikit.meter.opening import open_meter

    prepare(database)
    with progress("Posting what was spooled"):
        meter = open_meter(database, settings.data_dir, _no_price)
        try:
            return meter.flush()
        finally:
            meter.close()


def _no_price(price_id: str) -> PriceRow:
    """A line of the spool brings its prices, if they were not on record when it was written."""
    raise LookupError(price_id)


def _print(found: Spooled) -> None:
    if not found.files and not found.aside:
        line(f"The spool is empty: {found.folder}")
        return
    if found.files:
        rows = [
            [
                file.name,
                "can't be read" if file.problem else "running" if file.owned else "none",
                f"{file.endings:,}",
                format_usd(file.nano),
                f"{file.size:,}",
                when(file.oldest),
            ]
            for file in found.files
        ]
        table(f"Spool in {found.folder}", ["File", "Process", "Endings", "Amount", "Bytes", "Oldest (UTC)"], rows)
        gap()
        table("By tenant", ["Tenant", "Endings", "Unchecked", "Amount"], [_tenant_cells(one) for one in found.waiting])
    for aside in found.aside:
        line(f"Set aside: {aside.lines:,} lines in {aside.name}")
    for file in found.files:
        if file.unread:
            note(f"{file.unread:,} lines of {file.name} can't be read; who adopts it sets them aside.")
        if file.problem:
            note(f"{file.name} can't be read: {file.problem}.")


def _tenant_cells(one: Waiting) -> list[str]:
    return [one.tenant or UNKNOWN, f"{one.endings:,}", f"{one.unchecked:,}", format_usd(one.nano)]


def _data(found: Spooled) -> dict[str, Any]:
    return {
        "folder": str(found.folder),
        "files": [
            {
                "file": file.name,
                "owned": file.owned,
                "endings": file.endings,
                "amount_usd": usd_string(file.nano),
                "bytes": file.size,
                "oldest": file.oldest,
                "unread": file.unread,
                "problem": file.problem,
                "tenants": [_tenant_data(one) for one in file.waiting],
            }
            for file in found.files
        ],
        "set_aside": [{"file": one.name, "lines": one.lines, "bytes": one.size} for one in found.aside],
    }


def _totals(found: Spooled, posted: int) -> dict[str, Any]:
    return {
        "files": len(found.files),
        "endings": found.endings,
        "amount_usd": usd_string(found.nano),
        "set_aside": sum(one.lines for one in found.aside),
        "posted": posted,
        "tenants": [_tenant_data(one) for one in found.waiting],
    }


def _tenant_data(one: Waiting) -> dict[str, Any]:
    return {
        "tenant": one.tenant or None,
        "endings": one.endings,
        "unchecked": one.unchecked,
        "amount_usd": usd_string(one.nano),
    }
