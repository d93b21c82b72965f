"""How long calls took, row by row: by a sample of the newest; for rows that are not in it, by a few of their own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from aikit.console.reading.line import Tick
from aikit.console.reading.sweep import Key
from aikit.ledger.latencies import Latency
from aikit.ledger.reading import ids_since, walk
from aikit.ledger.tables import entries
from aikit.types import Ending

SAMPLE = 5_000
"""So many of the newest attempts are looked at together."""
OWN = 200
"""And so many of a tenant's newest, for a row that is not among them."""
VISIBLE = 50
PROBES = 5
PATIENCE = 0.01
SAMPLED_FOR = timedelta(seconds=6)
KNOWN_FOR = timedelta(seconds=60)
COLUMNS = ("tenant", "feature", "provider", "model")
_SHARES = sa.cast([0.5, 0.95], pg.ARRAY(sa.Float))


class Took:
    """Latencies by tenant, feature, provider and model, remembered for some ticks."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._sampled_at: datetime | None = None
        self._sample: dict[Key, Latency] = {}
        self._probed: dict[Key, tuple[datetime, Latency | None]] = {}

    def of(self, tick: Tick, keys: Sequence[Key], since: datetime) -> dict[Key, Latency]:
        """Of the newest settled calls of each since then; a key without any is left out."""
        if since != self._since:
            self._since, self._sampled_at, self._probed = since, None, {}
        due = self._sampled_at is None or not timedelta(0) <= tick.now - self._sampled_at < SAMPLED_FOR
        if due and (tick.clock.left > 0 or self._sampled_at is None):
            self._sample, self._sampled_at = _sampled(tick.connection, since), tick.now
        self._probe(tick, [key for key in keys[:VISIBLE] if key not in self._sample], since)
        found = {key: self._sample[key] for key in keys if key in self._sample}
        known = {key: self._probed[key][1] for key in keys if key not in found and key in self._probed}
        return found | {key: latency for key, latency in known.items() if latency is not None}

    def _probe(self, tick: Tick, keys: list[Key], since: datetime) -> None:
        due = [key for key in keys if not self._fresh(key, tick.now)]
        clock = tick.clock.part(PATIENCE)
        while due:
            some, due = due[:PROBES], due[PROBES:]
            found = _own(tick.connection, some, since)
            self._probed.update({key: (tick.now, found.get(key)) for key in some})
            if clock.left <= 0:
                return

    def _fresh(self, key: Key, now: datetime) -> bool:
        known = self._probed.get(key)
        return known is not None and timedelta(0) <= now - known[0] < KNOWN_FOR


def _sampled(connection: sa.Connection, since: datetime) -> dict[Key, Latency]:
    names = [sa.func.coalesce(entries.c[name], "").label(name) for name in COLUMNS]
    newest = (
        sa.select(*names, entries.c.duration_ms, entries.c.ending, entries.c.seq)
        .where(entries.c.attempt >= ids_since(since), entries.c.admitted_at >= since)
        .order_by(entries.c.attempt.desc())
        .limit(SAMPLE)
        .subquery()
    )
    settled = newest.c.ending == Ending.SETTLED.value, newest.c.seq == 0
    took = sa.func.percentile_disc(_SHARES).within_group(newest.c.duration_ms)
    keys = [newest.c[name] for name in COLUMNS]
    rows = connection.execute(sa.select(*keys, took).where(*settled).group_by(*keys))
    return {tuple(key): Latency(int(p50), int(p95)) for *key, (p50, p95) in rows}


def _own(connection: sa.Connection, keys: Sequence[Key], since: datetime) -> dict[Key, Latency]:
    parts = zip(*keys, strict=True)
    asked = (
        sa.func.unnest(*[sa.cast(list(part), pg.ARRAY(sa.Text)) for part in parts])
        .table_valued(*COLUMNS, name="asked")
        .render_derived()
    )
    of_tenant, *order = walk(entries.c.tenant, asked.c.tenant, entries.c.attempt, ids_since(since))
    newest = (
        sa.select(*[entries.c[name] for name in (*COLUMNS[1:], "duration_ms", "ending", "seq", "admitted_at")])
        .where(of_tenant)
        .order_by(*order)
        .limit(OWN)
        .lateral("newest")
    )
    same = [sa.func.coalesce(newest.c[name], "") == asked.c[name] for name in COLUMNS[1:]]
    took = sa.func.percentile_disc(_SHARES).within_group(newest.c.duration_ms)
    query = (
        sa.select(*asked.c, took)
        .select_from(asked.join(newest, sa.and_(*same)))
        .where(newest.c.ending == Ending.SETTLED.value, newest.c.seq == 0, newest.c.admitted_at >= since)
        .group_by(*asked.c)
    )
    return {tuple(key): Latency(int(p50), int(p95)) for *key, (p50, p95) in connection.execute(query)}
