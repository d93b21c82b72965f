"""The console's reader on a test's ledger; and what it must come to, added up from entries and refusals one by one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from aikit.console.filtering import Filter, parse
from aikit.console.model import Overview, OverviewRow, Period, Query, Snapshot, Tab
from aikit.console.reader import Reader
from aikit.database.connect import Database
from support.ledger import CLAUDE, MINI, Till, rows

FROM_ENTRIES = """
    SELECT tenant, coalesce(feature, ''), provider, model, coalesce(user_id, ''), environment,
           (seq = 0)::int, 0, (seq = 0 AND ending = 'voided')::int,
           coalesce(input + cache_read + cache_write_5m + cache_write_1h + input_audio + input_image
                    + cache_read_audio, 0),
           coalesce(cache_read + cache_read_audio, 0),
           coalesce(output + reasoning + output_audio + output_image, 0),
           nano, (seq = 0 AND estimated)::int, (seq = 0 AND price_id IS NULL)::int, admitted_at
    FROM aikit.entries
    UNION ALL
    SELECT tenant, coalesce(feature, ''), provider, model, coalesce(user_id, ''), environment,
           0, 1, 0, 0, 0, 0, 0, 0, 0, refused_at FROM aikit.refusals"""
FIELDS = ("tenant", "feature", "provider", "model", "user", "environment")
TENANTS, USERS, FEATURES = ("acme", "Globex", "umbrella"), ("ann", "Bob"), ("chat", "search")


@contextmanager
def reader_on(database: Database, **given: object) -> Iterator[Reader]:
    """A reader that is closed at the end."""
    reader = Reader(database, **{"environment": None, "evals": None, "spool": None, **given})  # type: ignore[arg-type]
    try:
        yield reader
    finally:
        reader.close()


def whole(reader: Reader, query: Query, *, ticks: int = 50) -> Snapshot:
    """A snapshot in which all is read."""
    for _ in range(ticks):
        snapshot = reader.read(query)
        page = snapshot.page
        plotted = not isinstance(page, Overview) or all(point.calls is not None for point in page.plot.points)
        if plotted and snapshot.read == 1:
            return snapshot
    raise AssertionError(f"not all is read after {ticks} ticks: {snapshot.read}")


def overview(reader: Reader, text: str = "", period: Period = Period.TODAY) -> Overview:
    """The whole overview of what this filter lets through."""
    page = whole(reader, Query(Tab.OVERVIEW, period, parse(text))).page
    assert isinstance(page, Overview)
    return page


def live_through(till: Till, calls: int = 60, seed: int = 1) -> None:
    """Calls of every kind, the same for the same seed."""
    draw = random.Random(seed)
    for _ in range(calls):
        tags = {"user": draw.choice(USERS), "feature": draw.choice(FEATURES)}
        tags = {name: value for name, value in tags.items() if draw.random() < 0.8}
        tenant, price = draw.choice(TENANTS), draw.choice((MINI, CLAUDE))
        if draw.random() < 0.1:
            till.refuse(tenant)
            continue
        hold = till.admit(tenant, price=price, **tags)
        draw.choice((till.settle, till.settle, till.settle, till.void, till.presume))(hold)
    till.flush()


def added_up(database: Database, wanted: Filter | None = None, since: datetime | None = None) -> dict[str, list[int]]:
    """By tenant, feature, provider and model: what `_counts` has of a row that is shown."""
    found: dict[str, list[int]] = {}
    for *names, calls, refused, failed, input, cached, output, nano, estimated, unpriced, at in rows(
        database, FROM_ENTRIES
    ):
        fields = {name: value for name, value in zip(FIELDS, names, strict=True) if value}
        if (since is not None and at < since) or (wanted is not None and not fits(wanted, fields)):
            continue
        counts = [calls, refused, failed, input, cached, output, int(nano), estimated, unpriced]
        key = "/".join(names[:4])
        found[key] = [a + b for a, b in zip(found.get(key, [0] * 9), counts, strict=True)]
    return found


def fits(wanted: Filter, fields: dict[str, str]) -> bool:
    """Words without a field are looked for in what a row of the overview is named by."""
    named = [term for term in wanted.terms if term.field is not None]
    words = [term for term in wanted.terms if term.field is None]
    shown = {name: value for name, value in fields.items() if name in FIELDS[:4]}
    return Filter(tuple(named)).fits(fields) and Filter(tuple(words)).fits(shown)


def sums_of(page: Overview) -> dict[str, list[int]]:
    """The same of what is shown."""
    return {_key(row): _counts(row) for row in page.rows}


def _key(row: OverviewRow) -> str:
    return "/".join((row.tenant, row.feature, row.provider, row.model))


def _counts(row: OverviewRow) -> list[int]:
    sums = (row.calls, row.refused, row.failed, row.input, row.cached, row.output)
    return [*sums, row.nano or 0, row.estimated, row.unpriced]
