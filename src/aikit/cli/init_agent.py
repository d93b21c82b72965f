"""The terminal's side of the set-up agent: its words set apart from ours, proposals, hidden prompts, the spend."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from aikit.cli.output import console, note

if TYPE_CHECKING:
    from aikit.setup.agent.model import Outcome
    from aikit.setup.agent.person import Ui
    from aikit.setup.model import Place, Step

MARGIN = "│ "
"""Before each line of the agent's words, so that none of them can pass for a line of aikit's."""
NARROWEST = 20


class Terminal:
    """Speaks on stderr and reads from stdin. `interactive`: both are terminals, unless it is said otherwise."""

    def __init__(self, *, interactive: bool | None = None) -> None:
        self.interactive = sys.stdin.isatty() and sys.stderr.isatty() if interactive is None else interactive

    def say(self, text: str) -> None:
        """Plain text in a margin; long lines are broken, so that the margin is before each of them."""
        from rich.text import Text

        out = console(stderr=True)
        width = max(NARROWEST, out.width - len(MARGIN) - 1)
        for line in text.split("\n"):
            for part in Text(line).wrap(out, width) or [Text("")]:
                typer.echo(f"{MARGIN}{part.plain.rstrip()}", err=True)

    def note(self, text: str) -> None:
        for line in text.split("\n"):
            note(line)

    def read(self, prompt: str) -> str:
        typer.echo(prompt, nl=False, err=True)
        line = sys.stdin.readline()
        if not line:
            typer.echo(err=True)
            raise EOFError
        return line.rstrip("\n")

    def read_hidden(self, prompt: str) -> str:
        from getpass import getpass

        return getpass(prompt, stream=sys.stderr) if self.interactive else self.read(prompt)


def lead(
    place: Place, steps: Sequence[Step], ui: Ui | None = None, *, yes: bool = False, cap_usd: str | None = None
) -> Outcome:
    """Let a model lead through the steps at this terminal. Raises ConfigError for a cap that is none."""
    from aikit.setup.agent import session

    return session.lead(place, steps, ui or Terminal(), yes=yes, cap_usd=cap_usd)
