"""`aikit eval`: suites are run, and what they come to is compared, blessed and shown.

`aikit eval SUITE` is `aikit eval run SUITE`. Where a suite is called like a subcommand, the subcommand wins, and
`aikit eval run NAME` runs the suite.
"""

from __future__ import annotations

from typing import Any

import typer

from aikit.cli.eval_bless import bless
from aikit.cli.eval_compare import compare
from aikit.cli.eval_decide import decide
from aikit.cli.eval_list import list_, schema
from aikit.cli.eval_report import report
from aikit.cli.eval_run import run
from aikit.cli.group import Group

RUN = "run"
HELP = "--help"
COMPLETIONS = ("--install-completion", "--show-completion")


class Suites(Group):
    """A group with a command that need not be named: whatever is no subcommand is what `run` is called with."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        named = args[:1] == [HELP] or (args and args[0] in self.commands)
        if not named and not ctx.resilient_parsing:
            args = [RUN, *args]
        return super().parse_args(ctx, args)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return ["[SUITE]...", "[OPTIONS] | COMMAND [ARGS]..."]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Those of `run`, as it need not be named; then the subcommands."""
        own = self.commands[RUN]
        own.format_options(typer.Context(own, info_name=RUN, parent=ctx), formatter)
        self.format_commands(ctx, formatter)


app = typer.Typer(
    help="A regression fails the build, not production: suites of cases, scorers and gates.\n\n"
    "Without SUITE, all of evals/. Replay is the default: it needs no key, no network and no database. A suite that "
    "is called like a command below is run by `aikit eval run NAME`.",
    epilog="Exit codes: 0 ok, 1 a gate failed (with --gate), 2 usage, 3 inconclusive, 4 credentials, 5 provider "
    "unreachable, 6 a cap or breaker, 7 database, 130 interrupted.",
    cls=Suites,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for command in (run, bless, decide, compare, report):
    app.command(command.__name__)(command)
app.command("list")(list_)
app.command("schema")(schema)
