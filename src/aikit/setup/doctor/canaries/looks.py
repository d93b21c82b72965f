"""What the canaries show: each makes metered calls on a stage, and looks at what they came to."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import psycopg

from aikit.breaker.model import TUNING, State
from aikit.errors import Exit
from aikit.meter.queries import MOVED, WRITE_BREAKER
from aikit.money import format_usd
from aikit.policy.model import Policy, Scope, StatedGuard, StatedLimit
from aikit.setup.doctor.canaries.rehearsal import COST, Rehearsal, rehearsal
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check
from aikit.types import GuardAction, Metric, Window

ENOUGH = StatedLimit(Metric.CREDITS, Window.DAY, 1_000_000_000)
NONE = StatedLimit(Metric.CREDITS, Window.DAY, 0)
WORD = "xylocanary"
"""What the guard on the stage forbids."""
REMEDY = "Run `aikit ledger verify`; if it finds nothing, report this with the line above."

Scene = Callable[[Rehearsal], Check]


class Wrong(Exception):
    """A canary did not see what it must."""


def _scene(policy: Policy) -> Callable[[Scene], Canary]:

    return lambda scene: Canary(policy, scene)


class Canary:
    """A look that plays a scene on a stage where this policy is in force."""

    def __init__(self, policy: Policy, scene: Scene) -> None:
        self.scene = scene
        self._policy = policy
        self.__name__ = scene.__name__

    def __call__(self, patient: Patient) -> Check:
        try:
            return self._played(patient)
        except psycopg.errors.InsufficientPrivilege:
            return warning(
                "not tried: the role may not add a tenant, even for a moment",
                "Run `aikit doctor --only canaries` as a role that may, such as the owner of the schema.",
            )
        except (psycopg.errors.ReadOnlySqlTransaction, psycopg.errors.InFailedSqlTransaction):
            return self._played(patient)  # somebody changed policies meanwhile: once more

    def _played(self, patient: Patient) -> Check:
        with rehearsal(patient, self._policy) as stage:
            try:
                return self.scene(stage)
            except Wrong as wrong:
                return broken(str(wrong), REMEDY)


def _policy(limit: StatedLimit, *guards: StatedGuard) -> Policy:
    return Policy("doctor", Scope(), limits=(limit,), guards=guards)


def _must(true: bool, else_: str) -> None:
    if not true:
        raise Wrong(else_)


@_scene(_policy(ENOUGH))
def spend(stage: Rehearsal) -> Check:
    """A call moves its counter by exactly what it cost."""
    response = stage.call()
    _must(response.status_code == 200, f"a call that is allowed was answered {response.status_code}{_code(response)}")
    used, held = stage.row("SELECT used, held FROM aikit.counts WHERE tenant = %s", stage.tenant)
    _must(used == COST, f"a call that cost {COST:,} nano-USD moved its counter by {used:,}")
    _must(held == 0, f"a call that has ended still holds {held:,} nano-USD")
    (entries, nano) = stage.row("SELECT count(*), sum(nano) FROM aikit.entries WHERE tenant = %s", stage.tenant)
    _must(
        (entries, nano) == (1, COST), f"a call left {entries} entries over {nano or 0:,} nano-USD, not one of {COST:,}"
    )
    return fine(f"a call that cost {format_usd(COST)} moved its counter by that, and left one entry", cost_nano=COST)


@_scene(_policy(NONE))
def denied(stage: Rehearsal) -> Check:
    """A call that a cap denies is not sent."""
    response = stage.call()
    _must(stage.upstream.sent == 0, "a call over its cap was sent")
    _must(response.status_code == 402, f"a call over its cap was answered {response.status_code}{_code(response)}")
    return fine(f"a call over its cap was answered 402{_code(response)}, and nothing was sent", sent=0)


@_scene(_policy(ENOUGH))
def breaker(stage: Rehearsal) -> Check:
    """A provider that fails is left alone; once its breaker is reset, it is called again."""
    stage.upstream.status = 500
    for _ in range(TUNING.consecutive):
        stage.call()
    failures = stage.upstream.sent
    response = stage.call()
    _must(response.status_code == 503, f"after {failures} failures a call was answered {response.status_code}")
    _must(stage.upstream.sent == failures, f"after {failures} failures another call was sent")
    _reset(stage)
    stage.upstream.status = 200
    response = stage.call()
    _must(response.status_code == 200, f"after a reset a call was answered {response.status_code}{_code(response)}")
    return fine(
        f"opened after {failures} failures, sent nothing while open, and closed when it was reset", trips=failures
    )


def _reset(stage: Rehearsal) -> None:
    found = stage.connection.execute(
        "SELECT provider, model FROM aikit.breakers WHERE provider = %s AND state = 'open'", (stage.provider,)
    ).fetchall()
    for key in found:
        stage.connection.execute(
            WRITE_BREAKER, (State.CLOSED, stage.row("SELECT now()")[0], None, "operator", 0, 0, [], [], *key)
        )
    stage.connection.execute(MOVED)


@_scene(_policy(ENOUGH, StatedGuard("banned_terms", GuardAction.BLOCK, options=f'{{"terms":["{WORD}"]}}')))
def guard(stage: Rehearsal) -> Check:
    """A text that a guard blocks is not sent; another one is."""
    response = stage.call(f"Say {WORD}.")
    _must(stage.upstream.sent == 0, "a text that a guard blocks was sent")
    _must(
        response.status_code == 422, f"a text that a guard blocks was answered {response.status_code}{_code(response)}"
    )
    response = stage.call()
    _must(response.status_code == 200, f"a harmless text was answered {response.status_code}{_code(response)}")
    return fine("a forbidden text was answered 422 and not sent, a harmless one was", sent=1)


@_scene(_policy(ENOUGH))
def idempotency(stage: Rehearsal) -> Check:
    """Of two requests with one key, one is sent."""
    for _ in range(2):
        stage.call(idempotency_key="canary")
    _must(stage.upstream.sent == 1, f"of two requests with one idempotency key, {stage.upstream.sent} were sent")
    (used,) = stage.row("SELECT used FROM aikit.counts WHERE tenant = %s", stage.tenant)
    _must(used == COST, f"two requests with one idempotency key were charged {used:,} nano-USD, not {COST:,}")
    return fine("of two requests with one key, one was sent and charged", sent=1)


@_scene(_policy(ENOUGH))
def immutable(stage: Rehearsal) -> Check:
    """An entry can be neither changed nor deleted."""
    stage.call()
    for statement in (
        "UPDATE aikit.entries SET nano = 0 WHERE tenant = %s",
        "DELETE FROM aikit.entries WHERE tenant = %s",
    ):
        verb = statement.split()[0]
        try:
            with stage.connection.transaction():
                stage.connection.execute(statement, (stage.tenant,))
        except (psycopg.errors.RestrictViolation, psycopg.errors.InsufficientPrivilege):
            continue
        return broken(
            f"{verb} of an entry was not refused",
            "Put the triggers of the ledger back: `aikit db upgrade --sql` prints them (append_only, no_truncate).",
            Exit.DATABASE,
        )
    return fine("UPDATE and DELETE of an entry were refused")


def _code(response: httpx2.Response) -> str:
    """` DAILY_BUDGET_EXCEEDED`: the reason code of a refusal."""
    try:
        return f" {response.json()['error']['code']}"
    except (ValueError, KeyError, TypeError):
        return ""
