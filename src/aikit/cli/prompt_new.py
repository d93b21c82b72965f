"""`aikit prompt new` and `lock`: begin a version, and fix its content for good."""

from __future__ import annotations

from typing import Annotated

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of a prompt: summarize.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.", show_default=False)]


def new(
    name: Name,
    made_from: Annotated[
        str | None, typer.Option("--from", metavar="vN", help="A copy of this version, instead of the newest.")
    ] = None,
    json: Json = False,
) -> None:
    """Write the next version, to be edited.

    It is a copy of the newest; the first is a small template.
    """
    from aikit.cli.prompt_found import folder
    from aikit.prompts.locking import begin

    own = folder()
    path, source = begin(own, name, made_from=_version("--from", made_from))
    shown = f"{own.path.name}/{name}/{path.name}"
    if json:
        emit_json("prompt.new", {"prompt": f"{name}@{path.stem}", "file": str(path), "from": source and f"v{source}"})
        return
    line(f"{shown}: written, {f'a copy of v{source}' if source else 'a template'}")
    note(f"Edit it, then: aikit prompt render {name}@candidate …, and aikit prompt lock {name}")


def lock(
    names: Names = None,
    parent: Annotated[
        str | None, typer.Option("--parent", metavar="vN", help="What it was made from, if not the version before.")
    ] = None,
    json: Json = False,
) -> None:
    """Lock drafts: from then on they never change.

    Their hashes are appended to prompts.lock. Without a NAME, all drafts are locked.
    """
    from datetime import UTC, datetime

    from aikit.cli.prompt_found import folder
    from aikit.prompts.locking import lock_drafts

    if parent is not None and len(names or []) != 1:
        raise typer.BadParameter("It goes with the name of one prompt.", param_hint="--parent")
    own = folder()
    today = datetime.now(UTC).date()
    locked = lock_drafts(own, names or [], today, parent=_version("--parent", parent))
    if json:
        rows = [
            {"prompt": row.id, "sha256": row.sha256, "parent": row.parent and f"v{row.parent}", "date": str(row.date)}
            for row in locked
        ]
        emit_json("prompt.lock", rows, {"locked": len(rows)})
        return
    for row in locked:
        line(f"{row.id}: locked · {row.sha256[:12]}{f' · from v{row.parent}' if row.parent else ''}")
    if not locked:
        note("Nothing to lock: there are no drafts.")


def _version(option: str, text: str | None) -> int | None:
    from aikit.prompts.refs import parse_version

    if text is None:
        return None
    if (found := parse_version(text)) is None:
        raise typer.BadParameter(f"{text[:40]!r} is no version. Write v1, v2 …", param_hint=option)
    return found
