"""A stage for metered calls: the real transport, desk, poster and database, in a transaction that is rolled back.

Nothing of a rehearsal stays, and nobody sees it: its tenant, its policy, its holds and entries are rolled back with it,
and the session can't write anything outside of that transaction. What it locks, for some tens of milliseconds: rows of
its own, and the right of others to change policies.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from uuid import uuid4

import httpx2
import psycopg

from aikit.config import Provider
from aikit.desk import Desk
from aikit.meter.opening import HOLD_SECONDS, SESSION
from aikit.meter.plan import Batch, Plan
from aikit.meter.poster import Poster
from aikit.meter.prices import PriceRow
from aikit.meter.queries import BARRIER
from aikit.meter.rows import EndingRow, OrderRow
from aikit.meter.watch import Watch
from aikit.notices import Notices
from aikit.policy.model import Policy
from aikit.policy.record import to_body
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.setup.doctor.patient import Patient
from aikit.streams.drains import Drains
from aikit.transport import MeteredTransport
from aikit.types import Decision, Entry, Extension, Hold, Order, Refusal, Tags

MODEL = "canary"
RATE = "1"
"""USD per million tokens."""
INPUT, OUTPUT = 11, 7
"""Tokens that the provider on the stage says it has used."""
COST = (INPUT + OUTPUT) * 1_000
"""Nano-USD of that."""
SPENT = {"prompt_tokens": INPUT, "completion_tokens": OUTPUT, "total_tokens": INPUT + OUTPUT}
ANSWER = {
    "id": "canary",
    "object": "chat.completion",
    "created": 0,
    "model": MODEL,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "alive"}, "finish_reason": "stop"}],
    "usage": SPENT,
}
NAME = "aikit-doctor-"
SAVED = "SAVEPOINT rehearsed"
MEANT = {"BEGIN": SAVED, "COMMIT": "RELEASE SAVEPOINT rehearsed"}


def _is_real(record: logging.LogRecord) -> bool:
    """A breaker that trips on the stage is nothing to be told of."""
    return not (isinstance(record.args, tuple) and record.args and str(record.args[0]).startswith(NAME))


logging.getLogger("aikit.breaker").addFilter(_is_real)


class Upstream(httpx2.BaseTransport):
    """The provider on the stage: answers in this process, and counts what was sent to it."""

    def __init__(self) -> None:
        self.sent = 0
        self.status = 200

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        self.sent += 1
        body: dict[str, Any] = ANSWER if self.status == 200 else {"error": {"message": "the canary fails"}}
        return httpx2.Response(self.status, json=body)


class Rehearsal:
    """A tenant with one policy, and calls in its name to a provider that there is not. Times are the database's."""

    def __init__(self, connection: psycopg.Connection[Any], name: str, secret: bytes, nano_per_credit: int) -> None:
        self.tenant = self.provider = name
        self.upstream = Upstream()
        self.connection = connection
        self._till = _Till(connection)
        book = PriceBook(parse_overrides({f"{name}/{MODEL}": {"input": RATE, "output": RATE}}), providers=())
        self._till.desk = Desk(self._till, book, {}, nano_per_credit, Notices(), secret=secret)
        provider = Provider(name, "openai", "http://canary.invalid/v1")
        tags = Tags(name, environment="dev")
        transport = MeteredTransport(self.upstream, provider, lambda: tags, self._till, self._till.desk, Drains(0))
        self._client = httpx2.Client(transport=transport)

    def call(self, text: str = "Are you alive?", **headers: str) -> httpx2.Response:
        """One metered call; a refusal is a response, too."""
        body = {"model": MODEL, "max_tokens": 16, "messages": [{"role": "user", "content": text}]}
        return self._client.post(
            "http://canary.invalid/v1/chat/completions",
            json=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )

    def row(self, query: str, *arguments: Any) -> tuple[Any, ...]:
        """The only row of a query."""
        row = self.connection.execute(query, arguments).fetchone()
        assert row is not None
        return cast("tuple[Any, ...]", row)

    def close(self) -> None:
        self._client.close()


