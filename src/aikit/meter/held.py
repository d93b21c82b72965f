"""What became of the holds that endings belong to: still there, gone, or presumed spent in the meantime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import psycopg

from aikit.meter.corrections import Correction, Recharged, covering
from aikit.meter.judge import OPENED, RECORDED
from aikit.meter.once import KeyRef
from aikit.meter.plan import Batch
from aikit.meter.queries import CORRECT, EARLIER, ENDED, HOLDS, PRESUMED, SUBJECTS, UNHELD
from aikit.meter.rows import EndingRow, OrderRow, array, hold_row
from aikit.types import Answer, Earlier, Ending, Entry, Hold, Order


def as_held(connection: psycopg.Connection[Any], rows: Sequence[EndingRow]) -> list[EndingRow]:
    """The entries whose holds are still there, with what those holds look like now.

    An entry whose hold is gone was posted before; to post it again would charge twice. Of several for one hold the last
    counts.
    """
    entries = {row.entry.hold.order.attempt: row.entry for row in rows}
    now = holds_now(connection, [entry.hold for entry in entries.values()])
    return [EndingRow.of(_ending(entry, now[attempt])) for attempt, entry in entries.items() if attempt in now]


def _ending(entry: Entry, hold: Hold) -> Entry:
    """The ending of a hold that looks like this by now: charged for all of it, it is charged for what it grew to."""
    nano = entry.nano
    if entry.ending is Ending.PRESUMED_SPENT:
        nano = hold.presumed_nano
    elif entry.ending is Ending.SETTLED and entry.estimated and nano == entry.hold.order.nano:
        nano = hold.order.nano
    return entry._replace(hold=hold, nano=nano)


def as_now(connection: psycopg.Connection[Any], batch: Batch) -> Batch:
    """The batch without the entries that have been posted, and with its holds as they look now.

    An extension of a hold that is gone, or ends in this very batch, gets a generation that no hold has.
    """
    entries = as_held(connection, batch.entries) if batch.entries else batch.entries
    now = holds_now(connection, [extension.hold for extension in batch.extensions])
    for row in entries:
        now.pop(row.entry.hold.order.attempt, None)
    extensions = [
        extension._replace(hold=now.get(extension.hold.order.attempt, extension.hold._replace(generation=-1)))
        for extension in batch.extensions
    ]
    return replace(batch, entries=entries, extensions=extensions)


def earlier(connection: psycopg.Connection[Any], orders: Sequence[Order]) -> dict[KeyRef, Earlier]:
    """The attempts that the idempotency keys of these orders stand for."""
    refs = [(order.call.tenant, order.once.key) for order in orders if order.once is not None]
    keys = ([tenant for tenant, _ in refs], [key for _, key in refs])
    return {
        (tenant, key): Earlier(
            attempt,
            call,
            bytes(request_hash),
            running,
            None if ending is None else Ending(ending),
            None if status is None else Answer(status, media_type, bytes(body)),
        )
        for tenant, key, attempt, call, request_hash, running, ending, status, media_type, body in connection.execute(
            EARLIER, keys
        )
    }


def not_posted(connection: psycopg.Connection[Any], rows: Sequence[EndingRow]) -> list[EndingRow]:
    """Of entries that no hold stands for those that are not in the ledger. Of several for one attempt the last."""
    of = {row.entry.hold.order.attempt: row for row in rows}
    keys = ([row.entry.hold.order.call.tenant for row in of.values()], list(of))
    ended = {attempt for (attempt,) in connection.execute(ENDED, keys)}
    return [row for attempt, row in of.items() if attempt not in ended]


def holds_now(connection: psycopg.Connection[Any], holds: Sequence[Hold]) -> dict[UUID, Hold]:
    """Those of these holds that are still there, as they look now, by attempt."""
    if not holds:
        return {}
    known = {hold.order.attempt: hold for hold in holds}
    keys = ([hold.order.call.tenant for hold in holds], list(known))
    found = {}
    for attempt, generation, subjects, at, nano, tokens, output_tokens in connection.execute(HOLDS, keys):
        hold = known[attempt]
        order = hold.order._replace(nano=nano, tokens=tokens, output_tokens=output_tokens)
        found[attempt] = hold._replace(order=order, generation=generation, subjects=tuple(subjects), admitted_at=at)
    return found


def late_truths(
    connection: psycopg.Connection[Any], ended: Sequence[EndingRow], posted: Sequence[EndingRow]
) -> list[Correction]:
    """Of the endings whose holds are gone, those of attempts that were presumed spent in the meantime."""
    gone = {row.entry.hold.order.attempt for row in ended} - {row.entry.hold.order.attempt for row in posted}
    truths = [row.entry for row in ended if row.entry.hold.order.attempt in gone]
    truths = [entry for entry in truths if entry.ending is not Ending.PRESUMED_SPENT]
    keys = ([e.hold.order.call.tenant for e in truths], [e.hold.order.attempt for e in truths])
    found = {attempt: (nano, at) for attempt, nano, at in connection.execute(PRESUMED, keys)}
    late = []
    for entry in truths:
        if (known := found.pop(entry.hold.order.attempt, None)) is not None:
            nano, at = known
            late.append(Correction(entry._replace(hold=entry.hold._replace(admitted_at=at)), nano))
    return late


def with_subjects(connection: psycopg.Connection[Any], batch: Batch) -> Batch:
    """The batch with the counters that its corrections, and its entries without a hold, belong to."""
    unheld = [row.entry for row in batch.unheld]
    wanted = unheld + [one.entry for one in batch.corrections]
    tenants = list({entry.hold.order.call.tenant for entry in wanted})
    subjects: dict[str, list[str]] = dict(connection.execute(SUBJECTS, (tenants,)).fetchall())

    def counted(entry: Entry) -> Entry:
        found = covering(entry, subjects.get(entry.hold.order.call.tenant, ()))
        return entry._replace(hold=entry.hold._replace(subjects=found))

    return replace(
        batch,
        unheld=[EndingRow.of(counted(entry)) for entry in unheld],
        corrections=[one._replace(entry=counted(one.entry)) for one in batch.corrections],
    )


def write_unheld(connection: psycopg.Connection[Any], rows: Sequence[EndingRow], version: int) -> None:
    """Holds for attempts that the ledger has not admitted, to be ended in the same transaction."""
    ended = [row.entry for row in rows]
    codes = [RECORDED if entry.hold.recorded else OPENED for entry in ended]
    holds = [
        hold_row(OrderRow.of(entry.hold.order), entry.hold, (), code, None)
        for entry, code in zip(ended, codes, strict=True)
    ]
    times = [row.entry.hold.admitted_at for row in rows]
    connection.execute(UNHELD, (version, array(holds), times))


def write_corrections(connection: psycopg.Connection[Any], corrections: Sequence[Correction]) -> None:
    """A further entry for each. Raises Recharged if one of the attempts has got one in the meantime."""
    rows = array([EndingRow.of(one.entry._replace(nano=one.nano)).text for one in corrections])
    written = connection.execute(CORRECT, ([one.seq for one in corrections], rows))
    if written.rowcount < len(corrections):
        raise Recharged
