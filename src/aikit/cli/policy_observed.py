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
    """What limits with action = "warn" would have refused, had they blocked. These calls were sent."""
    start = read_moment("--since", since)
    from aikit.cli.books import open_books
    from aikit.ledger import observed as observing

    found = observing.observed(open_books().database, since=start, tenant=tenant)
    if json:
        calls, nano = sum(row.calls for row in found.rows), sum(row.nano for row in found.rows)
        totals = {"since": found.since, "calls": calls, "cost_usd": usd_string(nano)}
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
            row.limit,
            row.reason_code,
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

    return str(row.metric) if row.metric is Metric.CONCURRENCY else f"{row.metric}/{row.window}"


def _data(row: ObservedRow) -> dict[str, Any]:
    return {
        "tenant": row.tenant,
        "reason_code": row.reason_code,
        "limit_source": row.limit,
        "metric": str(row.metric),
        "window": str(row.window),
        "calls": row.calls,
        "users": row.users,
        "running": row.running,
        "cost_usd": usd_string(row.nano),
        "first_at": row.first_at,
        "last_at": row.last_at,
    }
