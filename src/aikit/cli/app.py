"""The root command: global options, and the table of commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from typer.main import get_command

from aikit import __version__
from aikit.cli.group import Entry, Root

COMMANDS = (
    Entry("init", "Set up a project: files, key, database, a safe cap, a first call.", "init"),
    Entry("demo", "See it work: no key, no database, under a minute.", "demo"),
    Entry("doctor", "Whether all works that a call stands on, and what mends it.", "doctor"),
    Entry("db", "The database: where it is, upgrade it, stop it.", "db"),
    Entry("tenant", "Tenants: in whose name calls are made.", "tenant"),
    Entry("plan", "Plans: what each gives, and who is on it.", "plan"),
    Entry("limit", "Caps on what a tenant may use.", "limit"),
    Entry("policy", "Who may spend what: rules in a file, with a history.", "policy"),
    Entry("guard", "What is checked in texts: list, try, count what was found.", "guard"),
    Entry("breaker", "Providers that are not asked for a while: see, force, reset.", "breaker"),
    Entry("prompt", "Prompts: versions that never change, and labels on them.", "prompt"),
    Entry("eval", "A regression fails the build, not production.", "eval"),
    Entry("lint", "An unmetered path is a build error.", "lint"),
    Entry("explain", "Why a call was allowed or refused.", "explain"),
    Entry("audit", "Who changed what, when and why.", "audit"),
    Entry("spend", "What was spent, by tenant, user, model, day …", "spend"),
    Entry("top", "Live spend, limits, breakers, prompts: the operator's console.", "top"),
    Entry("calls", "Single calls: list them, show one.", "calls"),
    Entry("ledger", "Check the books to the nano-dollar.", "ledger"),
    Entry("serve", "The same guarantees for every language, over HTTP.", "serve"),
    Entry("key", "Keys of the server, and tenants' keys to providers.", "key"),
    Entry("prices", "The prices that calls are billed at.", "prices"),
    Entry("sim", "A simulated provider on this machine, for tests.", "sim"),
)


class Commands(Root):
    """The commands of `aikit`."""

    entries = COMMANDS


app = typer.Typer(cls=Commands, rich_markup_mode=None, pretty_exceptions_enable=False)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aikit {__version__}")
        raise typer.Exit


@app.callback(
    epilog="Exit codes: 0 ok, 1 a check said no, 2 usage, 3 inconclusive, 4 credentials, 5 provider unreachable, "
    "6 stopped by a cap or breaker, 7 database, 130 interrupted."
)
def aikit(
    config: Annotated[
        Path | None, typer.Option(metavar="PATH", help="This aikit.toml instead of the nearest one.")
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="No colours; NO_COLOR=1 does the same.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Every model call metered, capped, accounted for and explainable."""
    if config is not None:
        os.environ["AIKIT_CONFIG"] = str(config)
    if no_color:
        os.environ["NO_COLOR"] = "1"


command = get_command(app)
