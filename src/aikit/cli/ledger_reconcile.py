"""`aikit ledger reconcile`: our totals against a provider's usage or cost export, to the cent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aikit.cli.options import Json, Since, Until, read_moment
from aikit.cli.output import note, progress
from aikit.errors import ConfigError, Exit
from aikit.money import parse_usd

if TYPE_CHECKING:
    from aikit.bills.compare import Comparison
    from aikit.bills.sides import Bill, Ours
    from aikit.config import Settings
    from aikit.database.connect import Database

Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Exports, as downloaded: .csv, .csv.gz or .json.")]
Names = Annotated[
    list[str] | None,
    typer.Option("--provider", metavar="NAME", help="Our provider that the files bill; may be given more than once."),
]
OfKind = Annotated[Literal["cost", "usage"] | None, typer.Option("--kind", help="What the files are, if unclear.")]
By = Annotated[Literal["day", "model", "day,model"], typer.Option("--by", help="What a row is.")]
Tolerance = Annotated[str, typer.Option("--tolerance", metavar="USD", help="Up to this, a row agrees.")]

ONE_DAY = timedelta(days=1)


def reconcile(
    files: Files,
    provider: Names = None,
    kind: OfKind = None,
    by: By = "day,model",
    since: Since = None,
    until: Until = None,
    tolerance: Tolerance = "0.01",
    json: Json = False,
) -> None:
    """Compare the ledger with exports of OpenAI or Anthropic. Exits 1 if they don't agree.

    Without --since and --until, the UTC days that the files cover. Without --provider, our provider of that name.
    """
    first, last = read_moment("--since", since), read_moment("--until", until)
    allowed = _nano("--tolerance", tolerance)
    from aikit.bills.compare import compare
    from aikit.cli.books import open_books
    from aikit.cli.ledger_reconcile_words import show, write_json
    from aikit.config import load

    settings = load()
    named = _named(settings, provider or [])
    bills = _read(files, kind, set(named.values()))
    start, end = _period(bills, first, last)
    bills = _within(bills, start, end)
    with progress("Reading the ledger"):
        ours = _ours(open_books().database, named, bills, start, end)
    found = compare(bills, ours, by=by, tolerance=allowed)
    _explain(found, bills)
    if json:
        write_json(found, bills, start, end, allowed)
    else:
        show(found, start, end, allowed)
    if not found.agrees:
        raise typer.Exit(Exit.NO)


def _nano(option: str, text: str) -> int:
    try:
        return parse_usd(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None


def _named(settings: Settings, names: Sequence[str]) -> dict[str, str]:
    """By name of our provider, whose exports it is billed by. Raises ConfigError for one that nobody bills so."""
    kinds = {name: settings.provider(name).kind for name in names}
    for name, kind in kinds.items():
        if kind not in ("openai", "anthropic"):
            raise ConfigError(
                f"Exports of {name} ({kind}) can't be read.", remedy="Those of OpenAI and Anthropic can, so far."
            )
    return kinds


def _read(files: Sequence[Path], kind: str | None, providers: set[str]) -> list[Bill]:
    """Raises BillUnreadable, and ConfigError for a file that can't be opened or is there twice."""
    from aikit.bills.read import read_bill

    only = next(iter(providers)) if len(providers) == 1 else None
    seen: dict[bytes, Path] = {}
    bills = []
    for file in files:
        try:
            data = file.read_bytes()
        except OSError as error:
            raise ConfigError(f"{file} can't be read: {error.strerror}.", remedy="Check the path.") from None
        if data in seen:
            raise ConfigError(f"{file} and {seen[data]} are the same.", remedy="Give each export once.")
        seen[data] = file
        bills.append(read_bill(str(file), data, provider=only, kind=kind))
    return bills


def _period(bills: Sequence[Bill], first: datetime | None, last: datetime | None) -> tuple[date, date]:
    """The first day, and the day after the last. A part of a day counts as the day."""
    days = {day for bill in bills for day in bill.days}
    start = first.astimezone(UTC).date() if first else min(days)
    end = (last.astimezone(UTC) + ONE_DAY - timedelta(microseconds=1)).date() if last else max(days) + ONE_DAY
    if end <= start:
        raise ConfigError(f"The period ends ({end}) before it begins ({start}).", remedy="Check --since and --until.")
    return start, end


def _within(bills: Sequence[Bill], start: date, end: date) -> list[Bill]:
    kept = [replace(bill, lines=tuple(line for line in bill.lines if start <= line.day < end)) for bill in bills]
    if not any(bill.lines for bill in kept):
        raise ConfigError(f"The files have nothing from {start} until {end}.", remedy="Check --since and --until.")
    return kept


def _ours(database: Database, named: dict[str, str], bills: Sequence[Bill], start: date, end: date) -> list[Ours]:
    """The ledger's side, under the name of who bills it."""
    from aikit.ledger.daily import daily

    billed_by = dict(named)
    for bill in bills:
        if bill.provider not in named.values():
            billed_by[bill.provider] = bill.provider
    return [replace(one, provider=billed_by[one.provider]) for one in daily(database, list(billed_by), start, end)]


def _explain(found: Comparison, bills: Sequence[Bill]) -> None:
    for text in found.notes:
        note(text)
    for provider, family in found.mapped:
        note(f"Taken to be the same at {provider}: {', '.join(family.ours)} = {', '.join(family.theirs)}.")
    for bill in bills:
        if bill.rounding and bill.lines:
            note(f"{bill.where} rounds each of its {len(bill.lines):,} lines to the cent: that much may be between us.")
