"""`aikit prompt publish`: write locked versions to the ledger, where labels can point to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, line, note
from aikit.errors import AIKitError, PromptInvalid, PromptNotFound

if TYPE_CHECKING:
    from aikit.ledger.prompts import Draft
    from aikit.prompts.folder import PromptFolder

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Only these.", show_default=False)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")]


def publish(names: Names = None, dry_run: DryRun = False, json: Json = False) -> None:
    """Write locked versions to the ledger: all that it does not have yet, or those of some prompts.

    What `aikit prompt check` checks is checked first. A published version never changes; the same one again is no
    error.
    """
    from aikit.cli.books import open_books
    from aikit.cli.prompt_found import folder
    from aikit.ledger.prompts import publish as write
    from aikit.ledger.prompts import unpublished

    own = folder()
    _check(own)
    drafts = _locked(own, names or [])
    database = open_books().database
    new = unpublished(database, drafts) if dry_run else write(database, drafts)
    if json:
        rows = [{"prompt": prompt.id.id, "sha256": prompt.sha256} for prompt in new]
        emit_json("prompt.publish", {"dry_run": dry_run, "published": rows}, {"published": len(rows)})
        return
    for prompt in new:
        line(f"{prompt.id.id}: {'would be published' if dry_run else 'published'} · {prompt.sha256[:12]}")
    if not new:
        note("Nothing to publish: the ledger has all that is locked.")


def _check(own: PromptFolder) -> None:
    from aikit.prompts.base import find_base
    from aikit.prompts.verifying import check_folder

    found = check_folder(own, find_base(own.path))
    if found.problems:
        first, more = found.problems[0], len(found.problems) - 1
        others = f" And {more} other problem{'s' if more > 1 else ''}: aikit prompt check." if more else ""
        raise AIKitError(
            f"Nothing is published. {first.message}",
            code=first.code,
            facts={"problems": [problem.code for problem in found.problems]},
            remedy=first.remedy + others,
        )


def _locked(own: PromptFolder, names: list[str]) -> list[Draft]:
    from aikit.ledger.prompts import Draft
    from aikit.prompts.refs import check_name

    lock = own.lock()
    found = []
    for name in names or own.names():
        lines = lock.of(check_name(name))
        drafts = [version for version in own.versions(name) if lock.find(name, version) is None]
        if not lines and not drafts:
            raise PromptNotFound(f"There is no file of {name}.", remedy=f"`aikit prompt new {name}` writes one.")
        for version in drafts:
            said, remedy = f"{name}@v{version} is a draft: it is not locked.", f"Lock it: aikit prompt lock {name}."
            if names:
                raise PromptInvalid(said, facts={"prompt": f"{name}@v{version}"}, remedy=remedy)
            note(f"{said} {remedy}")
        prompts = [(own.find(name, locked.version), locked.parent) for locked in lines]
        found += [Draft(prompt, parent) for prompt, parent in prompts if prompt is not None]
    return found
