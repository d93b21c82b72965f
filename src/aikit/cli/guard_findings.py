"""`aikit guard findings`: how often guards found something, where, and what was done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.options import Json, OfTenant, Since, read_moment
from aikit.cli.output import UNKNOWN, emit_json, note, table, when

if TYPE_CHECKING:
    from aikit.ledger.findings import FindingsReport, FindingsRow

By = Annotated[
    Literal["guard", "kind", "tenant", "feature", "model", "prompt"], typer.Option("--by", help="What a row is.")
]


def findings(
    by: By = "guard",
    since: Since = "24h",
    tenant: OfTenant = None,
    guard: Annotated[str | None, typer.Option("--guard", metavar="NAME", help="Only of this guard.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", metavar="NAME", help="Only of this kind.")] = None,
    json: Json = False,
) -> None:
    """What guards found, the most frequent first: counts, never the text.

    Counts findings by where they were, and calls by what was done with them: one with findings that were redacted and
    others that were flagged is in both columns.
    """
    start = read_moment("--since", since)
    from aikit.cli.books import open_books
    from aikit.ledger import findings as found

    report = found.findings(open_books().database, by, since=start, tenant=tenant, guard=guard, kind=kind)
    if json:
        rows = [{by: row.key or None} | _data(row) for row in report.rows]
        emit_json("guard.findings", rows, {"since": report.since, **_data(report.totals)})
    elif report.rows:
        _print(by, report)
    if not report.rows:
        note(f"No guard found anything since {when(report.since)[:16]} UTC.")


def _print(by: str, report: FindingsReport) -> None:
    from aikit.cli.layout import Column

    columns: list[str | Column] = [
        by.capitalize(),
        "Findings",
        "Calls",
        "Blocked",
        "Redacted",
        Column("Flagged", drop=1),
        Column("Input", drop=2),
        Column("Output", drop=2),
        Column("Tool arguments", drop=3),
        Column("Tool results", drop=3),
    ]
    rows = [[row.key or UNKNOWN, *_cells(row)] for row in report.rows]
    title = f"Findings by {by} since {when(report.since)[:16]} UTC"
    table(title, columns, rows, ["Total", *_cells(report.totals)])


def _cells(row: FindingsRow) -> list[str]:
    from aikit.types import GuardAction, Place

    acted = [row.acted[action] for action in (GuardAction.BLOCK, GuardAction.REDACT, GuardAction.FLAG)]
    places = [row.at(place) for place in Place]
    return [f"{count:,}" for count in (row.findings, row.attempts, *acted, *places)]


def _data(row: FindingsRow) -> dict[str, Any]:
    """As JSON has it; `places` has findings by place and action, without zeros."""
    places: dict[str, dict[str, int]] = {}
    for (place, action), count in row.counts.items():
        places.setdefault(str(place), {})[str(action)] = count
    return {
        "findings": row.findings,
        "calls": row.attempts,
        "calls_by_action": {str(action): count for action, count in row.acted.items()},
        "places": places,
    }
