"""`aikit spend`: what was spent, by whom and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.options import Json, OfFeature, OfTenant, OfUser, Since, Until, read_moment
from aikit.cli.output import UNKNOWN, console, emit_json, note, table, when
from aikit.money import credits, format_usd, usd_string

if TYPE_CHECKING:
    from aikit.ledger.reports import SpendReport, SpendRow

By = Annotated[
    Literal["tenant", "user", "feature", "model", "provider", "day", "environment", "prompt"],
    typer.Option("--by", help="What a row is."),
]
OfEnvironment = Annotated[
    Literal["dev", "staging", "prod"] | None, typer.Option("--environment", help="Only this environment.")
]

BAR = 8
"""Cells of a full bar."""
EIGHTHS = " ▏▎▍▌▋▊▉█"


def spend(
    by: By = "tenant",
    since: Since = None,
    until: Until = None,
    tenant: OfTenant = None,
    user: OfUser = None,
    feature: OfFeature = None,
    environment: OfEnvironment = None,
    json: Json = False,
) -> None:
    """What was spent, the dearest first. Without --since, from the 1st of this month (UTC)."""
    start, end = read_moment("--since", since), read_moment("--until", until)
    from aikit.cli.books import open_books
    from aikit.ledger import reports

    books = open_books()
    report = reports.spend(
        books.database,
        by,
        since=start,
        until=end,
        tenant=tenant,
        user=user,
        feature=feature,
        environment=environment,
    )
    if json:
        rows = [{by: row.key or None} | _data(row, books.nano_per_credit) | _of_prompt(by, row) for row in report.rows]
        emit_json("spend", rows, _data(report.totals, books.nano_per_credit))
    elif report.rows:
        _print(by, report)
    if not report.rows:
        note(f"No calls {_period(report)}.")


def _print(by: str, report: SpendReport) -> None:
    from aikit.cli.layout import Column

    columns: list[str | Column] = [
        by.capitalize(),
        "Calls",
        Column("Refused", drop=1),
        Column("Failed", drop=3),
        Column("Input", drop=2),
        Column("Cached", drop=4),
        Column("Output", drop=2),
        "Cost",
        *([Column("p50", drop=6), Column("p95", drop=6)] if by == "prompt" else []),
        Column("Share", drop=5),
    ]
    whole, bars = report.totals, console().is_terminal
    rows = [
        [row.key or UNKNOWN, *_cells(row), *_took(by, row), _share(row.nano, whole.nano, bars)] for row in report.rows
    ]
    total = ["Total", *_cells(whole), *([""] * len(_took(by, whole))), ""]
    table(f"Spend by {by} {_period(report)}", columns, rows, total)
    if whole.estimated_calls:
        note(f"The cost of {whole.estimated_calls:,} calls is estimated, at an upper bound.")
    if whole.unpriced_calls:
        note(f"{whole.unpriced_calls:,} calls have no known price; their cost is in no sum.")


def _data(row: SpendRow, nano_per_credit: int) -> dict[str, Any]:
    """As JSON has it. The cost is null if no call's is known."""
    nano = _known(row)
    return {
        "calls": row.calls,
        "tokens": row.tokens,
        "cost_usd": None if nano is None else usd_string(nano),
        "credits": None if nano is None else credits(nano, nano_per_credit),
        "estimated_calls": row.estimated_calls,
        "unpriced_calls": row.unpriced_calls,
    }


def _of_prompt(by: str, row: SpendRow) -> dict[str, Any]:
    """What JSON has beside that of a version of a prompt: its errors and how long it took."""
    if by != "prompt":
        return {}
    latency = row.latency
    return {
        "failed": row.failed,
        "refused": row.refused,
        "p50_ms": latency and latency.p50_ms,
        "p95_ms": latency and latency.p95_ms,
    }


def _took(by: str, row: SpendRow) -> list[str]:
    if by != "prompt":
        return []
    latency = row.latency
    return [UNKNOWN] * 2 if latency is None else [f"{ms:,} ms" for ms in (latency.p50_ms, latency.p95_ms)]


def _known(row: SpendRow) -> int | None:
    return None if row.calls and row.unpriced_calls == row.calls else row.nano


def _cells(row: SpendRow) -> list[str]:
    from aikit.types import INPUT_CLASSES, OUTPUT_CLASSES

    counts = [
        row.calls,
        row.refused,
        row.failed,
        sum(row.tokens[name] for name in INPUT_CLASSES),
        row.tokens["cache_read"],
        sum(row.tokens[name] for name in OUTPUT_CLASSES),
    ]
    return [*[f"{count:,}" for count in counts], format_usd(_known(row))]


def _share(part: int, whole: int, bars: bool) -> str:
    """`███▌     44%`, or without the bar where nobody looks at it."""
    if whole <= 0:
        return ""
    percent = f"{(part * 100 + whole // 2) // whole}%"
    full, rest = divmod(part * BAR * 8 // whole, 8)
    bar = "█" * full + (EIGHTHS[rest] if rest else "")
    return f"{bar:<{BAR}} {percent:>4}" if bars else percent


def _period(report: SpendReport) -> str:
    start = f"since {when(report.since)[:16]}"
    return f"{start} UTC" if report.until is None else f"{start} until {when(report.until)[:16]} UTC"
