"""`aikit db prune`: old months go to files, and out of the database once the files were read back and agree."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json, Reason, read_moment
from aikit.cli.output import UNKNOWN, emit_json, line, note, progress, table
from aikit.errors import ConfigError, Exit
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.cli.books import Books
    from aikit.ledger.prune import OldPart, PrunedPart

Before = Annotated[
    str, typer.Option("--before", metavar="DATE", help="The months that are over by then.", show_default=False)
]
To = Annotated[
    Path | None,
    typer.Option("--to", metavar="DIR", help="Where the files go.", show_default="archive, in the data directory"),
]
Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="parquet or jsonl.")]
Drop = Annotated[
    bool, typer.Option("--drop", help="Drop the detached tables, too; without, they stay beside the ledger.")
]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show which months those are.")]


def prune(
    before: Before,
    to: To = None,
    format: Format = "parquet",
    drop: Drop = False,
    yes: Yes = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    json: Json = False,
) -> None:
    """Write whole months of entries and refusals to files, and detach them once the files are proved.

    The books still agree afterwards, and limits count on. Exits 1 if a month has to stay.
    """
    from aikit.cli.books import open_books
    from aikit.config import load
    from aikit.ledger.prune import check_format, old_parts

    moment = read_moment("--before", before)
    assert moment is not None
    check_format(format)
    books = open_books()
    with progress("Looking at the months"):
        found = old_parts(books.database, moment)
    going = [old for old in found if old.kept_because is None]
    if not json:
        _show(found, before)
    done: list[PrunedPart] = []
    if going and not dry_run:
        folder = (to or load().data_dir / "archive").absolute()
        _agree(going, folder, drop, yes)
        done += [_prune(books, old, folder, format, drop, reason, json) for old in going]
    if json:
        _emit(found, done)
    elif done and not drop:
        note("The tables are detached and still there; drop them when the files are where they are safe.")
    if len(going) < len(found):
        raise typer.Exit(Exit.NO)


def _prune(
    books: Books, old: OldPart, folder: Path, format: str, drop: bool, reason: str | None, json: bool
) -> PrunedPart:
    from aikit.ledger.prune import prune

    with progress(f"Archiving {old.part}", old.rows) as advance:
        done = prune(books.database, old, folder, format=format, drop=drop, why=reason, advance=advance)
    if not json:
        line(_words(done))
    return done


def _words(done: PrunedPart) -> str:
    held = f"{done.old.rows:,} rows in {done.file}" if done.file else "was empty"
    return f"{done.old.part}: {held}; {f'detached as aikit.{done.left_as}' if done.left_as else 'dropped'}"


def _show(found: Sequence[OldPart], before: str) -> None:
    if not found:
        line(f"No month of the ledger is over by {before}.")
        return
    rows = [
        [
            old.part,
            f"{old.since:%Y-%m-%d}" if old.since else UNKNOWN,
            f"{old.until:%Y-%m-%d}",
            f"{old.rows:,}",
            format_usd(old.nano) if old.relation == "entries" else UNKNOWN,
        ]
        for old in found
    ]
    table("Months that are over", ["Part", "From", "Until", "Rows", "Cost"], rows)
    for old in found:
        if old.kept_because:
            note(f"{old.part} has to stay: {old.kept_because}.")


def _agree(going: Sequence[OldPart], folder: Path, drop: bool, yes: bool) -> None:
    """Ask, unless that was settled by --yes. Raises ConfigError where nobody can be asked, Exit for a no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError(
            "Nothing was pruned: there is no terminal to ask on.",
            remedy="Add --yes to do it without asking. --dry-run only shows what would be done.",
        )
    rows = sum(old.rows for old in going)
    fate = "drop" if drop else "detach"
    if not typer.confirm(f"Write {rows:,} rows to {folder} and {fate} {len(going)} tables?", err=True):
        note("Nothing was pruned.")
        raise typer.Exit(Exit.NO)


def _emit(found: Sequence[OldPart], done: Sequence[PrunedPart]) -> None:
    by_part = {one.old.part: one for one in done}
    data = [_data(old, by_part.get(old.part)) for old in found]
    totals = {"parts": len(found), "pruned": len(done), "rows": sum(one.old.rows for one in done)}
    emit_json("db.prune", data, totals)


def _data(old: OldPart, done: PrunedPart | None) -> dict[str, Any]:
    return {
        "part": old.part,
        "relation": old.relation,
        "since": old.since,
        "until": old.until,
        "rows": old.rows,
        "cost_usd": usd_string(old.nano) if old.relation == "entries" else None,
        "kept_because": old.kept_because,
        "pruned": done is not None,
        "file": str(done.file) if done and done.file else None,
        "sha256": done.sha256 if done else None,
        "left_as": f"aikit.{done.left_as}" if done and done.left_as else None,
    }
