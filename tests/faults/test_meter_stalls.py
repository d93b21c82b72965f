"""A ledger that takes requests and says nothing, when nothing is remembered yet: it is hung up on, and all goes on."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from aikit.database.connect import Database
from aikit.errors import AIKitError
from support.attempts import meter_on, order, set_limits
from support.kits import Books
from support.proxy import Proxy


def test_a_first_batch_that_stalls_is_hung_up_on_by_the_one_behind_it(tmp_path: Path, books: Books) -> None:
    set_limits(Database(books.dsn, False, "test"), "acme", month=10**9)
    with Proxy(books.dsn) as way:
        meter = meter_on(Database(way.dsn, False, "test"), tmp_path)
        time.sleep(0.5)
        way.stall()
        failures: list[str] = []

        def admit() -> None:
            try:
                meter.admit(order())
            except AIKitError as error:
                failures.append(error.code)

        callers = [threading.Thread(target=admit) for _ in range(3)]
        for caller in callers:
            caller.start()
            time.sleep(0.3)
        for caller in callers:
            caller.join(30)
        assert failures == ["METERING_UNAVAILABLE"] * 3
        way.restore()
        deadline = time.monotonic() + 20
        while True:
            try:
                assert meter.admit(order()).allowed
                break
            except AIKitError:
                assert time.monotonic() < deadline, "the meter never noticed"
        meter.close()
