"""The demo itself: set the stage, let the crew call until the cap refuses everyone, and look at the books."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg

from aikit.demo import findings
from aikit.demo.crew import DemoFailed, Member, crew
from aikit.demo.findings import Moment
from aikit.demo.sdks import MAX_TOKENS, QUESTIONS, roster
from aikit.demo.stage import Stage, directory, stage
from aikit.demo.worker import Job, Report
from aikit.errors import SpendCapExceeded
from aikit.kit import AIKit
from aikit.ledger import reports, tenants
from aikit.ledger.verify import Verification, verify
from aikit.refusal import native_body
from aikit.types import Metric, Window

TENANT = "acme"
CALLERS = 8
"""Threads a process."""
LONGEST_SECONDS = 120.0
LOOK_SECONDS = 0.1
DEAREST = "anthropic/claude-sonnet-5"
"""Of the models in the demo the one whose holds are largest: when none else fits, it does not either."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How the demo is played. The cap is in nano-USD."""

    cap: int
    processes: int
    keep: bool = False


class Audience(Protocol):
    """Whom the demo tells how it goes."""

    def ready(self, what: str) -> None:
        """Something has been set up."""

    def look(self, moment: Moment) -> None:
        """How the tenant stands, ten times a second while the calls go on."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. Amounts are nano-USD."""

    cap: int
    used: int
    held: int
    peak: int
    """The most that was ever used and held at once."""
    admitted: int
    refused: int
    in_flight: int
    """How many of the refusals were only for calls in flight, and tried again."""
    processes: int
    callers: int
    stopped: int
    """How many callers the cap has stopped."""
    seconds: float
    refusals: Mapping[str, dict[str, Any]]
    """By SDK: the exception that it raised, the status, and the body as the SDK's server would have sent it."""
    body: Mapping[str, Any]
    """The refusal as aikit's own endpoint words it."""
    spend: reports.Spend
    verification: Verification
    requests_served: int
    tokens_served: Mapping[str, int]
    """What the simulated provider says that it was asked and billed."""
    tokens_entered: Mapping[str, int]
    """What the ledger says."""
    kept: Path | None

    @property
    def overshoot(self) -> int:
        """By how much the cap was ever exceeded, in holds or in fact."""
        return max(0, self.peak - self.cap, self.used - self.cap)

    @property
    def provider_agrees(self) -> bool:
        """The provider billed exactly what the ledger has, and was not sent what was refused."""
        return self.requests_served == self.admitted and self.tokens_served == self.tokens_entered

    @property
    def sound(self) -> bool:
        """Everything is as it should be."""
        return (
            self.overshoot == 0
            and self.held == 0
            and self.stopped == self.callers
            and self.provider_agrees
            and self.verification.ok
        )


def play(plan: Plan, audience: Audience) -> Outcome:
    """Play the demo and clean up. Raises DemoFailed, or EmbeddedFailed if there is no PostgreSQL to be had."""
    with directory(keep=plan.keep) as at, crew(roster(plan.processes), at) as members, stage(at) as on:
        with closing(on.kit.database.connect(role="demo")) as connection:
            audience.ready(f"PostgreSQL {connection.info.server_version // 10000}, embedded, for this demo only")
            audience.ready(f"Simulated provider at {on.simulator.url}: no key, no bill")
            tenants.add_tenant(on.kit.database, TENANT)
            tenants.set_limit(on.kit.database, TENANT, Metric.CREDITS, Window.MONTH, plan.cap)
            for member in members:
                member.begin(Job(str(on.config), TENANT, CALLERS))
            audience.ready(f"{len(members)} processes × {CALLERS} callers")
            seconds = _watch(members, connection, audience)
            report = Report()
            for member in members:
                report.add(member.report())
            body = _refusal(on.kit)
            on.kit.flush()
            return _outcome(plan, on, connection, report, body, seconds)


def _watch(members: Sequence[Member], connection: psycopg.Connection[Any], audience: Audience) -> float:
    """Look on until all are done; says how many seconds that took."""
    began = time.monotonic()
    while not all(member.done for member in members):
        audience.look(findings.moment(connection, TENANT))
        if time.monotonic() - began > LONGEST_SECONDS:
            raise DemoFailed(
                f"The cap was not reached within {LONGEST_SECONDS:.0f} seconds.", remedy="Try a smaller --cap-usd."
            )
        time.sleep(LOOK_SECONDS)
    audience.look(findings.moment(connection, TENANT))
    return time.monotonic() - began


def _refusal(kit: AIKit) -> dict[str, Any]:
    """One more call, to see the refusal in aikit's own words."""
    try:
        kit.complete(QUESTIONS[0], model=DEAREST, tenant=TENANT, max_tokens=MAX_TOKENS)
    except SpendCapExceeded as refused:
        return native_body(refused)
    raise DemoFailed("A call was admitted after the cap had refused all callers.")


def _outcome(
    plan: Plan,
    on: Stage,
    connection: psycopg.Connection[Any],
    report: Report,
    body: dict[str, Any],
    seconds: float,
) -> Outcome:
    last, served = findings.moment(connection, TENANT), on.simulator.served(limit=0)["totals"]
    return Outcome(
        cap=plan.cap,
        used=last.used,
        held=last.held,
        peak=findings.peak(connection, TENANT),
        admitted=last.calls,
        refused=last.refused,
        in_flight=report.waited,
        processes=plan.processes,
        callers=plan.processes * CALLERS,
        stopped=report.stopped,
        seconds=seconds,
        refusals=report.refusals,
        body=body,
        spend=reports.spend(on.kit.database, by="model"),
        verification=verify(on.kit.database),
        requests_served=served["requests"],
        tokens_served=served["billed"],
        tokens_entered=findings.tokens(connection, TENANT),
        kept=on.directory if plan.keep else None,
    )
