"""Writes the reference of the command line from the commands themselves.

python -m aikit.cli.reference > docs/reference/cli.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from aikit.cli.app import command
from aikit.errors import Exit

WIDTH = 80

INTRODUCTION = """\
# Command line

This page is written by `python -m aikit.cli.reference`; a test compares the two.

Data goes to stdout; progress, notes and errors go to stderr. Every command takes `--json` and then writes one object,
`{"schema": "aikit.NAME/1", "as_of", "data", "totals"}`; only `db upgrade --sql` writes SQL instead. Money is a decimal
string in a field ending `_usd`; credits and tokens are integers; unknown is `null`; times are in UTC. `NO_COLOR=1`
turns colours off, `AIKIT_TRACEBACK=1` shows where an unexpected error comes from.
"""


def page() -> str:
    """The whole page, as it is committed."""
    commands = [f"## {path}\n\n```text\n{help}\n```" for path, help in _walk(command, "aikit", None)]
    return "\n\n".join([INTRODUCTION.strip(), _exit_codes(), *commands]) + "\n"


def _exit_codes() -> str:
    rows = [f"| {code.value} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    return "\n".join(["## Exit codes", "", "| code | meaning |", "| --- | --- |", *rows])


EXIT_CODES = {
    Exit.OK: "It worked.",
    Exit.NO: "A check said no: the books don't agree, a price or a call is not known, there was nothing to remove. Or "
    "aikit failed in a way that nobody expected.",
    Exit.USAGE: "Usage or configuration.",
    Exit.INCONCLUSIVE: "An eval decides nothing: errors, missing recordings, no baseline, over budget.",
    Exit.CREDENTIALS: "Credentials are missing or refused.",
    Exit.UNREACHABLE: "A provider can't be reached, or fails.",
    Exit.STOPPED: "A cap, a policy, a guard or a breaker stopped it.",
    Exit.DATABASE: "The database can't be reached, its schema is behind, or the embedded server did not start.",
    Exit.INTERRUPTED: "Interrupted.",
}
"""Those of `Exit` that the commands of this version return."""


def _walk(found: Any, name: str, parent: typer.Context | None) -> Iterator[tuple[str, str]]:
    """A command and those below it, each with its path and its help."""
    context = typer.Context(found, info_name=name, parent=parent, terminal_width=WIDTH)
    yield context.command_path, found.get_help(context).rstrip()
    if isinstance(found, TyperGroup):
        for below in found.list_commands(context):
            yield from _walk(found.get_command(context, below), below, context)


if __name__ == "__main__":
    typer.echo(page(), nl=False)
