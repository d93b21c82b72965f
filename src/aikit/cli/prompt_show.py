"""`aikit prompt list` and `show`: which prompts there are, and what one version is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, facts, gap, line, note, table, visible

if TYPE_CHECKING:
    from aikit.prompts.folder import PromptFolder
    from aikit.prompts.model import Prompt

Reference = Annotated[str, typer.Argument(metavar="REF", help="summarize@v3, or summarize@production.")]


def list_(json: Json = False) -> None:
    """Every prompt, its newest version, and its labels.

    Those of the folder of prompts first, then the kit's own, whose names the folder does not have.
    """
    from aikit.cli.layout import Column
    from aikit.cli.prompt_found import folders, labels

    found, pointed = folders(), labels()
    rows = [_row(found.of(name), name, found.folders[0] is found.of(name), pointed) for name in found.names()]
    if json:
        emit_json("prompt.list", rows, {"prompts": len(rows), "versions": sum(len(row["versions"]) for row in rows)})
    elif rows:
        columns: list[str | Column] = ["Prompt", "Versions", "Newest", "Labels", Column("From", 1), "What for"]
        table("Prompts", columns, [_cells(row) for row in rows])
    else:
        note("There are no prompts. `aikit prompt new summarize` begins one.")


def show(
    ref: Reference,
    raw: Annotated[bool, typer.Option("--raw", help="The file as it is, and nothing else.")] = False,
    json: Json = False,
) -> None:
    """One version: settings, inputs, output and messages."""
    from aikit.cli.prompt_found import find, labels, prompt_data

    prompt = find(ref)
    own = labels().get(prompt.id.id, [])
    if json:
        blocks = [{"role": block.role, "template": block.template, "line": block.line} for block in prompt.blocks]
        emit_json("prompt.show", prompt_data(prompt) | {"labels": own, "messages": blocks, "source": prompt.source})
    elif raw:
        typer.echo(_safe(prompt.source), nl=False)
    else:
        facts(prompt.id.id, _pairs(prompt, own))
        for block in prompt.blocks:
            gap()
            message(block.role, block.template)


def message(role: str, text: str) -> None:
    """A message as people read it."""
    line(f"[{role}]")
    for written in text.expandtabs(4).split("\n"):
        line(written)


def _row(own: PromptFolder, name: str, users: bool, pointed: dict[str, list[str]]) -> dict[str, Any]:
    lock = own.lock()
    locked = {row.version: row for row in lock.of(name)}
    versions = [
        {
            "version": version,
            "locked": version in locked,
            "sha256": locked[version].sha256 if version in locked else None,
            "date": str(locked[version].date) if version in locked else None,
            "labels": pointed.get(f"{name}@v{version}", []),
        }
        for version in sorted({*own.versions(name), *locked})
    ]
    origin = own.path.name + "/" if users else "aikit"
    return {"name": name, "from": origin, "description": _description(own, name), "versions": versions}


def _description(own: PromptFolder, name: str) -> str | None:
    """None for a file that can't be read; `check` says why."""
    from aikit.errors import PromptError

    try:
        newest = own.newest(name)
        return newest.description if newest else None
    except PromptError:
        return None


def _cells(row: dict[str, Any]) -> list[str]:
    versions = row["versions"]
    newest = versions[-1]
    state = "locked" if newest["locked"] else "draft"
    labels = [f"{label} → v{version['version']}" for version in versions for label in version["labels"]]
    what = row["description"] or "can't be used: aikit prompt check"
    return [row["name"], str(len(versions)), f"v{newest['version']} {state}", ", ".join(labels) or UNKNOWN,
            row["from"], what]  # fmt: skip


def _pairs(prompt: Prompt, labels: list[str]) -> list[tuple[str, str]]:
    from aikit.cli.prompt_found import folders
    from aikit.prompts.inputs import declared_inputs
    from aikit.prompts.schemas import stated

    locked = folders().of(prompt.name).lock().find(prompt.name, prompt.version)
    inputs = declared_inputs(prompt.inputs)
    outputs = declared_inputs(prompt.output) if prompt.output is not None else {}
    return [
        ("What for", prompt.description),
        ("State", f"locked {locked.date}" if locked else "draft"),
        ("Labels", ", ".join(labels) or UNKNOWN),
        ("SHA-256", prompt.sha256),
        ("Made from", f"v{locked.parent}" if locked and locked.parent else UNKNOWN),
        ("Model", prompt.model or UNKNOWN),
        ("Parameters", ", ".join(f"{key} {stated(value)}" for key, value in prompt.parameters.items()) or UNKNOWN),
        ("Inputs", ", ".join(f"{name} ({what})" for name, what in inputs.items()) or UNKNOWN),
        ("Output", ", ".join(f"{name} ({what})" for name, what in outputs.items()) or UNKNOWN),
        ("Tags", ", ".join(prompt.tags) or UNKNOWN),
    ]


def _safe(source: str) -> str:
    """To a file or a pipe as it is; to a terminal without what would move its cursor."""
    if not sys.stdout.isatty():
        return source
    return "\n".join(visible(written) for written in source.expandtabs(4).split("\n"))
