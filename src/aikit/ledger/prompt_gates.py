"""What eval gates said of prompts: of exactly this content, by its hash. The newest result of each suite counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from aikit.database.connect import Database
from aikit.ledger import audit
from aikit.ledger.reading import Readable, reading
from aikit.ledger.tables import prompt_gates
from aikit.prompts.model import Prompt


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate of one suite said. `run` has the facts of that run: cases, scores, models, cost."""

    seq: int
    at: datetime
    name: str
    version: int
    sha256: str
    suite: str
    passed: bool
    run: Mapping[str, Any]
    who: str


@dataclass(frozen=True, slots=True)
class Gate:
    """The newest result of each suite that was run on a content, by suite."""

    results: tuple[GateResult, ...]

    @property
    def passed(self) -> bool:
        """At least one suite was run, and none failed."""
        return bool(self.results) and not self.failed

    @property
    def failed(self) -> tuple[GateResult, ...]:
        return tuple([result for result in self.results if not result.passed])


def record_gate(
    database: Database,
    prompt: Prompt,
    suite: str,
    *,
    passed: bool,
    facts: Mapping[str, Any] | None = None,
    who: str | None = None,
) -> None:
    """Put on the record what the gate of a suite said of this content. It need not be published yet."""
    row = {"name": prompt.name, "version": prompt.version, "sha256": prompt.sha256, "suite": suite}
    told = {"passed": passed, "run": dict(facts or {}), "who": who or audit.actor()}
    with database.engine().begin() as connection:
        connection.execute(sa.insert(prompt_gates).values(**row, **told))


def gate_of(database: Readable, name: str, sha256: str) -> Gate:
    """What gates said of a prompt's content, under whichever version."""
    with reading(database) as connection:
        return read_gate(connection, name, sha256)


def read_gate(connection: sa.Connection, name: str, sha256: str) -> Gate:
    """The same on a connection."""
    columns = prompt_gates.c
    query = (
        sa.select(*[columns[field.name] for field in fields(GateResult)])
        .ext(distinct_on(columns.suite))
        .where(columns.name == name, columns.sha256 == sha256)
        .order_by(columns.suite, columns.seq.desc())
    )
    return Gate(tuple([GateResult(*row) for row in connection.execute(query)]))
