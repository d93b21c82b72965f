"""`aikit prompt check`: whether files, lock and the lock's past agree; for every pull request. Needs no database."""

from __future__ import annotations

from typing import Annotated

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note
from aikit.errors import Exit


def check(
    base: Annotated[
        str | None,
        typer.Option("--base", metavar="REF", help="What the lock is compared with; else the main branch."),
    ] = None,
    json: Json = False,
) -> None:
    """Whether nothing that was locked has changed. Exits 1 if it has.

    And whether all prompts can be used. The lock is compared with the one at the merge base with $GITHUB_BASE_REF,
    main, master or the upstream branch, whichever there is.
    """
    from aikit.cli.prompt_found import folder
    from aikit.prompts.base import find_base
    from aikit.prompts.verifying import check_folder

    own = folder()
    found = check_folder(own, find_base(own.path, base))
    if json:
        rows = [problem._asdict() for problem in found.problems]
        more = {"warnings": list(found.warnings), "notes": list(found.notes), "compared_with": found.compared_with}
        totals = {"problems": len(rows), "locked": found.locked, "drafts": len(found.drafts)}
        emit_json("prompt.check", {"ok": not rows, "problems": rows, "drafts": list(found.drafts)} | more, totals)
    else:
        for problem in found.problems:
            line(f"{problem.code}: {problem.message}")
            line(f"  → {problem.remedy}")
        for text in (*found.warnings, *found.notes):
            note(text)
        count = len(found.problems)
        state = f"{count} problem{'s' if count != 1 else ''}" if count else "ok"
        drafts = f", {len(found.drafts)} draft{'s' if len(found.drafts) != 1 else ''}" if found.drafts else ""
        line(f"{own.path.name}/: {state} · {found.locked} locked{drafts} · compared with {found.compared_with}")
    if found.problems:
        raise typer.Exit(Exit.NO)
