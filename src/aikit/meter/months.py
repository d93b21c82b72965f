"""The tables of the months are made by whoever posts: this month's and the next one's ahead, any other when its first
id comes, from a process whose clock is wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg

from aikit.meter.plan import Batch
from aikit.meter.statement import is_lost

log = logging.getLogger("aikit.meter")

AHEAD = "SELECT aikit.open_month(now()), aikit.open_month(now() + interval '1 month')"
OF_IDS = """
    SELECT aikit.open_month(month) FROM (
        SELECT DISTINCT date_trunc('month', aikit.moment_of(id)) FROM unnest(%s::uuid[]) id) x (month)"""


def open_ahead(connection: psycopg.Connection[Any]) -> None:
    """Make sure of this month and the next. Raises psycopg.OperationalError when the ledger is lost."""
    try:
        connection.execute(AHEAD)
    except psycopg.Error as error:
        if is_lost(error):
            raise
        log.error("the ledger's next month could not be opened: %s", error.sqlstate)


def open_months_of(connection: psycopg.Connection[Any], batch: Batch) -> None:
    """Make sure of the months in which the attempts of a batch seem to have been made."""
    connection.execute(OF_IDS, (list(_attempts(batch)),))


def _attempts(batch: Batch) -> Iterable[UUID]:
    yield from (row.order.attempt for row in batch.orders)
    yield from (refusal.order.attempt for refusal in batch.refusals)
    yield from (row.entry.hold.order.attempt for rows in (batch.entries, batch.unheld) for row in rows)
