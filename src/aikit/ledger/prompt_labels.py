"""Labels: pointers to published versions, with a history. A move is on the record; all processes follow within 5 s."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import ConfigError, GateNotPassed, PromptInvalid, PromptNotFound
from aikit.ledger import audit
from aikit.ledger.locks import PROMPTS
from aikit.ledger.prompt_gates import Gate, read_gate
from aikit.ledger.reading import Readable, reading
from aikit.ledger.tables import prompt_labels, prompt_moves, prompt_versions
from aikit.prompts.refs import CANDIDATE, check_label

Kind = Literal["promote", "rollback"]


@dataclass(frozen=True, slots=True)
class Label:
    """Where a label points to, since when, who moved it there and why."""

    name: str
    label: str
    version: int
    sha256: str
    since: datetime
    who: str
    why: str | None
    forced: bool


@dataclass(frozen=True, slots=True)
class Move:
    """A label was moved. `was` is None for a new one. `forced`: although no eval gate had passed for this content."""

    at: datetime
    name: str
    label: str
    kind: Kind
    was: int | None
    version: int
    sha256: str
    forced: bool
    who: str
    why: str | None

    @property
    def changed(self) -> bool:
        """False: the label was there already, and nothing was recorded."""
        return self.was != self.version


def list_labels(database: Readable, name: str | None = None) -> list[Label]:
    """Where the labels point to, by name and label; of one prompt or of all."""
    query = sa.select(*[prompt_labels.c[field.name] for field in fields(Label)])
    query = query.order_by(prompt_labels.c.name, prompt_labels.c.label)
    if name is not None:
        query = query.where(prompt_labels.c.name == name)
    with reading(database) as connection:
        return [Label(*row) for row in connection.execute(query)]


def promote(
    database: Database,
    name: str,
    version: int,
    label: str,
    *,
    who: str | None = None,
    why: str | None = None,
    force: bool = False,
) -> Move:
    """Point a label to a published version whose eval gate has passed for exactly this content.

    `force` does it without, and needs `why`. Raises PromptNotFound for what is not published, GateNotPassed, or
    PromptInvalid for a name that can't be a label, ConfigError for an unusable `who` or `why`.
    """
    check_label(label, name)
    if label == CANDIDATE:
        raise PromptInvalid(
            f"{name}@{CANDIDATE} is the newest file, and is never moved.",
            facts={"label": label},
            remedy="Choose another label, such as staging.",
        )
    if force and not why:
        raise ConfigError("A promotion is forced only for a reason.", remedy="Say why: --reason TEXT.")
    with database.engine().begin() as connection:
        moves = _lock(connection, name, label)
        sha256 = _published(connection, name, version)
        gate = read_gate(connection, name, sha256)
        unmoved = bool(moves) and moves[-1].version == version
        if not (unmoved or gate.passed or force):
            raise _not_passed(name, version, sha256, gate)
        to = (version, sha256, force and not gate.passed)
        return _move(connection, name, label, "promote", moves, to, who, why, gate)


def rollback(
    database: Database,
    name: str,
    label: str = "production",
    *,
    to: int | None = None,
    who: str | None = None,
    why: str | None = None,
    seen: int | None = None,
) -> Move:
    """Point a label back to where it came from, or `to` a version that it has pointed to before.

    No eval gate is asked. Raises PromptNotFound if there is nothing to go back to, ConfigError for an unusable `who`
    or `why`, or a label that no longer points to the version that was `seen` (LABEL_MOVED).
    """
    with database.engine().begin() as connection:
        moves = _lock(connection, name, label)
        if seen is not None and moves and moves[-1].version != seen:
            raise ConfigError(
                f"{name}@{label} points to v{moves[-1].version} by now, no longer to v{seen}.",
                code="LABEL_MOVED",
                retryable=True,
                remedy="Look at it again, then decide.",
            )
        version = _earlier(name, label, moves, to)
        goal = (version, _published(connection, name, version), False)
        return _move(connection, name, label, "rollback", moves, goal, who, why)


def way_back(database: Database, name: str, label: str) -> tuple[int, int]:
    """The version that a label points to, and the one that `rollback` takes it to. Raises PromptNotFound."""
    with reading(database) as connection:
        moves = _moves(connection, name, label)
    target = _earlier(name, label, moves, None)
    return moves[-1].version, target


def way(moves: Iterable[tuple[str, int]]) -> list[int]:
    """The versions that a label came by, the one it points to last; of its moves, as kind and version.

    A promotion takes a step, a rollback takes steps back: so a second rollback goes further back, and a version that
    was rolled back is not come by again. A rollback to a version that is not on the way takes a step.
    """
    found: list[int] = []
    for kind, version in moves:
        if kind == "rollback" and version in found:
            while found[-1] != version:
                found.pop()
        else:
            found.append(version)
    return found


def _earlier(name: str, label: str, moves: list[Move], to: int | None) -> int:
    came_by = way([(move.kind, move.version) for move in moves])
    if not came_by:
        raise PromptNotFound(
            f"{name} has no label {label}.",
            facts={"name": name, "label": label},
            remedy=f"`aikit prompt history {name}` has its labels; `--label` names another one.",
        )
    if to is None and len(came_by) > 1:
        return came_by[-2]
    if to is not None and any(to in (move.version, move.was) for move in moves):
        return to
    never = "pointed to nothing before" if to is None else f"has never pointed to v{to}"
    raise PromptNotFound(
        f"{name}@{label} points to v{came_by[-1]}, and {never}.",
        facts={"name": name, "label": label, "version": came_by[-1]},
        remedy=f"Promote a version instead: aikit prompt promote {name}@v{to or 'N'} {label}.",
    )


def _lock(connection: sa.Connection, name: str, label: str) -> list[Move]:
    """Wait until nobody else moves labels; the moves of this one."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*PROMPTS)))
    return _moves(connection, name, label)


