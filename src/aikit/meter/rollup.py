"""Sums of one batch for `aikit.rollups`, one row an hour, tenant, tags, provider, model and prompt."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from operator import add

from aikit.meter.corrections import Correction
from aikit.meter.counters import spends
from aikit.meter.rows import plain_row
from aikit.types import USAGE_CLASSES, Call, Ending, Entry, Refusal

COUNTS = ("calls", "refused", "failed", "estimated", "unpriced", "nano")
USED = slice(len(COUNTS), len(COUNTS) + len(USAGE_CLASSES))
UNREPORTED = USED.stop
"""Here tokens of input that nobody reported, then those of output, counted as the hold's."""
WIDTH = UNREPORTED + 2

Key = tuple[str, datetime, str, str, str, str, str, str]


def rollup_rows(
    entries: Iterable[Entry], refusals: Iterable[Refusal], now: datetime, corrections: Iterable[Correction] = ()
) -> list[str]:
    """One `aikit.rollups` each, sorted by key so that all processes lock them in one order.

    An attempt counts in the hour it was admitted in, a refusal in the current one.
    """
    sums: dict[Key, list[int]] = {}
    for entry in entries:
        order = entry.hold.order
        row = _row(sums, order.call, entry.hold.admitted_at)
        row[0] += 1
        row[2] += entry.ending is Ending.VOIDED
        row[3] += entry.estimated
        row[4] += order.price_id is None and entry.price_id is None
        row[5] += entry.nano
        if entry.usage is not None:
            row[USED] = map(add, row[USED], entry.usage.counts())
        elif entry.nano:
            _, _, read, written, _, _ = spends(entry)
            row[UNREPORTED] += read
            row[UNREPORTED + 1] += written
    for correction in corrections:
        hold = correction.entry.hold
        row = _row(sums, hold.order.call, hold.admitted_at)
        row[5] += correction.nano
        if correction.entry.usage is not None:
            row[USED] = map(add, row[USED], correction.entry.usage.counts())
    for refusal in refusals:
        _row(sums, refusal.order.call, now)[1] += 1
    return [plain_row((*key[:-1], *sums[key], key[-1])) for key in sorted(sums)]


def _row(sums: dict[Key, list[int]], call: Call, at: datetime) -> list[int]:
    tags = call.tags
    key = (
        call.tenant,
        at.replace(minute=0, second=0, microsecond=0),
        str(tags.environment),
        tags.user or "",
        tags.feature or "",
        call.provider,
        call.model,
        call.prompt.id if call.prompt else "",
    )
    row = sums.get(key)
    if row is None:
        row = sums[key] = [0] * WIDTH
    return row
