"""One call in full: its attempts, what each was decided on, what it came to, and the price it was charged at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from aikit.ledger.reading import Readable, ids_around, reading
from aikit.ledger.recorded import read_findings, read_prompt, read_request, read_states, read_watch
from aikit.ledger.tables import entries, holds, prices, refusals
from aikit.types import USAGE_CLASSES, Finding, LimitState, PromptId, Usage, Watched

ATTEMPTS_WITHIN = timedelta(hours=1)
"""How long after a call began its last attempt may begin, for it to be found by the call's id."""


@dataclass(frozen=True, slots=True)
class PriceDetail:
    """A price as it was recorded: `body` has its rates and is what `aikit.pricing.price.Price.from_json` reads."""

    price_id: str
    provider: str
    model: str
    source: str
    version: str
    body: dict[str, Any]
    first_used_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptDetail:
    """One line about an attempt: its ending (`seq` 0), a later correction, its hold if it runs, or its refusal.

    `nano` is what this line charged, None while it is running; `bound_nano` the most the attempt could cost, None if
    it was refused before it was priced. `usage` None: nobody knows. `limits` are as the decision found them.
    """

    attempt: UUID
    seq: int
    state: str
    provider: str
    model: str
    served_model: str | None
    api: str
    stream: bool | None
    reason_code: str
    policy_version: int | None
    limits: tuple[LimitState, ...]
    watch: tuple[Watched, ...]
    """What the rules against runaways found."""
    would_refuse: str | None
    """The code of a limit that only warns and would have refused it."""
    source: str | None
    """The policy that refused it for another reason than a limit."""
    request: dict[str, Any] | None
    """What it asked for (`aikit.meter.rows`); None for what was decided before that was recorded."""
    output_tokens: int | None
    """How many output tokens it was granted; None for a refusal, and where the request is None."""
    decided_at: datetime
    settled_at: datetime | None
    expires_at: datetime | None
    duration_ms: int | None
    first_byte_ms: int | None
    status: int | None
    error: str | None
    estimated: bool
    usage: Usage | None
    nano: int | None
    bound_nano: int | None
    price_id: str | None
    price: PriceDetail | None
    prompt: PromptId | None = None
    findings: tuple[Finding, ...] = ()
    """What guards found in the request, and, once it has ended, in the response."""

    @property
    def clamped(self) -> bool:
        """Whether it was granted fewer output tokens than it named; unknown, so no, of a stream held bit by bit."""
        if self.request is None or self.output_tokens is None or self.request.get("leasable"):
            return False
        named: int | None = self.request["output"]
        return named is not None and self.output_tokens < named


@dataclass(frozen=True, slots=True)
class CallDetail:
    """A call: in whose name it was made, and its attempts in order. `nano` is what they came to so far."""

    call: UUID
    tenant: str
    user: str | None
    feature: str | None
    environment: str
    nano: int
    attempts: tuple[AttemptDetail, ...]


Row = sa.RowMapping


def get_call(database: Readable, id: UUID, *, tenant: str | None = None) -> CallDetail | None:
    """The attempt with this id, or the call with all its attempts; None if the ledger, or the tenant, has neither.

    Attempts are found by their key. There is no index by call: a call is looked for among the attempts that were made
    within an hour of it, which its id tells.
    """
    with reading(database) as connection:
        rows = _find(connection, tenant, lambda table: table.c.attempt == id)
        rows = rows or _find_call(connection, id, tenant)
        return _call(rows, _prices(connection, rows)) if rows else None


def _find_call(connection: sa.Connection, id: UUID, tenant: str | None) -> list[Row]:
    if id.version != 7:
        return []
    first, last = ids_around(id, ATTEMPTS_WITHIN)
    return _find(connection, tenant, lambda table: sa.and_(table.c.attempt.between(first, last), table.c.call == id))


def _find(
    connection: sa.Connection, tenant: str | None, condition: Callable[[sa.Table], sa.ColumnElement[bool]]
) -> list[Row]:
    """The rows, of all tenants or of one, the earliest attempt first; the columns tell which table each is from.

    By time: a look into the month, or the two, in which the ids lie.
    """
    found: list[Row] = []
    for table in (entries, holds, refusals):
        whose = [] if tenant is None else [table.c.tenant == tenant]
        found += connection.execute(sa.select(table).where(*whose, condition(table))).mappings()
    return sorted(found, key=lambda row: (row["attempt"], row.get("seq", 0)))


def _prices(connection: sa.Connection, rows: Iterable[Row]) -> dict[str, PriceDetail]:
    wanted = {row["price_id"] for row in rows}
    found = connection.execute(sa.select(prices).where(prices.c.price_id.in_(wanted - {None})))
    return {row.price_id: PriceDetail(**row._asdict()) for row in found}


def _call(rows: Sequence[Row], known: Mapping[str, PriceDetail]) -> CallDetail:
    attempts = tuple([_attempt(row, known) for row in rows])
    return CallDetail(
        call=rows[0]["call"],
        tenant=rows[0]["tenant"],
        user=rows[0]["user_id"],
        feature=rows[0]["feature"],
        environment=rows[0]["environment"],
        nano=sum(attempt.nano or 0 for attempt in attempts),
        attempts=attempts,
    )


def _attempt(row: Row, known: Mapping[str, PriceDetail]) -> AttemptDetail:
    decided_at = row["refused_at"] if "refused_at" in row else row["admitted_at"]
    reported = row.get("input") is not None
    return AttemptDetail(
        attempt=row["attempt"],
        seq=row.get("seq", 0),
        **_standing(row),
        provider=row["provider"],
        model=row["model"],
        served_model=row.get("served_model"),
        api=row["api"],
        stream=row.get("stream"),
        reason_code=row["reason_code"],
        policy_version=row["policy_version"],
        limits=read_states(row["limits"], decided_at),
        watch=read_watch(row["limits"]),
        would_refuse=row.get("would_refuse"),
        source=row.get("source"),
        request=read_request(row["request"]),
        output_tokens=None if row["request"] is None else row.get("held_output", row.get("output_tokens")),
        decided_at=decided_at,
        settled_at=row.get("settled_at"),
        expires_at=row.get("expires_at"),
        duration_ms=row.get("duration_ms"),
        first_byte_ms=row.get("first_byte_ms"),
        status=row.get("status"),
        error=row.get("error"),
        estimated=row.get("estimated", False),
        usage=Usage(*[row[name] for name in USAGE_CLASSES]) if reported else None,
        price_id=row["price_id"],
        price=known.get(row["price_id"]),
        prompt=read_prompt(row["prompt"], row["prompt_hash"]),
        findings=read_findings(row["findings"]),
    )


def _standing(row: Row) -> dict[str, Any]:
    """The state, what was charged, and what was held or would have been."""
    if "ending" in row:
        return {"state": row["ending"], "nano": row["nano"], "bound_nano": row["held_nano"]}
    if "refused_at" in row:
        return {"state": "refused", "nano": 0, "bound_nano": row["nano"] if row["price_id"] else None}
    return {"state": "running", "nano": None, "bound_nano": row["nano"]}
