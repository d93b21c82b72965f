"""The command line, `aikit`. Only this package and `tui` know typer and rich."""

from __future__ import annotations


def main() -> None:
    """Run the command line of this process, and exit with a code of `aikit.errors.Exit`."""
    from aikit.cli.importing import importing

    with importing():
        from aikit.cli.app import command
        from aikit.cli.errors import run
    raise SystemExit(run(command))