@contextmanager
def rehearsal(patient: Patient, policy: Policy) -> Iterator[Rehearsal]:
    """A stage on which `policy`, and no other, is in force for the canary's tenant. Raises psycopg.Error.

    The scope and the name of `policy` are replaced by the tenant's.
    """
    name = f"{NAME}{uuid4().hex[:8]}"
    with patient.line() as connection:
        connection.execute(SESSION)
        connection.execute("BEGIN READ WRITE")
        try:
            connection.execute(BARRIER)  # before anything else, as meters do: whoever changes policies waits for us
            row = connection.execute("SELECT secret, nano_per_credit, policy_version FROM aikit.state").fetchone()
            assert row is not None
            secret, nano_per_credit, version = row
            _set_up(connection, name, policy, version)
            stage = Rehearsal(connection, name, secret, nano_per_credit)
            try:
                yield stage
            finally:
                stage.close()
        finally:
            if not connection.closed:
                connection.pgconn.exec_(b"ROLLBACK")


def _set_up(connection: psycopg.Connection[Any], name: str, policy: Policy, version: int) -> None:
    body = to_body(policy) | {"name": f"tenant:{name}", "scope": {"tenant": name}}
    connection.execute(
        "UPDATE aikit.policies SET until = since + 1 WHERE tenant IS NULL AND until IS NULL"
    )  # for us alone: what is stated for everybody is not what is looked at
    connection.execute("INSERT INTO aikit.tenants (tenant, since) VALUES (%s, %s)", (name, version))
    connection.execute(
        "INSERT INTO aikit.policies (name, tenant, body, by_hand, since) VALUES (%s, %s, %s, true, %s)",
        (f"tenant:{name}", name, json.dumps(body), version),
    )


class _Till:
    """What a meter does, at once and in the caller's thread: decides, posts, and reviews breakers."""

    desk: Desk

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        stage = cast("psycopg.Connection[Any]", _Stage(connection))
        self._poster = _Rehearsed(stage, self._price, hold_seconds=HOLD_SECONDS)
        self._watch = Watch()

    def admit(self, order: Order) -> Decision:
        [decision] = self._poster.post(Batch(orders=[OrderRow.of(order)]))
        return decision

    async def admit_async(self, order: Order) -> Decision:
        return self.admit(order)

    def extend(self, extension: Extension) -> Decision:
        [decision] = self._poster.post(Batch(extensions=[extension]))
        return decision

    async def extend_async(self, extension: Extension) -> Decision:
        return self.extend(extension)

    def end(self, entry: Entry) -> None:
        rows = [EndingRow.of(entry)]
        self._poster.post(Batch(entries=rows))
        self._poster.see(self._watch, rows)
        if self._watch.due:
            self._poster.review(self._watch)

    def refuse(self, refusal: Refusal) -> None:
        self._poster.post(Batch(refusals=[refusal]))

    def renew(self, hold: Hold) -> None:
        self._poster.renew([hold])

    def _price(self, price_id: str) -> PriceRow:
        return PriceRow.of(self.desk.prices[price_id])


class _Rehearsed(Poster):
    """A poster whose transactions are parts of one that is open already."""

    def _accepted(self, planned: Plan) -> bool:
        wire = self._connection.pgconn
        wire.exec_(b"SAVEPOINT tried")
        try:
            return super()._accepted(planned)
        except BaseException:
            wire.exec_(b"ROLLBACK TO SAVEPOINT tried")
            raise


class _Stage:
    """Stands for a connection in autocommit mode: where it begins and commits, the real one saves and releases."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.pgconn = _Wire(connection.pgconn)

    def execute(self, query: Any, *rest: Any, **options: Any) -> Any:
        return self._connection.execute(MEANT.get(query, query), *rest, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Wire:
    """The same for what is said past psycopg."""

    def __init__(self, pgconn: Any) -> None:
        self._pgconn = pgconn

    def exec_(self, command: bytes) -> Any:
        return self._pgconn.exec_(b"ROLLBACK TO " + SAVED.encode() if command == b"ROLLBACK" else command)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pgconn, name)
