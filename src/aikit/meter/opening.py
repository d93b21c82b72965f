"""Opens a meter on a database: the poster's connection, its session settings, the spool."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import psycopg

from aikit.breaker.model import TUNING, Tuning
from aikit.database.connect import Database
from aikit.database.stall import severed_after
from aikit.meter.engine import Meter
from aikit.meter.poster import Poster
from aikit.meter.prices import PriceRow, Prices
from aikit.meter.repeats import Repetitions
from aikit.meter.spool import Spool, spool_folder
from aikit.meter.workers import OnMove, unheard

HOLD_SECONDS = 900
"""How long a hold stands without an ending before it is presumed spent; longer than any provider lets a request run."""
SESSION = """
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;
    SET enable_bitmapscan = off; SET jit = off;
    SET plan_cache_mode = force_generic_plan; SET lock_timeout = '8s'; SET idle_in_transaction_session_timeout = '5s'
"""
"""Every statement of a batch is a lookup by key, so a plan that was made while a table was small stays right. A batch
takes milliseconds; one whose process has stopped in the middle loses its locks before others lose patience."""
SETUP = 5.0
"""Seconds that a new connection has to become ready for use."""


def open_meter(
    database: Database,
    data_dir: Path,
    prices: Prices,
    *,
    hold_seconds: int = HOLD_SECONDS,
    on_move: OnMove = unheard,
    tuning: Tuning = TUNING,
) -> Meter:
    """Start metering. `on_move` hears of breakers that this process moves, in a thread of the meter's.

    Raises DatabaseUnavailable when the database can't be reached now.
    """
    spool = Spool(spool_folder(database, data_dir), prices)
    repeats = Repetitions(threading.Lock())

    def price_row(price_id: str) -> PriceRow:
        return spool.prices.get(price_id) or prices(price_id)

    def connect() -> Poster:
        connection = database.connect(role="meter")
        try:
            return poster_on(connection, price_row, hold_seconds=hold_seconds, tuning=tuning, repeats=repeats)
        except psycopg.OperationalError as error:
            connection.close()
            raise database.unavailable(error) from error
        except BaseException:
            connection.close()
            raise

    return Meter(connect, spool, on_move)


def poster_on(
    connection: psycopg.Connection[Any],
    prices: Prices,
    *,
    hold_seconds: int = HOLD_SECONDS,
    tuning: Tuning = TUNING,
    repeats: Repetitions | None = None,
) -> Poster:
    """A poster on a connection in autocommit mode, with the settings that its statements are made for.

    `repeats` is what the process has counted so far, if it had another poster before.
    Raises psycopg.OperationalError when the database does not answer in time.
    """
    with severed_after(connection, SETUP):
        connection.execute(SESSION)
        return Poster(connection, prices, hold_seconds=hold_seconds, tuning=tuning, repeats=repeats)
