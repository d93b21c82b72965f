"""Limits for people and as JSON: what each counts, its caps, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from aikit.cli.output import UNKNOWN, console, table, when
from aikit.money import credits, format_usd, usd_string
from aikit.types import Action, Metric, Window

if TYPE_CHECKING:
    from aikit.cli.layout import Column
    from aikit.ledger.limits import LimitRow
    from aikit.policy.model import StatedLimit

BAR = 10
"""Cells of a full bar."""


def span(metric: str, window: str, each: str | None = None, *, warns: bool = False) -> str:
    """What a limit counts over which time: `per month`, `requests per minute, each user`, `calls at once`."""
    time = {"call": "per call", "total": "in total"}.get(window, f"per {window}")
    named = "calls at once" if metric == "concurrency" else f"{metric.replace('_', ' ')} {time}"
    words = time if metric == "credits" else named
    return words + (f", each {each}" if each else "") + (" (warn)" if warns else "")


def worded(limit: StatedLimit | None) -> str:
    """The caps of a limit: `$25.00, soft cap $20.00`; `no limit` for none."""
    if limit is None:
        return "no limit"
    return f"{amount(limit.cap, limit.metric)}{soft(limit)}"


def soft(limit: StatedLimit) -> str:
    """`, soft cap $20.00`, if there is one."""
    return "" if limit.soft_cap is None else f", soft cap {amount(limit.soft_cap, limit.metric)}"


def standing(row: LimitRow) -> str:
    """Where a limit stands: `used $1.00 · held $0.00 · left $24.00 · resets 2026-12-01 00:00 UTC`."""
    left = f"left {amount(row.remaining, row.metric, floor=True)}"
    if row.metric is Metric.CONCURRENCY:
        return f"running {amount(row.held, row.metric)} · {left}"
    resets = f"resets {when(row.resets_at)[:16]} UTC" if row.resets_at else "never resets"
    return f"used {amount(row.used, row.metric)} · held {amount(row.held, row.metric)} · {left} · {resets}"


def amount(value: int | None, metric: str, *, floor: bool = False) -> str:
    """Dollars for credits, a number for the rest."""
    if value is None:
        return UNKNOWN
    return format_usd(value, floor=floor) if metric == "credits" else f"{value:,}"


def print_limits(rows: Sequence[LimitRow]) -> None:
    """A table; columns in which there would be nothing to see are left out."""
    from aikit.cli.layout import Column

    blocks = console().is_terminal
    shown: list[tuple[str | Column, list[str]]] = [
        ("Tenant", [row.tenant for row in rows]),
        ("Limit", [_name(row) for row in rows]),
        ("Counts", [_counts(row) for row in rows] if any(row.counts for row in rows) else []),
        ("Cap", [amount(row.cap, row.metric) for row in rows]),
        (Column("Soft cap", 6), _soft_caps(rows)),
        (Column("Used", 2), [_unless_single(row, amount(row.used, row.metric)) for row in rows]),
        (Column("Held", 5), [_unless_single(row, amount(row.held, row.metric)) for row in rows]),
        ("Left", [_unless_single(row, amount(row.remaining, row.metric, floor=True)) for row in rows]),
        (Column("Of the cap", 1), [bar(row, blocks) for row in rows]),
        (Column("Set by", 3), [row.source for row in rows]),
        (Column("Resets (UTC)", 4), [when(row.resets_at)[:16] for row in rows]),
    ]
    kept = [(column, cells) for column, cells in shown if cells]
    table(
        "Limits", [column for column, _ in kept], [list(row) for row in zip(*[cells for _, cells in kept], strict=True)]
    )


def bar(row: LimitRow, blocks: bool) -> str:
    """How much of the cap is used (█) and held (▒): ` 34% ██▒·······`; in ASCII where nobody looks at blocks."""
    share = row.share
    if share is None:
        return UNKNOWN
    share = share if row.cap else Fraction(1)  # of nothing, all is used
    filled = min(BAR, int(share * BAR))
    held = min(filled, (row.held or 0) * BAR // row.cap) if row.cap else 0
    full, part, rest = "█▒·" if blocks else "#+."
    return f"{int(share * 100):>3}% {(filled - held) * full}{held * part}{(BAR - filled) * rest}"


def limit_data(row: LimitRow, nano_per_credit: int) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "tenant": row.tenant,
        "metric": row.metric,
        "window": None if row.metric is Metric.CONCURRENCY else row.window,
        "action": row.action,
        "source": row.source,
        "counts": row.counts or "tenant",
        **amounts(row.metric, {"cap": row.cap, "soft_cap": row.soft_cap, "remaining": row.remaining}, nano_per_credit),
        **amounts(row.metric, {"used": row.used, "held": row.held}, nano_per_credit, up=True),
        "time_zone": row.zone,
        "resets_at": row.resets_at,
    }


def amounts(
    metric: str, values: Mapping[str, int | None], nano_per_credit: int, *, up: bool = False
) -> dict[str, str | int | None]:
    """Money twice, in exact dollars and in whole credits; a number of anything else as it is.

    Caps and what is left of them are rounded down to whole credits, what is used and held `up`.
    """
    if metric != "credits":
        return dict(values)
    data: dict[str, str | int | None] = {}
    for name, nano in values.items():
        data[f"{name}_usd"] = None if nano is None else usd_string(nano)
        data[f"{name}_credits"] = (
            None if nano is None else credits(nano, nano_per_credit) if up else nano // nano_per_credit
        )
    return data


def _name(row: LimitRow) -> str:
    """`credits/month`, `requests/minute (warn)`, `concurrency`."""
    name = str(row.metric) if row.metric is Metric.CONCURRENCY else f"{row.metric}/{row.window}"
    return f"{name} (warn)" if row.action is Action.WARN else name


def _counts(row: LimitRow) -> str:
    return row.counts or ("each call" if row.window is Window.CALL else "tenant")


def _soft_caps(rows: Sequence[LimitRow]) -> list[str]:
    if all(row.soft_cap is None for row in rows):
        return []
    return [UNKNOWN if row.soft_cap is None else amount(row.soft_cap, row.metric) for row in rows]


def _unless_single(row: LimitRow, text: str) -> str:
    """A limit on each single call counts nothing."""
    return UNKNOWN if row.window is Window.CALL else text
