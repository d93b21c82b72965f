"""The history of a prompt: its versions, what gates said of them, and the moves of its labels, as one timeline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from aikit.errors import PromptNotFound
from aikit.ledger.reading import Readable, reading
from aikit.ledger.tables import prompt_gates, prompt_moves, prompt_versions

Kind = Literal["publish", "gate", "promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Happening:
    """`version` was published, judged or pointed to. `was` is the version that it was made from or that the label left.

    `passed` is what the gate of `suite` said; `forced` and `label` are of moves only.
    """

    at: datetime
    kind: Kind
    version: int
    sha256: str
    who: str
    was: int | None = None
    label: str | None = None
    suite: str | None = None
    passed: bool | None = None
    forced: bool | None = None
    why: str | None = None


def history(database: Readable, name: str) -> list[Happening]:
    """All that has happened to a prompt, the newest first. Raises PromptNotFound if nothing has."""
    with reading(database) as connection:
        found = [*_published(connection, name), *_judged(connection, name), *_moved(connection, name)]
    if not found:
        raise PromptNotFound(
            f"Nothing of {name} is published.", facts={"name": name}, remedy=f"Publish it: aikit prompt publish {name}."
        )
    return sorted(found, key=lambda happening: happening.at, reverse=True)


def _published(connection: sa.Connection, name: str) -> list[Happening]:
    columns = prompt_versions.c
    rows = _of(
        connection, name, columns.version, columns.published_at, columns.sha256, columns.published_by, columns.parent
    )
    return [Happening(at, "publish", version, sha256, who, was=parent) for version, at, sha256, who, parent in rows]


def _judged(connection: sa.Connection, name: str) -> list[Happening]:
    columns = prompt_gates.c
    rows = _of(
        connection, name, columns.seq, columns.at, columns.version, columns.sha256, columns.who, columns.suite,
        columns.passed,
    )  # fmt: skip
    return [
        Happening(at, "gate", version, sha256, who, suite=suite, passed=passed)
        for _, at, version, sha256, who, suite, passed in rows
    ]


def _moved(connection: sa.Connection, name: str) -> list[Happening]:
    columns = prompt_moves.c
    rows = _of(
        connection, name, columns.seq, columns.at, columns.kind, columns.version, columns.sha256, columns.who,
        columns.was, columns.label, columns.forced, columns.why,
    )  # fmt: skip
    return [
        Happening(at, kind, version, sha256, who, was=was, label=label, forced=forced, why=why)
        for _, at, kind, version, sha256, who, was, label, forced, why in rows
    ]


def _of(connection: sa.Connection, name: str, *columns: sa.Column[Any]) -> list[Any]:
    """The rows of a prompt, the newest first, so that what came at the same instant stays in its order."""
    query = sa.select(*columns).where(columns[0].table.c.name == name).order_by(columns[0].desc())
    return list(connection.execute(query))
