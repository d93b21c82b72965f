"""How a comparison with a bill is shown: the rows that differ, the sums, and what explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from aikit.cli.output import UNKNOWN, emit_json, facts, line, note, table
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.bills.compare import Comparison, Row
    from aikit.bills.sides import Bill
    from aikit.cli.layout import Column


def show(found: Comparison, start: date, end: date, tolerance: int) -> None:
    """For people: what differs, then what may explain it."""
    period = f"{start} to {end - timedelta(days=1)} (UTC)"
    several = len({row.provider for row in found.rows}) > 1
    if not found.rows:
        line(f"Nothing on either side, {period}.")
        return
    if found.priced:
        _show_money(found, period, several)
    else:
        _show_tokens(found, period, several)
    line(_verdict(found, tolerance))
    if found.priced:
        _show_ours(found)


def write_json(found: Comparison, bills: Sequence[Bill], start: date, end: date, tolerance: int) -> None:
    """All rows, whether they agree or not."""
    data = {
        "agrees": found.agrees,
        "since": start.isoformat(),
        "until": end.isoformat(),
        "by": found.by,
        "tolerance_usd": usd_string(tolerance),
        "files": [{"file": bill.where, "provider": bill.provider, "kind": bill.kind} for bill in bills],
        "same": [
            {"provider": provider, "ours": family.ours, "theirs": family.theirs} for provider, family in found.mapped
        ],
        "rows": [_row_data(row) for row in found.rows],
    }
    emit_json("ledger.reconcile", data, _totals_data(found))


def _show_money(found: Comparison, period: str, several: bool) -> None:
    from aikit.cli.layout import Column

    columns: list[str | Column] = [*_key_columns(found, several), "Ours", "Theirs", "Difference"]
    if found.counted:
        columns += [Column("Our tokens", drop=1), Column("Their tokens", drop=1)]
    rows = [
        [*_keys(row, found, several), *_amounts(row.ours, row.theirs, row.difference), *_tokens(row, found.counted)]
        for row in found.differing
    ]
    totals = found.totals
    blank = [""] * (len(_key_columns(found, several)) - 1)
    last = ["Total", *blank, *_amounts(totals.ours, totals.theirs, totals.difference)]
    table(f"The ledger and the bill, {period}", columns, rows, last + [""] * (len(columns) - len(last)))


def _show_tokens(found: Comparison, period: str, several: bool) -> None:
    columns = [*_key_columns(found, several), "Tokens", "Ours", "Theirs", "Difference"]
    rows = []
    for row in found.differing:
        ours, theirs = row.our_tokens or {}, row.their_tokens or {}
        for name in sorted({*ours, *theirs}):
            mine, billed = ours.get(name, 0), theirs.get(name, 0)
            if mine != billed:
                cells = [name, f"{mine:,}", f"{billed:,}", f"{mine - billed:+,}"]
                rows.append([*_keys(row, found, several), *cells])
    if rows:
        table(f"Tokens in the ledger and on the bill, {period}", columns, rows)


def _verdict(found: Comparison, tolerance: int) -> str:
    differ, agree = len(found.differing), len(found.rows) - len(found.differing)
    if not found.priced:
        return f"{agree:,} of {len(found.rows):,} agree in every class of tokens."
    within = f", and differ by {_signed(found.totals.within)} together" if found.totals.within else ""
    rest = f" {differ:,} {'does' if differ == 1 else 'do'} not." if differ else ""
    how = f"within {format_usd(tolerance)}" if tolerance else "to the nano-dollar"
    return f"{agree:,} of {len(found.rows):,} agree {how}{within}.{rest}"


def _show_ours(found: Comparison) -> None:
    totals = found.totals
    pairs = [
        ("charged at an upper bound (estimated)", totals.estimated),
        ("presumed spent", totals.presumed),
        ("only in the ledger", totals.only_ours),
        ("only on the bill", totals.only_theirs),
        ("rounding of the bill, at most", totals.rounding),
    ]
    told = [(name, format_usd(nano)) for name, nano in pairs if nano]
    if told and not found.agrees:
        facts("What most often explains it", told)
    if totals.unpriced_calls:
        note(f"{totals.unpriced_calls:,} of our calls have no known price; their cost is in no sum.")


def _key_columns(found: Comparison, several: bool) -> list[str | Column]:
    return [*(["Provider"] if several else []), *(name.capitalize() for name in found.by.split(","))]


def _keys(row: Row, found: Comparison, several: bool) -> list[str]:
    parts = {"day": str(row.day), "model": row.model or UNKNOWN}
    return [*([row.provider] if several else []), *(parts[name] for name in found.by.split(","))]


def _amounts(ours: int | None, theirs: int | None, difference: int) -> list[str]:
    return [format_usd(ours), format_usd(theirs), _signed(difference)]


def _signed(nano: int) -> str:
    return f"+{format_usd(nano)}" if nano > 0 else format_usd(nano)


def _tokens(row: Row, counted: bool) -> list[str]:
    if not counted:
        return []
    return [UNKNOWN if side is None else f"{sum(side.values()):,}" for side in (row.our_tokens, row.their_tokens)]


def _row_data(row: Row) -> dict[str, Any]:
    return {
        "provider": row.provider,
        "day": row.day and row.day.isoformat(),
        "model": row.model,
        "agrees": row.agrees,
        "only": row.only,
        "ours_usd": _usd(row.ours),
        "theirs_usd": _usd(row.theirs),
        "difference_usd": usd_string(row.difference) if row.priced else None,
        "estimated_usd": usd_string(row.estimated),
        "presumed_usd": usd_string(row.presumed),
        "rounding_usd": usd_string(row.rounding),
        "calls": row.calls,
        "unpriced_calls": row.unpriced_calls,
        "our_tokens": _counts(row.our_tokens),
        "their_tokens": _counts(row.their_tokens),
    }


def _totals_data(found: Comparison) -> dict[str, Any]:
    totals, priced = found.totals, found.priced
    return {
        "rows": len(found.rows),
        "differing": len(found.differing),
        "ours_usd": usd_string(totals.ours),
        "theirs_usd": usd_string(totals.theirs) if priced else None,
        "difference_usd": usd_string(totals.difference) if priced else None,
        "within_tolerance_usd": usd_string(totals.within) if priced else None,
        "only_ours_usd": usd_string(totals.only_ours),
        "only_theirs_usd": usd_string(totals.only_theirs) if priced else None,
        "estimated_usd": usd_string(totals.estimated),
        "presumed_usd": usd_string(totals.presumed),
        "rounding_usd": usd_string(totals.rounding),
        "unpriced_calls": totals.unpriced_calls,
    }


def _usd(nano: int | None) -> str | None:
    return None if nano is None else usd_string(nano)


def _counts(tokens: Mapping[str, int] | None) -> dict[str, int] | None:
    return None if tokens is None else dict(tokens)
