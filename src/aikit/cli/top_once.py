"""What `aikit top` prints where nobody sits at a terminal: the header and one table, or the same as data."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aikit.cli.output import console, gap, note, progress, table
from aikit.console.header import header_lines
from aikit.console.model import (
    AuditPage,
    BreakersPage,
    Budget,
    CallsPage,
    EvalRow,
    EvalsPage,
    Header,
    LimitsPage,
    Overview,
    OverviewRow,
    PromptRow,
    PromptsPage,
    Query,
    Snapshot,
    Source,
)
from aikit.console.moves import move_lines
from aikit.console.status import Status
from aikit.console.tables import table_of
from aikit.console.words import Style
from aikit.money import credits, usd_string

if TYPE_CHECKING:
    from aikit.console.table import Cell, Table

WIDEST = 400
"""Cells that a line has where nothing says how wide it may be."""
COLOURS = {"good": "green", "warn": "yellow", "bad": "red", "dim": "dim", "strong": "bold"}
MOST_IDLE = 5
"""After so many ticks that have read no more than the one before, what is read is shown."""
PARTS = 10_000
"""A share of a cap has four digits after the point, rounded down."""


def read_whole(source: Source, query: Query) -> Snapshot:
    """Read until all of it is read: of a long period a tick reads a part, and the next one goes on."""
    with progress("Reading the ledger"):
        snapshot, before, idle = source.read(query), Fraction(0), 0
        while snapshot.read < 1 and idle < MOST_IDLE:
            idle = idle + 1 if snapshot.read <= before else 0
            before = max(before, snapshot.read)
            snapshot = source.read(query)
        return snapshot


def show(snapshot: Snapshot, *, ascii: bool) -> None:
    """The header and the table on stdout; that there is nothing, and what is left out, on stderr."""
    out, style = console(), Style(ascii=ascii)
    width = out.width if out.is_terminal else None
    _print_header(snapshot, style, width or WIDEST)
    shown = table_of(snapshot, style)
    title = snapshot.query.tab.title()
    if shown.rows:
        gap()
        _print_table(f"{title} {style.dot} {shown.note}" if shown.note else title, shown, width)
    else:
        note(shown.empty)
    moves = move_lines(snapshot, style)
    if moves:
        gap()
    for line in moves:
        _print_parts(line)
    if shown.more:
        note(f"{shown.more:,} more.")


def _print_header(snapshot: Snapshot, style: Style, width: int) -> None:
    for line in header_lines(snapshot, Status(interval=None), style, width):
        _print_parts(line)


def _print_parts(line: Iterable[tuple[str, str]]) -> None:
    from rich.text import Text

    console().print(Text.assemble(*[(text, COLOURS.get(tone, "")) for text, tone in line]), soft_wrap=True)


def _print_table(title: str, shown: Table, width: int | None) -> None:
    """The columns that this width is for."""
    from aikit.cli.layout import Column

    kept = [index for index, column in enumerate(shown.columns) if width is None or column.from_width <= width]
    columns = [Column(shown.columns[index].name, right=shown.columns[index].right) for index in kept]
    cells = [[row.cells[index] for index in kept] for row in shown.rows]
    texts = [[cell.text for cell in row] for row in cells]
    table(title, columns, texts, colours=dict([_colour(cell) for row in cells for cell in row if _is_marked(cell)]))


def _is_marked(cell: Cell) -> bool:
    """Whether it begins with a glyph of ours, and can be coloured wherever it is found."""
    return cell.tone in ("good", "warn", "bad") and cell.text[1:2] == " "


def _colour(cell: Cell) -> tuple[str, str]:
    return cell.text, COLOURS[cell.tone]


def data(snapshot: Snapshot, nano_per_credit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the totals of `aikit.top/1`. What is unknown is null, and money is in exact dollars."""
    query = snapshot.query
    shown = table_of(snapshot, Style())
    found = {
        "at": snapshot.at,
        "tab": query.tab,
        "period": query.period,
        "filter": query.filter.text or None,
        "header": _header(snapshot.header),
        "rows": _rows(snapshot, nano_per_credit),
    }
    return found | _beside(snapshot), {"rows": len(shown.rows), "more": shown.more}


