"""What guards have found: counts by guard, kind, tenant, feature, model or prompt, and what was done with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import sqlalchemy as sa

from aikit.errors import ConfigError
from aikit.ledger.reading import Readable, aware, check_tags, database_time, ids_since, reading
from aikit.types import GuardAction, Place

A_DAY = timedelta(days=1)
KEYS = {
    "guard": "f.guard",
    "kind": "f.guard || '/' || f.kind",
    "tenant": "e.tenant",
    "feature": "coalesce(e.feature, '')",
    "model": "e.provider || '/' || e.model",
    "prompt": "coalesce(e.prompt, '')",
}
"""What findings can be reported by. A key is empty where the attempts named no feature or no prompt."""
DONE = """
    CASE WHEN f.kind = 'crashed' AND f.action = 'redact' THEN 'block'
         WHEN f.guard = 'json_schema' AND f.kind = 'repaired' AND f.action = 'block' THEN 'redact'
         ELSE f.action END"""
"""What was done, where that is not the guard's action: one that should redact and crashes blocks; one that should block
and can repair does that."""
CELLS = tuple(product(Place, GuardAction))


@dataclass(frozen=True, slots=True)
class FindingsRow:
    """The findings of one key. A text that was found five times in one place of an attempt is five findings.

    `attempts` have a finding; `acted` says in how many of them what was done with one: an attempt in which several
    things were done counts for each. `counts` are findings by place and what was done, without zeros.
    """

    key: str
    findings: int
    attempts: int
    acted: dict[GuardAction, int]
    counts: dict[tuple[Place, GuardAction], int]

    def at(self, place: Place) -> int:
        """The findings in this place."""
        return sum(count for (there, _), count in self.counts.items() if there is place)


@dataclass(frozen=True, slots=True)
class FindingsReport:
    """Findings since a moment, the most first; `totals` counts each attempt once, whatever it has of which key."""

    rows: tuple[FindingsRow, ...]
    totals: FindingsRow
    since: datetime


def findings(
    database: Readable,
    by: str = "guard",
    *,
    since: datetime | None = None,
    tenant: str | None = None,
    guard: str | None = None,
    kind: str | None = None,
) -> FindingsReport:
    """What guards found in attempts since then (default: 24 hours ago) that have ended or were refused.

    Raises ConfigError for an unknown `by`, an unusable tenant's name or a time without a time zone.
    """
    if by not in KEYS:
        raise ConfigError(f"There are no findings by {by!r}.", remedy=f"Choose one of {', '.join(KEYS)}.")
    check_tags(tenant=tenant)
    with reading(database) as connection:
        start = aware("since", since) if since is not None else database_time(connection) - A_DAY
        given = {"since": start, "first": ids_since(start), "tenant": tenant, "guard": guard, "kind": kind}
        *rows, totals = [_row(columns) for columns in connection.execute(sa.text(counting(by)), given)]
    return FindingsReport(tuple(rows), totals, start)


def counting(by: str) -> str:
    """The statement that counts findings by a key: a row for each, then one for all of them together."""
    acted = [f"count(DISTINCT attempt) FILTER (WHERE action = '{action}')" for action in GuardAction]
    cells = [
        f"coalesce(sum(times) FILTER (WHERE place = '{place}' AND action = '{action}'), 0)::bigint"
        for place, action in CELLS
    ]
    return f"""
        WITH found AS (
            SELECT tenant, feature, provider, model, prompt, attempt, findings FROM aikit.entries
            WHERE findings IS NOT NULL AND attempt >= :first AND admitted_at >= :since
              AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)
            UNION ALL
            SELECT tenant, feature, provider, model, prompt, attempt, findings FROM aikit.refusals
            WHERE findings IS NOT NULL AND attempt >= :first AND refused_at >= :since
              AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)
        ), single AS (
            SELECT {KEYS[by]} AS key, e.attempt, f.place, {DONE} AS action, f.times
            FROM found e CROSS JOIN LATERAL jsonb_to_recordset(e.findings)
                 f (guard text, kind text, place text, action text, times integer)
            WHERE (CAST(:guard AS text) IS NULL OR f.guard = :guard)
              AND (CAST(:kind AS text) IS NULL OR f.kind = :kind)
        )
        SELECT grouping(key), coalesce(key, ''), coalesce(sum(times), 0)::bigint, count(DISTINCT attempt),
               {", ".join([*acted, *cells])}
        FROM single GROUP BY GROUPING SETS ((key), ())
        ORDER BY 1, 3 DESC, 2
    """


def _row(columns: Sequence[Any]) -> FindingsRow:
    _, key, found, attempts, *counts = columns
    acted = dict(zip(GuardAction, counts, strict=False))
    cells = {cell: count for cell, count in zip(CELLS, counts[len(acted) :], strict=True) if count}
    return FindingsRow(key, found, attempts, acted, cells)
