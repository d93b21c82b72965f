"""`aikit prompt promote`, `rollback` and `history`: what labels point to, moved, and how they came there."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json, Reason
from aikit.cli.output import UNKNOWN, emit_json, line, note, table, when

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aikit.cli.layout import Column
    from aikit.ledger.prompt_history import Happening
    from aikit.ledger.prompt_labels import Move
    from aikit.prompts.model import Prompt, Ref

FOLLOWED = timedelta(seconds=5)
"""After so long a move is in effect in every process that reaches the ledger."""
Version = Annotated[str, typer.Argument(metavar="NAME@vN", help="A published version: summarize@v3.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a prompt: summarize.")]
LabelName = Annotated[str, typer.Argument(metavar="LABEL", help="production, staging, or another name.")]
Force = Annotated[bool, typer.Option("--force", help="Although no gate has passed; needs --reason, and is audited.")]
OfLabel = Annotated[str, typer.Option("--label", metavar="LABEL", help="Another label.")]
To = Annotated[str | None, typer.Option("--to", metavar="vN", help="A version that it pointed to before.")]


def promote(
    version: Version, label: LabelName, force: Force = False, reason: Reason = None, json: Json = False
) -> None:
    """Point a label to a published version, whose eval gate has passed for exactly this content. Exits 1 if not."""
    from aikit.cli.books import open_books
    from aikit.ledger.prompt_labels import promote as move
    from aikit.prompts.refs import parse_ref

    wanted = parse_ref(version)
    if wanted.version is None:
        raise typer.BadParameter(f"{version} is a label. Name a version: {wanted.name}@v3.", param_hint="NAME@vN")
    _tell(move(open_books().database, wanted.name, wanted.version, label, why=reason, force=force), json)


def rollback(
    name: Name, label: OfLabel = "production", to: To = None, reason: Reason = None, json: Json = False
) -> None:
    """Point a label back to where it came from; a second time, further back. In all processes within 5 seconds."""
    from aikit.cli.books import open_books
    from aikit.ledger.prompt_labels import rollback as move
    from aikit.prompts.refs import check_name, parse_version

    version = None if to is None else parse_version(to)
    if to is not None and version is None:
        raise typer.BadParameter(f"{to[:40]!r} is no version. Write v1, v2 …", param_hint="--to")
    _tell(move(open_books().database, check_name(name), label, to=version, why=reason), json)


def history(name: Name, json: Json = False) -> None:
    """All that happened to a prompt, the newest first: what was published, which gates passed, which labels moved."""
    from aikit.cli.books import open_books
    from aikit.cli.layout import Column
    from aikit.ledger.prompt_history import history as read
    from aikit.prompts.refs import check_name

    rows = read(open_books().database, check_name(name))
    if json:
        emit_json("prompt.history", [_data(row) for row in rows], {"happenings": len(rows)})
        return
    columns: list[str | Column] = ["Time (UTC)", Column("Who", 1), "What", "From", "To", "Gate", "Why"]
    table(f"{name}, the newest first", columns, [_cells(row) for row in rows])


def _tell(move: Move, json: bool) -> None:
    ref = f"{move.name}@{move.label}"
    by = move.at + FOLLOWED
    if json:
        emit_json(
            f"prompt.{move.kind}",
            {
                "prompt": move.name,
                "label": move.label,
                "was": _version(move.was),
                "version": _version(move.version),
                "sha256": move.sha256,
                "changed": move.changed,
                "forced": move.forced,
                "followed_by": by if move.changed else None,
            },
        )
    elif move.changed:
        forced = " · forced, no gate has passed" if move.forced else ""
        line(f"{ref}: {_version(move.was) or 'new'} → v{move.version}{forced} · in all processes by {when(by)} UTC")
    else:
        line(f"{ref}: v{move.version} already")


def _cells(row: Happening) -> list[str]:
    what = {"publish": "published", "gate": f"gate {row.suite}", "promote": f"{row.label}", "rollback": f"{row.label}"}
    gate = {"gate": "passed" if row.passed else "failed", "promote": "forced" if row.forced else "passed"}
    back = " (rollback)" if row.kind == "rollback" else ""
    return [
        when(row.at),
        row.who,
        what[row.kind] + back,
        _version(row.was) or UNKNOWN,
        f"v{row.version}",
        gate.get(row.kind, UNKNOWN),
        row.why or UNKNOWN,
    ]


def _data(row: Happening) -> dict[str, Any]:
    return {
        "at": row.at,
        "kind": row.kind,
        "who": row.who,
        "version": _version(row.version),
        "was": _version(row.was),
        "sha256": row.sha256,
        "label": row.label,
        "suite": row.suite,
        "passed": row.passed,
        "forced": row.forced,
        "why": row.why,
    }


def _version(version: int | None) -> str | None:
    return None if version is None else f"v{version}"


def known_labels() -> Mapping[str, Sequence[str]]:
    """The labels that point to each version, for `list` and `show`, which must not start or wait for a database."""
    from aikit.cli.books import is_running
    from aikit.config import load

    settings = load()
    if settings.database_url is None and not is_running(settings.data_dir / "postgres"):
        return {}
    import psycopg

    from aikit.database.connect import open_database
    from aikit.errors import DatabaseError
    from aikit.ledger.prompt_line import PromptLine

    try:
        with closing(PromptLine(open_database(settings))) as ledger:
            found = ledger.labels(None)
    except (DatabaseError, psycopg.Error) as error:
        note(f"Labels are not shown: {error.message if isinstance(error, DatabaseError) else 'aikit db upgrade'}")
        return {}
    labels: dict[str, list[str]] = {}
    for (name, label), pointer in sorted(found.pointers.items() if found else ()):
        labels.setdefault(f"{name}@v{pointer.version}", []).append(label)
    return labels


def pointed_to(ref: Ref) -> Prompt:
    """The prompt that a label points to now. Raises PromptNotFound, PromptChanged, DatabaseError."""
    from aikit.cli.books import open_books
    from aikit.config import load
    from aikit.registry import open_registry

    with closing(open_registry(load(), open_books().database)) as registry:
        return registry.get(str(ref))
