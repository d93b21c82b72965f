"""Published prompts: versions that never change. What is published is on the record, and stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from aikit.database.connect import Database
from aikit.errors import PromptChanged
from aikit.ledger import audit
from aikit.ledger.locks import PROMPTS
from aikit.ledger.reading import Readable, reading
from aikit.ledger.tables import prompt_versions
from aikit.prompts.model import Prompt


class Draft(NamedTuple):
    """A locked version to publish; `parent` is the version that it was made from."""

    prompt: Prompt
    parent: int | None


@dataclass(frozen=True, slots=True)
class Published:
    """A published version. `source` is the whole file, with LF line ends; `sha256` is of it, in hexadecimal."""

    name: str
    version: int
    sha256: str
    source: str
    parent: int | None
    published_at: datetime
    published_by: str


def publish(database: Database, drafts: Iterable[Draft], *, who: str | None = None) -> list[Prompt]:
    """Publish these versions, all or none; returns those that were not published before.

    Raises PromptChanged for one that was published with other content, ConfigError for an unusable `who`.
    """
    who, wanted = who or audit.actor(), list(drafts)
    with database.engine().begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(*PROMPTS)))
        new = _new(connection, wanted)
        for draft in new:
            _publish(connection, draft, who)
    return [draft.prompt for draft in new]


def unpublished(database: Readable, drafts: Iterable[Draft]) -> list[Prompt]:
    """What `publish` would publish. Raises PromptChanged as it would."""
    with reading(database) as connection:
        return [draft.prompt for draft in _new(connection, list(drafts))]


def list_published(database: Readable, name: str | None = None) -> list[Published]:
    """The published versions by name and version; of one prompt or of all."""
    query = sa.select(*_columns()).order_by(prompt_versions.c.name, prompt_versions.c.version)
    if name is not None:
        query = query.where(prompt_versions.c.name == name)
    with reading(database) as connection:
        return [Published(*row) for row in connection.execute(query)]


def _new(connection: sa.Connection, drafts: Sequence[Draft]) -> list[Draft]:
    names = {draft.prompt.name for draft in drafts}
    columns = prompt_versions.c
    query = sa.select(columns.name, columns.version, columns.sha256).where(columns.name.in_(names))
    known = {(name, version): sha256 for name, version, sha256 in connection.execute(query)}
    new = []
    for draft in drafts:
        prompt = draft.prompt
        published = known.get((prompt.name, prompt.version))
        if published is None:
            new.append(draft)
        elif published != prompt.sha256:
            raise PromptChanged(
                f"{prompt.id.id} was published with other content ({published[:12]}…, not {prompt.sha256[:12]}…).",
                facts={"prompt": prompt.id.id, "published": published, "sha256": prompt.sha256},
                remedy="A published version never changes: restore its file, or make this a new version.",
            )
    return new


def _publish(connection: sa.Connection, draft: Draft, who: str) -> None:
    prompt, parent = draft
    after: dict[str, Any] = {"parent": f"v{parent}"} if parent is not None else {}
    audit.record(
        connection,
        who=who,
        action="prompt.publish",
        subject=f"prompt:{prompt.id.id}",
        after=after | {"sha256": prompt.sha256},
    )
    connection.execute(
        sa.insert(prompt_versions).values(
            name=prompt.name,
            version=prompt.version,
            sha256=prompt.sha256,
            source=prompt.source,
            parent=parent,
            published_by=who,
        )
    )


def _columns() -> list[sa.Column[Any]]:
    return [prompt_versions.c[field.name] for field in fields(Published)]
