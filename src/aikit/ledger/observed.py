"""What limits that only warn would have refused: attempts that were sent, by limit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from aikit.ledger.reading import Readable, aware, check_tags, database_time, ids_since, reading

A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class ObservedRow:
    """The attempts of a tenant that one limit of the policy `source` would have refused.

    `users` is how many users they name. `nano` is what they came to, in nano-USD; `running` of them have not ended and
    are not in it. An attempt that several limits would have refused is counted for each.
    """

    tenant: str
    source: str
    metric: str
    """A metric, or "loops" or "velocity" for a rule against runaways."""
    window: str
    calls: int
    users: int
    running: int
    nano: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Observed:
    """All of them since a moment, by tenant and the most calls first; `calls` and `nano` count each attempt once."""

    rows: tuple[ObservedRow, ...]
    calls: int
    nano: int
    since: datetime


OBSERVED = """
    WITH observed AS (
        SELECT tenant, user_id, limits, seq, nano, admitted_at, false AS running,
               held_nano AS most, held_tokens AS tokens, held_output AS output
        FROM aikit.entries
        WHERE would_refuse IS NOT NULL AND attempt >= :first AND admitted_at >= :since
          AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)
        UNION ALL
        SELECT tenant, user_id, limits, 0, 0, admitted_at, true, nano, tokens, output_tokens
        FROM aikit.holds
        WHERE would_refuse IS NOT NULL AND admitted_at >= :since
          AND (CAST(:tenant AS text) IS NULL OR tenant = :tenant)
    )
"""
BY_LIMIT = sa.text(f"""{OBSERVED}
    SELECT o.tenant, l.s ->> 2, l.s ->> 0, l.s ->> 1,
           count(*) FILTER (WHERE o.seq = 0), count(DISTINCT o.user_id), count(*) FILTER (WHERE o.running),
           sum(o.nano)::bigint, min(o.admitted_at), max(o.admitted_at)
    FROM observed o CROSS JOIN LATERAL json_array_elements(o.limits) l (s)
    WHERE l.s ->> 5 = 'warn'
      AND (l.s ->> 8)::numeric + (l.s ->> 9)::numeric + (l.s ->> 10)::numeric
          + CASE l.s ->> 0
                WHEN 'credits' THEN o.most
                WHEN 'velocity' THEN o.most
                WHEN 'tokens' THEN o.tokens
                WHEN 'input_tokens' THEN o.tokens - o.output
                WHEN 'output_tokens' THEN o.output
                ELSE 1 END > (l.s ->> 3)::numeric
    GROUP BY 1, 2, 3, 4
    ORDER BY 1, 5 DESC, 2, 3, 4
""")
"""The places in a recorded limit are those of `aikit.ledger.recorded`; the short form never warns."""
IN_ALL = sa.text(f"{OBSERVED} SELECT count(*) FILTER (WHERE seq = 0), coalesce(sum(nano), 0)::bigint FROM observed")


def observed(database: Readable, *, since: datetime | None = None, tenant: str | None = None) -> Observed:
    """What would have been refused since then (default: 24 hours ago), for one tenant or for all.

    Raises ConfigError for an unusable tenant's name or a time without a time zone.
    """
    check_tags(tenant=tenant)
    with reading(database) as connection:
        start = aware("since", since) if since is not None else database_time(connection) - A_DAY
        given = {"since": start, "first": ids_since(start), "tenant": tenant}
        calls, nano = connection.execute(IN_ALL, given).one()
        rows = tuple([ObservedRow(*row) for row in connection.execute(BY_LIMIT, given)])
    return Observed(rows, calls, nano, start)
