"""Where limits stand now: as their slots say, or, where no call has opened one yet, as it would be opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import NamedTuple

import sqlalchemy as sa

from aikit.ledger.tables import counts
from aikit.policy.model import slot_name
from aikit.policy.subject import Subject, subject_of
from aikit.policy.windows import SLIDING, bounds, carried
from aikit.types import Limit, LimitState, Window

MICROSECOND = timedelta(microseconds=1)


class Slot(NamedTuple):
    """What is used and held in the window that started at `start`, and all of the window before."""

    start: datetime
    used: int
    held: int
    previous: int

    def rolled(self, start: datetime, length: timedelta | None) -> Slot:
        """The slot in the window that starts at `start`; `length` is that of a sliding window."""
        if self.start >= start:
            return self
        before = self.used + self.held if length is not None and self.start == start - length else 0
        return Slot(start, 0, 0, before)


Slots = Mapping[tuple[str, str, str], Slot]
"""By tenant, the key of a subject, and the name of the slot."""


def read_slots(connection: sa.Connection, tenant: str | None, given: Subject) -> dict[tuple[str, str, str], Slot]:
    """The slots that are open, of one tenant or of all, for subjects that attempts with the given tags can be in."""
    columns = counts.c
    query = sa.select(
        columns.tenant,
        columns.subject,
        columns.name,
        columns.window_start,
        columns.used,
        columns.held,
        columns.previous,
    )
    if tenant is not None:
        query = query.where(columns.tenant == tenant)
    for column, tag in zip((columns.environment, columns.feature, columns.user_id), given, strict=True):
        if tag is not None:
            query = query.where(sa.or_(column.is_(None), column == tag))
    return {(row[0], row[1], row[2]): Slot(*row[3:]) for row in connection.execute(query)}


def states(
    connection: sa.Connection, limits: Sequence[tuple[str, Limit]], slots: Slots, now: datetime
) -> list[LimitState]:
    """Where each limit of a tenant stands; one that bounds each call by itself is never used."""
    keys = [(tenant, limit.subject, slot_name(*_window(limit))) for tenant, limit in limits]
    missing = [
        pair for pair, key in zip(limits, keys, strict=True) if key not in slots and pair[1].window is not Window.CALL
    ]
    opened = iter(_as_opened(connection, missing, now))
    found = []
    for (_, limit), key in zip(limits, keys, strict=True):
        if limit.window is Window.CALL:
            found.append(LimitState(limit, 0, 0, None))
        else:
            found.append(_state(limit, slots[key] if key in slots else next(opened), now))
    return found


def _state(limit: Limit, slot: Slot, now: datetime) -> LimitState:
    start, end = bounds(limit.window, now, limit.zone, limit.anchor)
    length = SLIDING.get(limit.window)
    slot = slot.rolled(start, length)
    over = carried(slot.previous, max(now - start, timedelta()) // MICROSECOND, length // MICROSECOND) if length else 0
    return LimitState(limit, slot.used, slot.held, end, over)


def _as_opened(connection: sa.Connection, limits: Sequence[tuple[str, Limit]], now: datetime) -> list[Slot]:
    if not limits:
        return []
    starts = [bounds(limit.window, now, limit.zone, limit.anchor)[0] for _, limit in limits]
    lengths = [SLIDING.get(limit.window) for _, limit in limits]
    subjects = [subject_of(limit.subject) for _, limit in limits]
    parameters = {
        "tenants": [tenant for tenant, _ in limits],
        "environments": [subject.environment for subject in subjects],
        "features": [subject.feature for subject in subjects],
        "users": [subject.user for subject in subjects],
        "metrics": [str(limit.metric) for _, limit in limits],
        "starts": starts,
        "befores": [start - length if length else None for start, length in zip(starts, lengths, strict=True)],
    }
    found = {row[0]: row[1:] for row in connection.execute(sa.text(_UNOPENED), parameters)}
    return [Slot(start, *[int(amount) for amount in found[place]]) for place, start in enumerate(starts, 1)]


def _window(limit: Limit) -> tuple[str, str, str, int]:
    return limit.metric, limit.window, limit.zone, limit.anchor


_UNOPENED = (files("aikit.ledger") / "sql" / "unopened.sql").read_text(encoding="utf-8")
