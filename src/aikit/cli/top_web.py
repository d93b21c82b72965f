"""`aikit top --web`: the console in a browser on this machine, and for nobody else."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from aikit.cli.output import note
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from aikit.tui.options import Options

PORT = 8411


def serve(options: Options, port: int | None) -> None:
    """Until Ctrl-C. Raises ConfigError without textual-serve, or for a port that is taken."""
    from aikit.cli.top import open_source

    try:
        from aikit.cli.web.server import serve as serve_page
    except ImportError as error:
        raise ConfigError(
            f"`aikit top --web` needs textual-serve, which is not there: {error}.",
            remedy="Run `pip install 'aikit[web]'`, or leave --web out.",
        ) from None
    open_source().source.close()  # what is wrong is told here, and not in the browser
    command = [sys.executable, "-P", "-m", "aikit", "top", *arguments(options)]
    try:
        serve_page(command, PORT if port is None else port, _announce)
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


def arguments(options: Options) -> list[str]:
    """Those of an `aikit top` with these options."""
    given = [("--tab", options.tab), ("--period", options.period), ("--filter", options.filter)]
    given.append(("--theme", options.theme))
    words = [f"{name}={value}" for name, value in given if value is not None]
    words.append(f"--interval={options.interval:g}")
    return [*words, *(["--allow-actions"] if options.actions else []), *(["--ascii"] if options.ascii else [])]


def _announce(url: str) -> None:
    note(f"The console is on {url}")
    note("Only this machine can open it, by this address. Stop it: Ctrl-C")
