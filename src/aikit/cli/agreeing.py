"""Asks a person before something is posted that stays on record."""

from __future__ import annotations

import sys

import typer

from aikit.cli.output import note, visible
from aikit.errors import ConfigError, Exit


def agree(question: str, *, yes: bool, remedy: str = "Add --yes to do it without asking.") -> None:
    """Ask, unless that was settled by --yes. Raises ConfigError where nobody can be asked, Exit for a no."""
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigError("Nothing was posted: there is no terminal to ask on.", remedy=remedy)
    if not typer.confirm(visible(question), err=True):
        note("Nothing was posted.")
        raise typer.Exit(Exit.NO)
