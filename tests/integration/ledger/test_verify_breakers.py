"""What `ledger verify` finds wrong with breakers; and that what meters and people do to them is not."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from aikit.breaker.model import TUNING
from aikit.database.connect import Database
from aikit.ledger.breakers import force_breaker, reset_breaker
from aikit.ledger.verify import verify
from aikit.types import Ending, Entry, Health
from support.attempts import held, meter_on, order, set_limits
from support.ledger import tell

KEY = ("openai", "gpt-4o-mini")
OPEN = """INSERT INTO aikit.breakers (provider, model, state, since, until, reason)
          VALUES ('openai', 'm', 'open', now(), now() + interval '15 s', 'failure_rate')"""
MOVED = """INSERT INTO aikit.breaker_moves (at, provider, model, was, state)
           VALUES (now(), 'openai', 'm', 'closed', 'open')"""


def found(ledger: Database) -> list[tuple[str, str]]:
    return [(finding.kind, finding.what) for finding in verify(ledger).findings]


def test_what_meters_and_people_do_is_clean(ledger: Database, tmp_path: Path) -> None:
    set_limits(ledger, "acme", month=10**9)
    quick = TUNING._replace(open_first=timedelta(milliseconds=50), consecutive=2)
    with meter_on(ledger, tmp_path, quick) as meter:
        for n in range(40):
            if n % 9 == 5:
                force_breaker(ledger, KEY, open=n % 2 == 0, lasting=timedelta(seconds=1))
            elif n % 9 == 7:
                reset_breaker(ledger, KEY)
            decision = meter.admit(order(price=None))
            if decision.hold is not None:
                health = Health.OK if n % 3 else Health.FAILED
                meter.end(Entry(held(decision), Ending.VOIDED, 0, status=500, health=health))
            assert found(ledger) == []
        meter.flush()
    assert found(ledger) == []


@pytest.mark.parametrize(
    ("statements", "kind", "what"),
    [
        ([OPEN], "breaker_move", "breaker openai/m is open, its last move says closed"),
        ([OPEN, MOVED, "UPDATE aikit.breakers SET until = NULL"], "breaker_end", "openai/m is open without an end"),
        (
            [OPEN, MOVED, MOVED],
            "breaker_moves",
            "a move of openai/m from closed, where the one before left it open",
        ),
        (
            [
                OPEN.replace("'open'", "'closed'"),
                "UPDATE aikit.breakers SET probes = ARRAY[gen_random_uuid()], leases = ARRAY[now()]",
            ],
            "breaker_probes",
            "breaker openai/m is closed and has probes under way",
        ),
        (
            [
                OPEN,
                MOVED,
                "UPDATE aikit.breakers SET leases = ARRAY[now(), now()], "
                "probes = ARRAY['00000000-0000-0000-0000-000000000001'::uuid, '00000000-0000-0000-0000-000000000001']",
            ],
            "breaker_probes",
            "breaker openai/m has two leases for one attempt",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_can_not_be_is_found(ledger: Database, statements: list[str], kind: str, what: str) -> None:
    tell(ledger, *statements)
    ((found_kind, found_what),) = found(ledger)
    assert found_kind == kind and what in found_what
