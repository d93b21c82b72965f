"""`aikit prompt diff`: what differs between two versions, and what of it breaks those who use the prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import emit_json, facts, gap, line
from aikit.errors import Exit

if TYPE_CHECKING:
    from aikit.prompts.diffing import PromptDiff
    from aikit.prompts.model import Prompt

Versions = Annotated[list[str], typer.Argument(metavar="A B", help="summarize@v2 summarize@v3, or summarize v2 v3.")]
TITLES = {"settings": "Settings", "input": "Inputs", "output": "Output"}


def diff(versions: Versions, json: Json = False) -> None:
    """What differs between two versions, and what of it breaks.

    Body, settings, inputs and output apart. Breaking is an input that is new and required, removed or of another
    type, and a field of the output that is removed or of another type. Exits 1 if anything is breaking.
    """
    from aikit.prompts.diffing import compare

    before, after = _both(versions)
    found = compare(before, after)
    if json:
        emit_json("prompt.diff", _data(found), {"breaking": sum(change.breaking for change in found.fields)})
    else:
        _print(found)
    if found.breaking:
        raise typer.Exit(Exit.NO)


def _both(versions: list[str]) -> tuple[Prompt, Prompt]:
    if len(versions) == 3:
        name, *rest = versions
        versions = [f"{name}@{version}" for version in rest]
    if len(versions) != 2:
        raise typer.BadParameter("Give two references, or a name and two versions.", param_hint="A B")
    return _version(versions[0]), _version(versions[1])


def _version(ref: str) -> Prompt:
    """A version for reading: drafts count, too."""
    from aikit.cli.prompt_found import find, find_draft
    from aikit.prompts.refs import parse_ref

    wanted = parse_ref(ref)
    return find(ref) if wanted.version is None else find_draft(wanted.name, wanted.version)


def _print(found: PromptDiff) -> None:
    line(f"{found.before.id.id} → {found.after.id.id}")
    if found.same:
        line("nothing differs")
        return
    for change in found.body:
        gap()
        line(f"Message {change.number}, {change.role}: {change.kind}")
        for text in change.lines:
            line(f"  {text.expandtabs(4)}")
    for part, title in TITLES.items():
        rows = [change for change in found.fields if change.part == part]
        if rows:
            gap()
            pairs = [(change.field, change.what + ("  (breaking)" if change.breaking else "")) for change in rows]
            facts(title, pairs)
    gap()
    breaking = sum(change.breaking for change in found.fields)
    line(f"{breaking} breaking: callers must change" if breaking else "nothing breaking: callers need not change")


def _data(found: PromptDiff) -> dict[str, Any]:
    fields = [change._asdict() for change in found.fields]
    return {
        "before": found.before.id.id,
        "after": found.after.id.id,
        "breaking": found.breaking,
        "body": [change._asdict() | {"lines": list(change.lines)} for change in found.body],
        **{part: [row for row in fields if row["part"] == part] for part in TITLES},
    }
