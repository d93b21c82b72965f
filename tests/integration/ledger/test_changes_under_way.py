"""Policies and plans that change while calls run: nothing is lost, nothing counts twice, and no cap is passed."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest

from aikit.database.connect import Database
from aikit.ledger.audit import verify_audit
from aikit.ledger.plans import set_plan
from aikit.ledger.policies import apply, put_policy, read_policies, remove_policy, rollback
from aikit.ledger.tenants import add_tenant, remove_limit, set_limit
from aikit.ledger.verify import verify
from aikit.policy.model import AI_ACCESS, Policy, Scope, StatedLimit
from aikit.types import Action, Hold, Metric, Window
from support.ledger import BOUND, MINI, SOME, Till, rows

COST = MINI.cost(SOME)
PLENTY = 10**15
TENANTS = ("acme", "beta")
TOTAL = StatedLimit(Metric.CREDITS, Window.TOTAL, PLENTY)
FREE = Policy("plan:free", Scope(plan="free"), entitlements=(AI_ACCESS,))


def some_limits(rng: random.Random) -> tuple[StatedLimit, ...]:
    """One to three limits with plenty of room, on whatever can be counted."""
    limits = []
    for metric in rng.sample(list(Metric), rng.randint(1, 3)):
        window = Window.TOTAL if metric is Metric.CONCURRENCY else rng.choice([w for w in Window if w != Window.CALL])
        zone = rng.choice(("UTC", "Asia/Tokyo")) if window in (Window.DAY, Window.WEEK, Window.MONTH) else "UTC"
        limit = StatedLimit(metric, window, PLENTY, action=rng.choice(list(Action)), zone=zone)
        limits.append(rng.choice((limit, replace(limit, each="user"), replace(limit, each="feature"))))
    return tuple(limits)


SCOPES = (
    Scope(),
    Scope(environment="prod"),
    Scope(feature="chat"),
    Scope(user="u1"),
    Scope(tenant="acme"),
    Scope(tenant="acme", feature="chat"),
    Scope(plan="free"),
    Scope(plan="free", environment="dev"),
)


def change_something(ledger: Database, rng: random.Random) -> None:
    """Any change that a person can make, but none that leaves a tenant without a limit."""
    scope = rng.choice(SCOPES)
    tenant, user = rng.choice(TENANTS), rng.choice((None, "u1", "u2"))
    wanted = Policy(f"some {scope.label}", scope, limits=some_limits(rng), priority=rng.randint(0, 1))
    match rng.randrange(7):
        case 0 | 1:
            put_policy(ledger, wanted)
        case 2:
            remove_policy(ledger, wanted.name)
        case 3:
            apply(ledger, [FREE, Policy("default", Scope(), limits=(TOTAL,)), wanted])
        case 4:
            set_plan(ledger, tenant, rng.choice(("free", None)), user=user)
        case 5:
            set_limit(ledger, tenant, some_limits(rng)[0])
        case 6:
            newest = read_policies(ledger).version
            rollback(ledger, rng.randint(max(newest - 5, FIRST), newest))


FIRST = 2
"""The version from which on all have the default and the plan."""


@contextmanager
def changes(ledger: Database, act: Callable[[], None], at_least: int) -> Iterator[None]:
    """Make changes, one after another, as long as the body runs, and at least so many."""
    done = threading.Event()

    def keep_changing() -> None:
        made = 0
        while made < at_least or not done.is_set():
            act()
            made += 1

    with ThreadPoolExecutor(1) as pool:
        changing = pool.submit(keep_changing)
        try:
            yield
        finally:
            done.set()
        changing.result()


CALLS = 60


def some_calls(till: Till, seed: int) -> list[Hold]:
    """Calls of all kinds; some end at once, others later or not yet. Returns those that still run."""
    rng = random.Random(seed)
    running: list[Hold] = []
    for _ in range(CALLS):
        tags = {"user": rng.choice(("u1", "u2")), "feature": rng.choice(("chat", "search"))}
        given = {name: value for name, value in tags.items() if rng.random() < 0.8}
        given["environment"] = rng.choice(("prod", "dev"))
        running.append(till.admit(rng.choice(TENANTS), BOUND, price=MINI, **given))
        if rng.random() < 0.8:
            till.settle(running.pop(rng.randrange(len(running))))
    return running


@pytest.mark.parametrize("seed", [1, 2])
def test_books_agree_after_any_changes_while_calls_run(
    ledger: Database, open_till: Callable[[], Till], seed: int
) -> None:
    apply(ledger, [FREE, Policy("default", Scope(), limits=(TOTAL,))])
    assert read_policies(ledger).version == FIRST
    for tenant in TENANTS:
        add_tenant(ledger, tenant)
    tills = [open_till(), open_till()]
    rng = random.Random(seed)
    callers = [(till, 10 * seed + number) for number, till in enumerate((*tills, *tills))]
    with changes(ledger, lambda: change_something(ledger, rng), 40), ThreadPoolExecutor(4) as pool:
        running = list(pool.map(lambda caller: some_calls(*caller), callers))
    for till in tills:
        till.flush()
    assert verify(ledger).findings == []
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(sum(map(len, running)),)]
    for (till, _), holds in zip(callers, running, strict=True):
        for hold in holds:
            till.settle(hold)
    for till in tills:
        till.flush()
    made = len(callers) * CALLS
    assert rows(ledger, "SELECT count(*), count(DISTINCT attempt), sum(nano) FROM aikit.entries") == [
        (made, made, made * COST)
    ]
    assert rows(ledger, "SELECT count(*) FROM aikit.holds") == [(0,)]
    assert rows(ledger, "SELECT count(*) FROM aikit.counts WHERE held <> 0") == [(0,)]
    assert (verify(ledger).findings, verify_audit(ledger).findings) == ([], ())


ROOM = 150


def test_no_cap_is_passed_though_its_counters_are_opened_anew_again_and_again(
    ledger: Database, open_till: Callable[[], Till]
) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", replace(TOTAL, cap=ROOM * BOUND + BOUND // 2))
    hourly = StatedLimit(Metric.TOKENS, Window.HOUR, PLENTY, each="user")

    def open_anew() -> None:
        set_limit(ledger, "acme", hourly)
        remove_limit(ledger, "acme", hourly.metric, hourly.window, each="user")

    def spend_all(till: Till) -> int:
        admitted = 0
        while True:
            decision = till.ask("acme", user="u1")
            if decision.hold is not None:
                admitted += 1
                till.presume(decision.hold)
            elif not decision.in_flight:
                return admitted

    tills: Sequence[Till] = [open_till(), open_till()]
    with changes(ledger, open_anew, 3), ThreadPoolExecutor(4) as pool:
        admitted = list(pool.map(spend_all, (*tills, *tills)))
    for till in tills:
        till.flush()
    assert sum(admitted) == ROOM
    assert rows(ledger, "SELECT sum(nano) FROM aikit.entries") == [(ROOM * BOUND,)]
    assert verify(ledger).findings == []
