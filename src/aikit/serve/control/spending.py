"""GET /v1/usage, /v1/limits and /v1/calls: what was used, what may be, and what it was used by."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import ConfigDict, Field

from aikit.ledger.calls import CallRow, list_calls
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.reports import SpendRow, spend
from aikit.money import credits, usd_string
from aikit.serve.answers import Answer
from aikit.serve.control.fields import Environment, Moment, Name, Time
from aikit.serve.control.ledger import Ledger
from aikit.serve.control.listing import Listed
from aikit.serve.control.whose import own, seen_from
from aikit.serve.endpoints import Asking, Endpoint, Query, Said
from aikit.serve.model import Right
from aikit.types import Metric

By = Literal["tenant", "user", "feature", "model", "provider", "day", "environment", "prompt"]


class Seen(Query):
    """Whose: only an operator's key names a tenant."""

    tenant: Name | None = Field(None, description="Only for an operator's key.")
    environment: Environment | None = Field(None, description="Only for an operator's key.")
    user: Name | None = None
    feature: Name | None = None


class Spending(Seen):
    """What was spent, by what, from when until when; both are rounded outward to the hour."""

    by: By = "tenant"
    since: Moment | None = Field(None, description="Default: the 1st of this month, UTC.")
    until: Moment | None = None


class Calls(Seen):
    """The newest attempts."""

    since: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 50


class SpendSaid(Said):
    """The attempts of one key, which is in the field that `by` names; null: they named none."""

    model_config = ConfigDict(frozen=True, extra="allow")

    calls: int
    refused: int
    failed: int
    tokens: dict[str, int]
    cost_usd: str | None
    credits: int | None
    estimated_calls: int
    unpriced_calls: int


class LimitSaid(Said):
    """A limit that applies, and where it stands."""

    tenant: str
    metric: str
    window: str | None
    action: str
    source: str
    counts: str
    cap: int | None = None
    soft_cap: int | None = None
    remaining: int | None = None
    used: int | None = None
    held: int | None = None
    cap_usd: str | None = None
    soft_cap_usd: str | None = None
    remaining_usd: str | None = None
    used_usd: str | None = None
    held_usd: str | None = None
    time_zone: str
    resets_at: Time | None


class CallSaid(Said):
    """An attempt. What nobody knows (yet) is null."""

    attempt: UUID
    call: UUID
    at: Time
    user: str | None
    feature: str | None
    provider: str
    model: str
    api: str
    state: str
    reason_code: str
    would_refuse: str | None
    error: str | None
    status: int | None
    estimated: bool
    corrected: bool
    tokens: int | None
    cost_usd: str | None
    bound_usd: str | None
    duration_ms: int | None
    prompt: str | None


SPEND, LIMITS, CALLS = Listed("spend", SpendSaid), Listed("limit.list", LimitSaid), Listed("calls.list", CallSaid)


class Reads:
    """Answers what was used and what may be."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._credit = ledger.kit.nano_per_credit

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        return (
            _read("/v1/usage", "What was spent, by what", self.usage, SPEND, Spending),
            _read("/v1/limits", "The limits that apply, and where they stand", self.limits, LIMITS, Seen),
            _read("/v1/calls", "The newest attempts, refused ones among them", self.calls, CALLS, Calls),
        )

    async def usage(self, asking: Asking) -> Answer:
        asked: Spending = asking.query
        place, tags = _whose(asking)
        report = await self._ledger.look(
            place,
            lambda c: spend(
                c,
                asked.by,
                since=asked.since,
                until=asked.until,
                tenant=place.tenant,
                environment=place.environment,
                **tags,
            ),
        )
        rows = [{asked.by: row.key or None} | self._spent(row) for row in report.rows]
        return SPEND.answer(rows, self._spent(report.totals))

    async def limits(self, asking: Asking) -> Answer:
        place, tags = _whose(asking)
        rows = await self._ledger.look(
            place, lambda c: list_limits(c, place.tenant, environment=place.environment, **tags)
        )
        return LIMITS.answer([_limit(row) for row in rows], {"limits": len(rows)})

    async def calls(self, asking: Asking) -> Answer:
        asked: Calls = asking.query
        place, tags = _whose(asking)
        rows = await self._ledger.look(
            place, lambda c: list_calls(c, tenant=place.tenant, since=asked.since, limit=asked.limit, **tags)
        )
        return CALLS.answer([_call(row) for row in rows], {"calls": len(rows)})

    def _spent(self, row: SpendRow) -> dict[str, Any]:
        nano = None if row.calls and row.unpriced_calls == row.calls else row.nano
        return {
            "calls": row.calls,
            "refused": row.refused,
            "failed": row.failed,
            "tokens": row.tokens,
            "cost_usd": None if nano is None else usd_string(nano),
            "credits": None if nano is None else credits(nano, self._credit),
            "estimated_calls": row.estimated_calls,
            "unpriced_calls": row.unpriced_calls,
        }


def _read(path: str, summary: str, run: Any, listed: Listed, query: type[Query]) -> Endpoint:
    return Endpoint("GET", path, Right.USAGE_READ, summary, run, answer=listed, query=query, tag="Reads")


def _whose(asking: Asking) -> tuple[Any, dict[str, Any]]:
    """The place that a read is about, and the user and feature that it is narrowed to."""
    asked: Seen = asking.query
    place = seen_from(asking.exchanged, asked.tenant, asked.environment)
    narrowed = {"user": own("user", place.user, asked.user), "feature": own("feature", place.feature, asked.feature)}
    return place, narrowed


def _limit(row: LimitRow) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in ("cap", "soft_cap", "remaining", "used", "held")}
    money = row.metric is Metric.CREDITS
    shown = {
        f"{name}_usd" if money else name: usd_string(value) if money and value is not None else value
        for name, value in values.items()
    }
    return {
        "tenant": row.tenant,
        "metric": str(row.metric),
        "window": None if row.metric is Metric.CONCURRENCY else str(row.window),
        "action": str(row.action),
        "source": row.source,
        "counts": row.counts or "tenant",
        **shown,
        "time_zone": row.zone,
        "resets_at": row.resets_at,
    }


def _call(row: CallRow) -> dict[str, Any]:
    fields = {name: getattr(row, name) for name in CallSaid.model_fields if hasattr(row, name)}
    return fields | {
        "state": str(row.state),
        "cost_usd": None if row.nano is None else usd_string(row.nano),
        "bound_usd": None if row.bound_nano is None else usd_string(row.bound_nano),
    }
