"""Many processes race for one cap: exactly what fits is admitted, and the books agree."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from aikit.database.connect import Database
from support.attempts import balance, rows, set_limits

PROCESSES, CALLERS, NANO, ADMITTED = 8, 50, 100, 1234

RACER = """
import asyncio, sys
from pathlib import Path
from support.attempts import meter_on, order, settled
from aikit.database.connect import named_database

async def main(dsn, folder):
    meter = meter_on(named_database(dsn, "test"), Path(folder))
    admitted = 0
    async def caller():
        nonlocal admitted
        while True:
            decision = await meter.admit_async(order(nano={nano}))
            if decision.allowed:
                admitted += 1
                meter.end(settled(decision, {nano}))
            elif not decision.in_flight:
                return
    sys.stdin.readline()
    await asyncio.gather(*[caller() for _ in range({callers})])
    assert await asyncio.to_thread(meter.close)
    print(admitted)

asyncio.run(main(*sys.argv[1:]))
"""

WATCH = """
    CREATE TABLE watched (most bigint);
    CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE slot int := 4 * array_position(NEW.names, 'credits/month');
    BEGIN INSERT INTO watched VALUES (NEW.amounts[slot - 2] + NEW.amounts[slot - 1]); RETURN NEW; END $$;
    CREATE TRIGGER watch AFTER UPDATE ON aikit.counters FOR EACH ROW EXECUTE FUNCTION watch()"""


def test_eight_processes_of_fifty_callers_admit_exactly_what_the_cap_allows(ledger: Database, tmp_path: Path) -> None:
    cap = ADMITTED * NANO + NANO // 2
    set_limits(ledger, "acme", month=cap, day=10 * cap, total=10 * cap)
    with ledger.connect(role="test") as connection:
        connection.execute(WATCH)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER.format(nano=NANO, callers=CALLERS), ledger.conninfo, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": ""},
        )
        for _ in range(PROCESSES)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    admitted = [int(racer.communicate(timeout=120)[0]) for racer in racers]
    assert sum(admitted) == ADMITTED
    assert balance(ledger)["month"] == (ADMITTED * NANO, 0)
    assert rows(ledger, "SELECT count(*), sum(nano) FROM aikit.entries") == [(ADMITTED, ADMITTED * NANO)]
    assert rows(ledger, "SELECT sum(calls), sum(nano) FROM aikit.rollups") == [(ADMITTED, ADMITTED * NANO)]
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)]
    ((most,),) = rows(ledger, "SELECT max(most) FROM watched")
    assert most <= cap
