"""What limits that only warn would have refused: attempts that were sent, by the limit that would have stopped them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.ledger.reading import aware, check_tags, database_time, ids_since, reading
from aikit.types import Metric, Window

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """The attempts of a tenant that one limit would have refused. `nano` is what they came to, in nano-USD.

    `limit` is the policy that states the limit. Where several limits would have refused an attempt, it is the one that
    resets last, as for a refusal. `running` of the calls have not ended, and are not in `nano`.
    """

    tenant: str
    reason_code: str
    limit: str
    metric: Metric
    window: Window
    calls: int
    users: int
    running: int
    nano: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Observed:
    """All of them since a moment, the most calls first."""

    rows: tuple[ObservedRow, ...]
    since: datetime


QUERY = sa.text("""
    WITH observed AS (
        SELECT tenant, user_id, would_refuse, limits, seq, nano, admitted_at, false AS running,
               held_nano AS most, held_tokens AS tokens, held_output AS output
        FROM aikit.entries
        WHERE would_refuse IS NOT NULL AND attempt >= :first AND admitted_at >= :since
          AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)
        UNION ALL
        SELECT tenant, user_id, would_refuse, limits, 0, 0, admitted_at, true, nano, tokens, output_tokens
        FROM aikit.holds
        WHERE would_refuse IS NOT NULL AND admitted_at >= :since
          AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)
    )
    SELECT o.tenant, o.would_refuse, l.source, l.metric, l."window",
           count(*) FILTER (WHERE o.seq = 0), count(DISTINCT o.user_id), count(*) FILTER (WHERE o.running),
           sum(o.nano)::bigint, min(o.admitted_at), max(o.admitted_at)
    FROM observed o CROSS JOIN LATERAL (
        SELECT s ->> 0 AS metric, s ->> 1 AS "window", s ->> 2 AS source
        FROM json_array_elements(o.limits) WITH ORDINALITY AS found (s, place)
        WHERE s ->> 5 = 'warn'
          AND (s ->> 8)::numeric + (s ->> 9)::numeric + (s ->> 10)::numeric
              + CASE s ->> 0
                    WHEN 'credits' THEN o.most
                    WHEN 'tokens' THEN o.tokens
                    WHEN 'input_tokens' THEN o.tokens - o.output
                    WHEN 'output_tokens' THEN o.output
                    ELSE 1 END > (s ->> 3)::numeric
        ORDER BY s ->> 0 = 'concurrency', (s ->> 7)::numeric DESC NULLS FIRST, place
        LIMIT 1
    ) l
    GROUP BY o.tenant, o.would_refuse, l.source, l.metric, l."window"
    ORDER BY 6 DESC, o.tenant, o.would_refuse, l.source
""")
"""The places in a recorded limit are those of `aikit.ledger.states`; the order among several is that of a decision."""


def observed(database: Database, *, since: datetime | None = None, tenant: str | None = None) -> Observed:
    """What would have been refused since then (default: 24 hours ago), for one tenant or for all.

    Raises ConfigError for an unusable tenant's name or a time without a time zone.
    """
    check_tags(tenant=tenant)
    with reading(database) as connection:
        start = aware("since", since) if since is not None else database_time(connection) - A_DAY
        given = {"since": start, "first": ids_since(start), "tenant": tenant}
        rows = [
            ObservedRow(
                who, code, source, Metric(metric), Window(window), calls, users, running, int(nano), first, last
            )
            for who, code, source, metric, window, calls, users, running, nano, first, last in connection.execute(
                QUERY, given
            )
        ]
    return Observed(tuple(rows), start)
