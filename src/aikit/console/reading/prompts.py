"""The versions of prompts: what they came to, where their labels point, what their gates said; and the last moves."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import fields, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from aikit.console.filtering import Filter
from aikit.console.model import MOST_ROWS, PromptRow, PromptsPage
from aikit.console.reading.line import Tick
from aikit.console.reading.overview import priced
from aikit.console.reading.sums import Sums
from aikit.console.reading.sweep import CALLS, FAILED, NOTHING_COUNTED, REFUSED, Counts
from aikit.console.reading.terms import Fields, conditions
from aikit.ledger.latencies import Latency, latencies
from aikit.ledger.prompt_labels import Move, list_labels
from aikit.ledger.tables import prompt_gates, prompt_moves, prompt_versions

BY = ("prompt",)
MOST_MOVES, SAMPLE = 50, 1_000
KNOWN_FOR = timedelta(seconds=20)
PATIENCE = 0.03
MOVED: Fields = {"prompt": prompt_moves.c.name + "@" + prompt_moves.c.label, "who": prompt_moves.c.who}
Version = tuple[str, int]


class Publication(NamedTuple):
    """When a version was published and by whom, and of which content it is."""

    sha256: str
    at: datetime
    by: str


class Prompts:
    """The page, with what is remembered for it from tick to tick."""

    def __init__(self) -> None:
        self._since: datetime | None = None
        self._took: dict[str, tuple[datetime, Latency | None]] = {}

    def read(self, tick: Tick, sums: Sums, wanted: Filter) -> PromptsPage:
        """`sums` are those of the period, by `BY`."""
        spent = {_version(key[0]): counts for key, counts in sums.dearest(Filter(), 2**31)[0] if key[0]}
        published = _published(tick.connection)
        labels = defaultdict(list)
        for label in list_labels(tick.connection):
            labels[label.name, label.version].append(label.label)
        gates = _gates(tick.connection)
        versions = sorted(spent.keys() | published.keys(), key=lambda version: (version[0], -version[1]))
        rows = [_row(one, published.get(one), labels[one], gates, spent.get(one)) for one in versions]
        fitting = [row for row in rows if wanted.fits(_fields(row))]
        shown = self._timed(tick, fitting[:MOST_ROWS], sums.since)
        called = [row.id for row in shown if row.calls]
        timed = Fraction(sum(id in self._took for id in called), len(called)) if called else Fraction(1)
        return PromptsPage(
            rows=tuple(shown),
            total=len(fitting),
            moves=_moves(tick.connection, wanted),
            since=sums.since,
            read=sums.read * timed,
        )

    def _timed(self, tick: Tick, rows: list[PromptRow], since: datetime) -> list[PromptRow]:
        """With how long their calls took: those that were not looked at for longest first, as many as time allows."""
        if since != self._since:
            self._since, self._took = since, {}
        due = [row.id for row in rows if row.calls and not self._fresh(row.id, tick.now)]
        due.sort(key=lambda id: self._took[id][0] if id in self._took else datetime.min.replace(tzinfo=tick.now.tzinfo))
        clock = tick.clock.part(PATIENCE)
        while due:
            found = latencies(tick.connection, due[:1], since, None, sample=SAMPLE)
            self._took[due[0]] = tick.now, found.get(due[0])
            due = due[1:]
            if clock.left <= 0:
                break
        timed = []
        for row in rows:
            took = self._took[row.id][1] if row.id in self._took else None
            timed.append(replace(row, p50_ms=took.p50_ms, p95_ms=took.p95_ms) if took else row)
        return timed

    def _fresh(self, id: str, now: datetime) -> bool:
        return id in self._took and timedelta(0) <= now - self._took[id][0] < KNOWN_FOR


def _version(id: str) -> Version:
    name, _, version = id.rpartition("@v")
    return name, int(version)


def _row(
    version: Version,
    published: Publication | None,
    labels: list[str],
    gates: dict[tuple[str, str], bool],
    counts: Counts | None,
) -> PromptRow:
    sums = counts or NOTHING_COUNTED
    return PromptRow(
        name=version[0],
        version=version[1],
        sha256=published and published.sha256,
        published_at=published and published.at,
        published_by=published and published.by,
        labels=tuple(labels),
        gate=gates.get((version[0], published.sha256)) if published else None,
        calls=sums[CALLS],
        failed=sums[FAILED],
        refused=sums[REFUSED],
        nano=priced(sums),
        p50_ms=None,
        p95_ms=None,
    )


def _published(connection: sa.Connection) -> dict[Version, Publication]:
    """Without their texts."""
    columns = prompt_versions.c
    query = sa.select(columns.name, columns.version, columns.sha256, columns.published_at, columns.published_by)
    return {(name, version): Publication(*rest) for name, version, *rest in connection.execute(query)}


def _gates(connection: sa.Connection) -> dict[tuple[str, str], bool]:
    """Whether the newest result of every suite has passed, by prompt and content; without those that were never run."""
    columns = prompt_gates.c
    newest = (
        sa.select(columns.name, columns.sha256, columns.passed)
        .ext(distinct_on(columns.name, columns.sha256, columns.suite))
        .order_by(columns.name, columns.sha256, columns.suite, columns.seq.desc())
        .subquery()
    )
    query = sa.select(newest.c.name, newest.c.sha256, sa.func.bool_and(newest.c.passed))
    return {(name, sha): passed for name, sha, passed in connection.execute(query.group_by(*newest.c[:2]))}


def _moves(connection: sa.Connection, wanted: Filter) -> tuple[Move, ...]:
    query = sa.select(*[prompt_moves.c[field.name] for field in fields(Move)]).where(*conditions(wanted, MOVED))
    return tuple(
        [Move(*row) for row in connection.execute(query.order_by(prompt_moves.c.seq.desc()).limit(MOST_MOVES))]
    )


def _fields(row: PromptRow) -> dict[str, str]:
    found = {"prompt": " ".join([row.id, *[f"{row.name}@{label}" for label in row.labels]])}
    return found | ({"who": row.published_by} if row.published_by else {})
