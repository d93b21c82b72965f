"""What became of the holds that endings belong to: still there, gone, or presumed spent in the meantime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from aikit.meter.expiry import Late, covering
from aikit.meter.queries import CORRECT, HOLDS, PRESUMED
from aikit.meter.rows import EndingRow, array
from aikit.types import Ending


def as_held(connection: psycopg.Connection[Any], rows: Sequence[EndingRow]) -> list[EndingRow]:
    """The entries whose holds are still there, with what those holds look like now.

    An entry whose hold is gone was posted before; to post it again would charge twice.
    """
    entries = [row.entry for row in rows]
    keys = ([e.hold.order.call.tenant for e in entries], [e.hold.order.attempt for e in entries])
    held: dict[UUID, dict[str, Any]] = {
        attempt: {"generation": generation, "subjects": tuple(subjects), "admitted_at": at}
        for attempt, generation, subjects, at in connection.execute(HOLDS, keys)
    }
    return [
        EndingRow.of(entry._replace(hold=entry.hold._replace(**held[entry.hold.order.attempt])))
        for entry in entries
        if entry.hold.order.attempt in held
    ]


def late_truths(
    connection: psycopg.Connection[Any], ended: Sequence[EndingRow], posted: Sequence[EndingRow]
) -> list[Late]:
    """Of the endings whose holds are gone, those of attempts that were presumed spent in the meantime."""
    gone = {row.entry.hold.order.attempt for row in ended} - {row.entry.hold.order.attempt for row in posted}
    truths = [row.entry for row in ended if row.entry.hold.order.attempt in gone]
    truths = [entry for entry in truths if entry.ending is not Ending.PRESUMED_SPENT]
    keys = ([e.hold.order.call.tenant for e in truths], [e.hold.order.attempt for e in truths])
    found = {attempt: (nano, at, subjects) for attempt, nano, at, subjects in connection.execute(PRESUMED, keys)}
    late = []
    for entry in truths:
        if (known := found.pop(entry.hold.order.attempt, None)) is not None:
            nano, at, subjects = known
            hold = entry.hold._replace(admitted_at=at, subjects=covering(entry, subjects or ()))
            late.append(Late(entry._replace(hold=hold), nano))
    return late


def write_corrections(connection: psycopg.Connection[Any], late: Sequence[Late]) -> bool:
    """Whether each correction was written, and not by another process already."""
    rows = array([EndingRow.of(truth.entry).text for truth in late])
    return connection.execute(CORRECT, (rows,)).rowcount == len(late)