def _header(header: Header) -> dict[str, Any]:
    return {
        "database": header.database,
        "environment": header.environment,
        "cost_usd": _usd(header.spent if header.spent or not header.unpriced else None),
        "rate_per_hour_usd": _usd(header.rate),
        "budget": header.budget and _budget(header.budget),
        "calls": header.calls,
        "refused": header.refused,
        "failed": header.failed,
        "estimated_calls": header.estimated,
        "unpriced_calls": header.unpriced,
        "in_flight": header.in_flight,
        "held_usd": _usd(header.held),
        "spooled": header.spooled,
        "open_breakers": header.open_breakers,
    }


def _budget(budget: Budget) -> dict[str, Any]:
    return {
        "window": budget.window,
        "used_usd": _usd(budget.spent),
        "cap_usd": _usd(budget.cap),
        "soft_cap_usd": _usd(budget.soft_cap),
        "cap_share": _share(budget.share),
        "tenants": budget.tenants,
        "uncapped_tenants": budget.uncapped,
        "reached_at": budget.reached_at,
        "reached_by": budget.by,
    }


def _rows(snapshot: Snapshot, nano_per_credit: int) -> list[dict[str, Any]]:
    """As the commands that list the same have them."""
    match snapshot.page:
        case Overview(rows=rows):
            return [_overview(row, nano_per_credit) for row in rows]
        case CallsPage(rows=calls):
            from aikit.cli.calls import call_row

            return [call_row(row, nano_per_credit) for row in calls]
        case LimitsPage(rows=limits):
            from aikit.cli.limit_rows import limit_data

            return [limit_data(row, nano_per_credit) | {"cap_share": _share(row.share)} for row in limits]
        case BreakersPage(rows=breakers):
            from aikit.cli.breaker_words import data as breaker_data

            return [breaker_data(row) for row in breakers]
        case PromptsPage(rows=prompts):
            return [_prompt(row, nano_per_credit) for row in prompts]
        case EvalsPage(rows=evals):
            return [_eval(row) for row in evals]
        case AuditPage(rows=changes):
            from aikit.cli.audit import change_data

            return [change_data(row) for row in changes]


def _beside(snapshot: Snapshot) -> dict[str, Any]:
    """How much of it was read."""
    match snapshot.page:
        case Overview(since=since, read=read) | PromptsPage(since=since, read=read):
            return {"since": since, "read_share": _share(read)}
        case CallsPage(searched=searched) | AuditPage(searched=searched):
            return {"searched": searched}
        case _:
            return {}


def _overview(row: OverviewRow, nano_per_credit: int) -> dict[str, Any]:
    return {
        "tenant": row.tenant or None,
        "feature": row.feature or None,
        "provider": row.provider,
        "model": row.model,
        "calls": row.calls,
        "refused": row.refused,
        "failed": row.failed,
        "input_tokens": row.input,
        "cached_tokens": row.cached,
        "output_tokens": row.output,
        "cost_usd": _usd(row.nano),
        "credits": None if row.nano is None else credits(row.nano, nano_per_credit),
        "estimated_calls": row.estimated,
        "unpriced_calls": row.unpriced,
        "p50_ms": row.p50_ms,
        "p95_ms": row.p95_ms,
        "cap_share": _share(row.share),
        "cap_of": row.share_of,
        "breaker": row.breaker,
    }


def _prompt(row: PromptRow, nano_per_credit: int) -> dict[str, Any]:
    return {
        "prompt": row.id,
        "sha256": row.sha256,
        "published_at": row.published_at,
        "published_by": row.published_by,
        "labels": list(row.labels),
        "gate_passed": row.gate,
        "calls": row.calls,
        "refused": row.refused,
        "failed": row.failed,
        "cost_usd": _usd(row.nano),
        "credits": None if row.nano is None else credits(row.nano, nano_per_credit),
        "p50_ms": row.p50_ms,
        "p95_ms": row.p95_ms,
    }


def _eval(row: EvalRow) -> dict[str, Any]:
    return {
        "run": row.id,
        "suite": row.suite,
        "started_at": row.started_at,
        "subject": row.subject,
        "mode": row.mode,
        "cases": row.cases,
        "status": row.status,
        "why": row.why,
        "scores": dict(row.scores),
        "cost_usd": _usd(row.spent),
    }


def _usd(nano: int | None) -> str | None:
    return None if nano is None else usd_string(nano)


def _share(share: Fraction | None) -> float | None:
    return None if share is None else int(share * PARTS) / PARTS
