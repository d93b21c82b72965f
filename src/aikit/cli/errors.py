"""The one place where a failure becomes words on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import typer
from typer.exceptions import TyperException

from aikit.errors import AIKitError, Exit

TRACEBACK = "AIKIT_TRACEBACK"
"""Set to anything, an unexpected error shows its traceback, without the values of variables."""

PYDANTIC = "Value error, "
"""How pydantic, which typer reads values with, begins what went wrong."""


def run(command: Callable[..., Any]) -> int:
    """Run a command and return its exit code; what it raises is told on stderr."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # they are text streams
    try:
        answer = command(standalone_mode=False)
        sys.stdout.flush()
        return int(answer) if isinstance(answer, int) else Exit.OK
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return _reader_is_gone()
    except Exception as error:
        return tell(error)


def tell(error: Exception) -> int:
    """Say on stderr what happened, and return the exit code that says the same."""
    if os.environ.get(TRACEBACK):
        traceback.print_exception(error)
    if isinstance(error, AIKitError):
        _say(error.message, _unsaid(error), error.remedy)
        return error.exit
    if isinstance(error, TyperException):
        context = getattr(error, "ctx", None)
        message = error.format_message().replace(PYDANTIC, "", 1)
        _say(message, [], f"{context.command_path if context else 'aikit'} --help")
        return error.exit_code
    if refused := _by_the_database(error):
        _say(f"The database refused: {refused}.", [], "Run `aikit db status`.")
        return Exit.DATABASE
    _say(f"aikit failed unexpectedly ({type(error).__name__}).", [], f"{TRACEBACK}=1 in front shows where.")
    return Exit.NO


def _unsaid(error: AIKitError) -> list[str]:
    """The facts that neither the message nor the remedy states already. A list that they begin, they have told."""
    said = f"{error.message} {error.remedy}"
    found = []
    for name, fact in error.facts.items():
        parts = [str(part) for part in fact] if isinstance(fact, (list, tuple)) else [str(fact)]
        if parts and parts[0] not in said:
            found.append(f"{name.replace('_', ' ')}: {', '.join(parts)}")
    return found


def _by_the_database(error: Exception) -> str | None:
    """What PostgreSQL or the connection to it said, in one line; None for any other error."""
    psycopg: Any = sys.modules.get("psycopg")
    cause = getattr(error, "orig", error)
    if psycopg is None or not isinstance(cause, psycopg.Error):
        return None
    said = cause.diag.message_primary or next(iter(str(cause).splitlines()), "") or type(cause).__name__
    return str(said).rstrip(".")


def _say(message: str, facts: list[str], remedy: str) -> None:
    from rich.text import Text

    from aikit.cli.output import console, visible

    first, *more = [visible(line) for line in message.splitlines()]
    text = Text.assemble(("error: ", "bold red"), first)
    for line in (*more, *map(visible, facts)):
        text.append(f"\n  {line}")
    if remedy:
        text.append(f"\n→ {visible(remedy)}")
    console(stderr=True).print(text, soft_wrap=True)


def _reader_is_gone() -> int:
    """`aikit … | head` took what it wanted: be quiet about it, at the flush on exit, too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.NO
