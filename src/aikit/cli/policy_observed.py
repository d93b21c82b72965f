"""`aikit policy observed`: what limits that only warn would have refused, before they bite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aikit.cli.options import Json, OfTenant, Since, read_moment
from aikit.cli.output import emit_json, note, table, when
from aikit.money import format_usd, usd_string

if TYPE_CHECKING:
    from aikit.cli.layout import Column
    from aikit.ledger.observed import ObservedRow


def observed(since: Since = "24h", tenant: OfTenant = None, json: Json = False) -> None:
    """What limits that only warn would have refused.

    These calls were sent: the limits have action = "warn". One that several would have refused is counted for each.
    """
    start = read_moment("--since", since)
    from aikit.cli.books import open_books
    from aikit.ledger import observed as observing

    found = observing.observed(open_books().database, since=start, tenant=tenant)
    if json:
        totals = {"since": found.since, "calls": found.calls, "cost_usd": usd_string(found.nano)}
        emit_json("policy.observed", [_data(row) for row in found.rows], totals)
    elif found.rows:
        _print(found.rows, f"Would have been refused since {when(found.since)[:16]} UTC")
    if not found.rows:
        note(f"Nothing would have been refused since {when(found.since)[:16]} UTC by a limit that only warns.")


def _print(rows: tuple[ObservedRow, ...], title: str) -> None:
    from aikit.cli.layout import Column

    columns: list[str | Column] = [
        "Tenant",
        "Limit",
        "Set by",
        Column("Reason", drop=3),
        "Calls",
        "Users",
        "Cost",
        Column("Last (UTC)", drop=2),
    ]
    cells = [
        [
            row.tenant,
            _limit(row),
            row.source,
            _reason_code(row),
            f"{row.calls:,}",
            f"{row.users:,}",
            format_usd(row.nano),
            when(row.last_at)[:16],
        ]
        for row in rows
    ]
    table(title, columns, cells)
    running = sum(row.running for row in rows)
    if running:
        note(f"{running:,} of these calls are still running; what they cost is not in the sums.")


def _limit(row: ObservedRow) -> str:
    from aikit.types import Metric

    return row.metric if row.metric == Metric.CONCURRENCY else f"{row.metric}/{row.window}"


def _reason_code(row: ObservedRow) -> str:
    """The code with which the limit would have refused."""
    from aikit.meter.judge import reason_code
    from aikit.types import LOOP_DETECTED, VELOCITY_EXCEEDED, Limit, LimitState, Metric, Window

    if row.metric not in tuple(Metric):
        return LOOP_DETECTED if row.metric == "loops" else VELOCITY_EXCEEDED
    return reason_code(LimitState(Limit(Metric(row.metric), Window(row.window), 0, row.source), 0, 0, None))


def _data(row: ObservedRow) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "reason_code": _reason_code(row),
        "limit_source": row.source,
        "metric": row.metric,
        "window": row.window,
        "calls": row.calls,
        "users": row.users,
        "running": row.running,
        "cost_usd": usd_string(row.nano),
        "first_at": row.first_at,
        "last_at": row.last_at,
    }
