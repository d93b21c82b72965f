"""For whoever runs it: is it alive, can it serve, and its metrics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import psycopg

from aikit.database.connect import Database
from aikit.database.stall import severed_after
from aikit.errors import AIKitError, ConfigError, Unauthorized
from aikit.kit_core import KitCore
from aikit.ledger.opening import current
from aikit.ledger.version import HEAD
from aikit.serve.answers import Answer, give, of_json
from aikit.serve.model import Exchanged, Receive, Right, Send, Service
from aikit.serve.routes import Route

FRESH = 1.0
"""Seconds for which a look at the ledger is good for everybody who asks."""
SECONDS = 2.0
"""How long the ledger has to answer."""
MOST_SPOOLED = 1_000
"""With more endings that wait for the ledger, no more calls should come here."""


@dataclass(frozen=True, slots=True)
class Check:
    """One of the things that serving stands on. `why` says what is wrong with it, in words without secrets."""

    ok: bool
    why: str = ""


class Operations:
    """Answers /healthz, /readyz and /metrics."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._looked_at = -FRESH
        self._looking: asyncio.Task[dict[str, Check]] | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/healthz", self.health, None),
            Route("GET", "/readyz", self.ready, None),
            Route("GET", "/metrics", self.metrics, Right.ADMIN),
        )

    async def health(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        """It is running, and its loop turns: this needs nothing else."""
        await give(of_json({"status": "ok"}), send)

    async def ready(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        """Whether calls should be sent here: 200, or 503 with what is wrong."""
        checks = await self._checks()
        fine = all(check.ok for check in checks.values())
        told = {name: "ok" if check.ok else check.why for name, check in checks.items()}
        body: dict[str, Any] = {"status": "ready" if fine else "not ready", "checks": told}
        await give(of_json(body, 200 if fine else 503, {} if fine else {"retry-after": "1"}), send)

    async def metrics(self, exchanged: Exchanged, receive: Receive, send: Send) -> None:
        """Prometheus metrics of all tenants, for an operator's key. Raises Unauthorized, ConfigError."""
        assert exchanged.key is not None
        if exchanged.key.tenant is not None:
            raise Unauthorized(
                "The metrics are of all tenants, and this key is one tenant's.",
                code="SCOPE_MISSING",
                status=403,
                remedy="Use an operator's key: aikit key create --admin.",
            )
        try:
            found = self._service.kit.metrics()
        except ConfigError as error:
            raise ConfigError(error.message, status=404, remedy=error.remedy) from None
        await give(Answer(200, {"content-type": found.content_type}, found.body), send)

    async def _checks(self) -> dict[str, Check]:
        """As they are, or were less than a second ago; asked once however many want to know."""
        if self._looking is None or (self._looking.done() and time.monotonic() - self._looked_at > FRESH):
            self._looked_at = time.monotonic()
            self._looking = asyncio.create_task(asyncio.to_thread(look, self._service.kit))
        return await asyncio.shield(self._looking)


def look(kit: KitCore) -> dict[str, Check]:
    """The ledger, its schema, and what waits for it on this machine. Blocks for a few seconds at most."""
    waiting = kit.meter.waiting
    spool = Check(
        waiting <= MOST_SPOOLED, "" if waiting <= MOST_SPOOLED else f"{waiting:,} endings wait for the ledger"
    )
    return {**_ledger(kit.database), "spool": spool}


def _ledger(database: Database) -> dict[str, Check]:
    try:
        with database.connect(role="ready") as connection, severed_after(connection, SECONDS):
            found = current(connection)
    except (AIKitError, psycopg.Error):
        return {"ledger": Check(False, "it can't be reached"), "schema": Check(False, "not known")}
    fits = found == HEAD
    return {"ledger": Check(True), "schema": Check(fits, "" if fits else f"it is {found}; this server needs {HEAD}")}
