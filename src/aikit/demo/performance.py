"""The demo itself, once its processes are getting ready: the calls, and then the books."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from aikit.demo import findings
from aikit.demo.crew import DemoFailed, Member
from aikit.demo.outcome import CALLERS, TENANT, Audience, Outcome, Plan
from aikit.demo.sdks import DEAREST, MAX_TOKENS, QUESTIONS
from aikit.demo.stage import Stage, stage
from aikit.demo.worker import Job, Report
from aikit.errors import SpendCapExceeded
from aikit.kit import AIKit
from aikit.ledger.reports import spend
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.ledger.verify import verify
from aikit.policy.model import StatedLimit
from aikit.refusal import native_body
from aikit.types import Metric, Window

LONGEST_SECONDS = 600.0
LOOK_SECONDS = 0.1


def perform(plan: Plan, members: Sequence[Member], at: Path, audience: Audience) -> Outcome:
    """Set the stage in that directory, let the members call, and read the books. Raises DemoFailed, EmbeddedFailed."""
    since = datetime.now(UTC)
    with stage(at) as on, closing(on.kit.database.connect(role="demo")) as connection:
        _prepare(plan, members, on, connection, audience)
        began = time.monotonic()
        _look_on(members, connection, audience, began + LONGEST_SECONDS)
        seconds = time.monotonic() - began
        report = Report()
        for member in members:
            report.add(member.report())
        body = _refusal(on.kit)
        on.kit.flush()
        served = on.simulator.served(limit=0)["totals"]
        return Outcome(
            plan=plan,
            end=findings.moment(connection, TENANT),
            peak=findings.peak(connection, TENANT),
            retried=report.waited,
            stopped=report.stopped,
            seconds=seconds,
            refusals=report.refusals,
            body=body,
            spend=spend(on.kit.database, by="model", since=since),
            verification=verify(on.kit.database),
            served=served["requests"],
            billed=served["billed"],
            entered=findings.tokens(connection, TENANT),
            kept=on.config if plan.keep else None,
        )


def _prepare(
    plan: Plan, members: Sequence[Member], on: Stage, connection: psycopg.Connection[Any], audience: Audience
) -> None:
    audience.ready(f"PostgreSQL {connection.info.server_version // 10000}, embedded, for this demo alone")
    audience.ready(f"simulated provider on {on.simulator.url}: no key, no bill")
    add_tenant(on.kit.database, TENANT)
    set_limit(on.kit.database, TENANT, StatedLimit(Metric.CREDITS, Window.MONTH, plan.cap))
    for member in members:
        member.tell(Job(str(on.config), TENANT, CALLERS))
    for member in members:
        member.wait()
    audience.ready(f"{plan.callers} callers in {plan.processes} processes, through the official SDKs")
    for member in members:
        member.begin()


def _look_on(members: Sequence[Member], connection: psycopg.Connection[Any], audience: Audience, until: float) -> None:
    while not all(member.done for member in members):
        audience.look(findings.moment(connection, TENANT))
        if time.monotonic() > until:
            raise DemoFailed(
                f"The cap was not reached within {LONGEST_SECONDS:.0f} seconds.", remedy="Try a smaller --cap-usd."
            )
        time.sleep(LOOK_SECONDS)
    audience.look(findings.moment(connection, TENANT))


def _refusal(kit: AIKit) -> dict[str, Any]:
    """One more call, to see the refusal in aikit's own words."""
    try:
        kit.complete(QUESTIONS[0], model=DEAREST, tenant=TENANT, max_tokens=MAX_TOKENS)
    except SpendCapExceeded as refused:
        return native_body(refused)
    raise DemoFailed("A call was admitted after the cap had refused all callers.")
