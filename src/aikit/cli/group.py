"""Groups of commands: a bare group shows its help, and a command is loaded when it is needed.

Help is plain text: importing typer takes 75 ms, and what it needs for Rich's help pages another 90 ms.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group


class Group(TyperGroup):
    """Shows its help, and exits 0, when no subcommand is named."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args and not ctx.resilient_parsing:
            typer.echo(ctx.get_help())
            ctx.exit()
        return super().parse_args(ctx, args)


class Entry(NamedTuple):
    """A command of the root: its name, the line that help shows, and the module in this package that has it."""

    name: str
    help: str
    module: str


class Root(Group):
    """Loads a command's module when that command is run, or completed, and not for help."""

    entries: tuple[Entry, ...] = ()

    def list_commands(self, ctx: Any) -> list[str]:
        return [entry.name for entry in self.entries]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = next((entry for entry in self.entries if entry.name == cmd_name), None)
        return entry and load(entry)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        names: dict[str, Any] = dict.fromkeys(self.list_commands(ctx))
        self.commands = names  # typer looks here for "Did you mean"
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.help) for entry in self.entries])


def group(help: str) -> typer.Typer:
    """A new group of commands, with the manners that all of ours have."""
    return typer.Typer(
        help=help, cls=Group, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False
    )


def load(entry: Entry) -> Any:
    """The command itself. A module has an `app`, or a function of the command's name."""
    module = import_module(f"aikit.cli.{entry.module}")
    if hasattr(module, "app"):
        return get_group(module.app)
    alone = group(entry.help)
    alone.command(entry.name)(getattr(module, entry.name))
    return get_command(alone)
