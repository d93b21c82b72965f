"""How long the calls with each version of a prompt took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.ledger.reading import CLOCK_SKEW, END_ID, ids_since, walk
from aikit.ledger.tables import entries
from aikit.types import Ending

SAMPLE = 10_000
"""So many of the newest calls of each version are looked at: a report costs the same however many there were."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds that half of the calls, and 95 of 100, took at most, from the request to the end of the answer."""

    p50_ms: int
    p95_ms: int


def latencies(
    connection: sa.Connection,
    prompts: Sequence[str],
    since: datetime,
    until: datetime | None,
    *,
    sample: int = SAMPLE,
    tags: Mapping[str, str | None] | None = None,
) -> dict[str, Latency]:
    """The latencies of these versions (`summarize@v3`), of the newest 10,000 settled calls of each in the period.

    `tags` narrow it down by columns of the ledger. A version without a settled call is left out.
    """
    wanted = (
        sa.func.unnest(sa.cast(list(prompts), pg.ARRAY(sa.Text))).table_valued("prompt", name="wanted").render_derived()
    )
    end = ids_since(until + 2 * CLOCK_SKEW) if until else END_ID
    of_prompt, *order = walk(entries.c.prompt, wanted.c.prompt, entries.c.attempt, ids_since(since), end)
    newest = (
        sa.select(entries.c.duration_ms, entries.c.admitted_at)
        .where(
            of_prompt,
            entries.c.prompt.is_not(None),
            entries.c.seq == 0,
            entries.c.ending == Ending.SETTLED.value,
            *([entries.c.admitted_at < until] if until else []),
            *[entries.c[column] == value for column, value in (tags or {}).items() if value is not None],
        )
        .order_by(*order)
        .limit(sample)
        .lateral("newest")
    )
    shares = sa.cast([0.5, 0.95], pg.ARRAY(sa.Float))
    took = sa.func.percentile_disc(shares).within_group(newest.c.duration_ms)
    in_time = newest.c.admitted_at >= since  # not within: the few that seem to be so would be looked for everywhere
    query = sa.select(wanted.c.prompt, took).select_from(wanted.join(newest, in_time)).group_by(wanted.c.prompt)
    return {prompt: Latency(int(p50), int(p95)) for prompt, (p50, p95) in connection.execute(query)}