def _moves(connection: sa.Connection, name: str, label: str) -> list[Move]:
    """The moves of a label, the oldest first."""
    columns = prompt_moves.c
    query = sa.select(*[columns[field.name] for field in fields(Move)])
    query = query.where(columns.name == name, columns.label == label).order_by(columns.seq)
    return [Move(*row) for row in connection.execute(query)]


def _published(connection: sa.Connection, name: str, version: int) -> str:
    columns = prompt_versions.c
    found = connection.execute(sa.select(columns.sha256).where(columns.name == name, columns.version == version))
    sha256: str | None = found.scalar()
    if sha256 is None:
        raise PromptNotFound(
            f"{name}@v{version} is not published.",
            facts={"name": name, "version": version},
            remedy=f"Publish it: aikit prompt publish {name}.",
        )
    return sha256


def _not_passed(name: str, version: int, sha256: str, gate: Gate) -> GateNotPassed:
    failed = ", ".join([result.suite for result in gate.failed])
    said = f"it failed {failed}" if failed else "none was run on this content"
    return GateNotPassed(
        f"{name}@v{version} has not passed its eval gate: {said}.",
        facts={"prompt": f"{name}@v{version}", "sha256": sha256, "failed": [result.suite for result in gate.failed]},
        remedy=f"Run `aikit eval --gate --prompt {name}@v{version}`, or do it all the same: --force --reason TEXT.",
    )


def _move(
    connection: sa.Connection,
    name: str,
    label: str,
    kind: Kind,
    moves: list[Move],
    to: tuple[int, str, bool],
    who: str | None,
    why: str | None,
    gate: Gate | None = None,
) -> Move:
    version, sha256, forced = to
    last = moves[-1] if moves else None
    was, who = last.version if last else None, who or audit.actor()
    at = connection.execute(sa.select(sa.func.clock_timestamp())).scalar_one()
    move = Move(at, name, label, kind, was, version, sha256, forced, who, why or None)
    if not move.changed:
        return move
    audit.record(
        connection,
        who=who,
        action=f"prompt.{kind}",
        subject=f"prompt:{name}@{label}",
        before=last and {"version": f"v{last.version}", "sha256": last.sha256},
        after=_told(move, gate),
        why=why,
    )
    connection.execute(
        sa.insert(prompt_moves).values({field.name: getattr(move, field.name) for field in fields(Move)})
    )
    return move


def _told(move: Move, gate: Gate | None) -> dict[str, Any]:
    """As the audit has it."""
    told: dict[str, Any] = {"version": f"v{move.version}"}
    if gate is not None:
        told["forced"] = move.forced
        told["gates"] = {result.suite: "passed" if result.passed else "failed" for result in gate.results}
    return told | {"sha256": move.sha256}
