"""How often a key may be used in a minute holds over all processes together; it is never more."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter

import pytest

from aikit.database.connect import Database
from aikit.ledger.keys import create_key
from aikit.ledger.opening import prepare
from aikit.ledger.tenants import add_tenant
from aikit.serve.keys import LedgerKeyRing
from aikit.serve.model import Key
from support.ledger import rows

PROCESS = """
import asyncio, json, sys
from aikit.database.connect import Database
from aikit.errors import RateLimited
from aikit.ledger.opening import prepare
from aikit.serve.keys import LedgerKeyRing

async def main(dsn, secret, at_once, seconds):
    database = Database(dsn, False, "test")
    ring = LedgerKeyRing(database, prepare(database).secret, None, seconds=20)
    print("ready", flush=True)
    sys.stdin.readline()
    allowed = refused = 0
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    async def ask():
        nonlocal allowed, refused
        while loop.time() < end:
            try:
                await ring.find(secret)
                allowed += 1
            except RateLimited:
                refused += 1
                await asyncio.sleep(0.01)
    await asyncio.gather(*[ask() for _ in range(at_once)])
    await ring.close()
    print(json.dumps([allowed, refused]), flush=True)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
"""


@pytest.mark.parametrize(("per_minute", "least"), [(7, 7), (500, 480)])
def test_eight_processes_never_let_more_through_than_the_minute_has(
    ledger: Database, per_minute: int, least: int
) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    made = create_key(ledger, tenant="acme", environment="prod", rights=["complete"], per_minute=per_minute)
    command = [sys.executable, "-c", PROCESS, ledger.conninfo, made.secret, "16", "4"]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        _wait_for_a_minute_with(ledger, 20)
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        ended = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    allowed, refused = (sum(each) for each in zip(*ended, strict=True))
    assert least <= allowed <= per_minute
    assert refused > 0
    assert rows(ledger, "SELECT taken FROM aikit.key_minutes") == [(per_minute,)]


async def test_requests_let_through_in_each_minute_are_never_more_than_it_has(ledger: Database) -> None:
    """Over the edge of a minute, which is moved by hand: minutes are those of the ledger's clock."""
    add_tenant(ledger, "acme", uncapped=True)
    made = create_key(ledger, tenant="acme", environment="prod", rights=["complete"], per_minute=100)
    rings = [LedgerKeyRing(ledger, prepare(ledger).secret, None, seconds=20) for _ in range(4)]
    allowed: Counter[int] = Counter()
    crossed = 0  # asked in one minute and answered in the next: they are of either
    ((left,),) = rows(ledger, "SELECT 60 - extract(second FROM clock_timestamp())::float8")
    if left > 8:
        await asyncio.sleep(left - 4)  # so that the edge is crossed under load

    async def ask(ring: LedgerKeyRing) -> None:
        nonlocal crossed
        end = time.monotonic() + 6
        while time.monotonic() < end:
            before = time.time() // 60
            found = (await asyncio.gather(ring.find(made.secret), return_exceptions=True))[0]
            if isinstance(found, Key):
                within = time.time() // 60 == before
                allowed[int(before)] += within
                crossed += not within
            else:
                await asyncio.sleep(0.005)

    await asyncio.gather(*[ask(ring) for ring in rings for _ in range(8)])
    for ring in rings:
        await ring.close()
    assert len(allowed) == 2
    assert all(count <= 100 and count + crossed >= 80 for count in allowed.values()), (allowed, crossed)


async def test_a_key_without_a_bound_takes_nothing(ledger: Database) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    made = create_key(ledger, tenant="acme", environment="prod", rights=["complete"])
    ring = LedgerKeyRing(ledger, prepare(ledger).secret, None)
    await asyncio.gather(*[ring.find(made.secret) for _ in range(300)])
    await ring.close()
    assert rows(ledger, "SELECT count(*) FROM aikit.key_minutes") == [(0,)]


async def test_several_keys_in_one_question_each_have_their_own_bound(ledger: Database) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    bounds = {1: 0, 3: 0, 10: 0, 200: 0}
    made = {
        per_minute: create_key(
            ledger, tenant="acme", environment="prod", rights=["complete"], per_minute=per_minute
        ).secret
        for per_minute in bounds
    }
    ring = LedgerKeyRing(ledger, prepare(ledger).secret, None, seconds=20)
    _wait_for_a_minute_with(ledger, 5)
    asked = [(per_minute, ring.find(secret)) for _ in range(20) for per_minute, secret in made.items()]
    found = await asyncio.gather(*[each for _, each in asked], return_exceptions=True)
    for (per_minute, _), answer in zip(asked, found, strict=True):
        bounds[per_minute] += isinstance(answer, Key)
    await ring.close()
    assert bounds == {1: 1, 3: 3, 10: 10, 200: 20}


def _wait_for_a_minute_with(database: Database, seconds: int) -> None:
    while True:
        ((left,),) = rows(database, "SELECT 60 - extract(second FROM clock_timestamp())::float8")
        if left >= seconds:
            return
        time.sleep(left + 0.1)
