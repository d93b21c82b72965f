"""`aikit ledger export`: the ledger as a file for other programs, on stdout or in a place of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.options import OfTenant, Since, Until, read_moment
from aikit.cli.output import note, progress

if TYPE_CHECKING:
    from aikit.database.connect import Database
    from aikit.ledger.export.rows import Selection

Format = Annotated[str, typer.Option("--format", metavar="FORMAT", help="csv, jsonl or parquet.")]
What = Annotated[str, typer.Option("--what", metavar="WHAT", help="entries or refusals.")]
Output = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where to; stdout if there is none.")
]


def export(
    format: Format = "jsonl",
    since: Since = None,
    until: Until = None,
    tenant: OfTenant = None,
    what: What = "entries",
    output: Output = None,
) -> None:
    """Every column of entries or refusals, by the time of the decision.

    Money is there as integer nano-dollars and as exact decimals. A file is complete or not there.
    """
    from aikit.cli.books import open_books
    from aikit.ledger.export.rows import Selection

    selection = Selection(what, read_moment("--since", since), read_moment("--until", until), tenant)
    selection.check()
    if format == "parquet" and output is None:
        raise typer.BadParameter("Parquet needs a file: add -o FILE.", param_hint="--format")
    _export(open_books().database, selection, format, output)


def _export(database: Database, selection: Selection, format: str, output: Path | None) -> None:
    from aikit.ledger.export.files import written
    from aikit.ledger.export.rows import export

    with progress(f"Exporting {selection.relation}") as advance:
        if output is None:
            sys.stdout.flush()
            count = export(database, selection, format, sys.stdout.buffer, advance)
            sys.stdout.buffer.flush()
        else:
            with written(output) as file:
                count = export(database, selection, format, file, advance)
    note(f"{count:,} {selection.relation}{f' in {output}' if output else ''}")
