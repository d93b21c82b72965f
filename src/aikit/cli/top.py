"""`aikit top`: the operator's console, at a terminal, in a browser, or once as a table or JSON."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from os import environ
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aikit.cli.importing import importing
from aikit.cli.options import Json

if TYPE_CHECKING:
    from pathlib import Path

    from aikit.cli.books import Books
    from aikit.config import Settings
    from aikit.console.model import Query, Source
    from aikit.tui.options import Options

Shown = Annotated[
    Literal["overview", "calls", "limits", "breakers", "prompts", "evals", "audit"] | None,
    typer.Option("--tab", help="What to look at first; else what was looked at last."),
]
Over = Annotated[
    Literal["1h", "today", "24h", "7d", "month"] | None, typer.Option("--period", help="The time that sums are over.")
]
Wanted = Annotated[
    str | None,
    typer.Option("--filter", metavar="WORDS", help="Only what fits: 'model:opus tenant:acme !status:ok'."),
]
Interval = Annotated[
    float, typer.Option("--interval", metavar="SECONDS", min=0.5, max=60, help="How often it is read anew.")
]
Once = Annotated[bool, typer.Option("--once", help="Print one table and end; so it is, too, where no terminal is.")]
Actions = Annotated[
    bool, typer.Option("--allow-actions", help="Limits, breakers and labels may be changed from it, on the record.")
]
Ascii = Annotated[bool, typer.Option("--ascii", help="Draw with nothing but ASCII.")]
Theme = Annotated[str | None, typer.Option("--theme", metavar="NAME", help="Colours, such as textual-light.")]
Web = Annotated[bool, typer.Option("--web", help="Serve it to a browser on this machine.")]
Port = Annotated[
    int | None,
    typer.Option("--port", metavar="NUMBER", min=0, max=65_535, help="For --web, else 8411; 0 takes any that is free."),
]
DRIVER = "TEXTUAL_DRIVER"
"""Set by whoever shows the console elsewhere than at a terminal, as --web does."""


@dataclass(frozen=True)
class Opened:
    """What the console reads from, and the settings that say where that is."""

    source: Source
    books: Books
    settings: Settings


def top(
    tab: Shown = None,
    period: Over = None,
    filter: Wanted = None,
    interval: Interval = 2.0,
    allow_actions: Actions = False,
    once: Once = False,
    json: Json = False,
    ascii: Ascii = False,
    theme: Theme = None,
    web: Web = False,
    port: Port = None,
) -> None:
    """The operator's console: spend, calls, limits, breakers, prompts, evals and the audit, live.

    `?` shows its keys. It changes nothing without --allow-actions. Tab, range, filter, order and theme are remembered.
    """
    query = _query(tab, period, filter)
    if port is not None and not web:
        raise typer.BadParameter("is only for --web", param_hint="--port")
    if web and (once or json):
        raise typer.BadParameter("shows it in a browser; leave --once and --json out", param_hint="--web")
    if once or json or not (web or _can_be_shown()):
        _once(query, json, ascii)
        return
    from aikit.console.model import Period, Tab
    from aikit.tui.options import Options

    options = Options(tab and Tab(tab), period and Period(period), filter, interval, allow_actions, ascii, theme)
    if web:
        from aikit.cli.top_web import serve

        serve(options, port)
    else:
        _show(options)


def _query(tab: str | None, period: str | None, filter: str | None) -> Query:
    """What to look at where nothing is remembered. Raises BadParameter for a filter that is none."""
    with importing():
        from aikit.console.filtering import parse
        from aikit.console.model import Period, Query, Tab
    try:
        wanted = parse(filter or "")
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--filter") from None
    return Query(Tab(tab or "overview"), Period(period or "today"), wanted)


def _can_be_shown() -> bool:
    """There is a terminal to draw on and to read keys from, or something that stands for one."""
    return DRIVER in environ or (sys.stdout.isatty() and sys.stdin.isatty())


def _once(query: Query, json: bool, ascii: bool) -> None:
    from aikit.cli.output import emit_json
    from aikit.cli.top_once import data, read_whole, show

    opened = open_source()
    try:
        snapshot = read_whole(opened.source, query)
    finally:
        opened.source.close()
    if json:
        emit_json("top", *data(snapshot, opened.books.nano_per_credit))
    else:
        show(snapshot, ascii=ascii)


def _show(options: Options) -> None:
    """The ledger is asked for the first figures while the screen is imported, which takes longer than the answer."""
    opened = open_source()
    settings = opened.settings
    with importing():
        from aikit.console.ahead import Ahead
        from aikit.tui.remembered import first_query, recall

        source = Ahead(opened.source, first_query(options, recall(settings.data_dir)))
        from aikit.console.desk import LedgerDesk
        from aikit.evals.folder import evals_folder
        from aikit.tui.app import run_console
    desk = LedgerDesk(
        opened.books.database,
        nano_per_credit=opened.books.nano_per_credit,
        evals=_there(evals_folder(settings)),
        prompts=_there(settings.prompts_folder),
    )
    code = run_console(source, options, desk, folder=settings.data_dir)
    if code:
        raise typer.Exit(code)


def open_source() -> Opened:
    """Raises ConfigError, or DatabaseError when the database can't be reached or its schema is behind."""
    with importing():
        from aikit.cli.books import Books, open_configured
        from aikit.config import load
        from aikit.console.reader import Reader
        from aikit.evals.folder import evals_folder
        from aikit.ledger.opening import prepare
        from aikit.meter.spool import spool_folder

    settings = load()
    database = open_configured(settings)
    books = Books(database, prepare(database).nano_per_credit)
    source = Reader(
        database,
        environment=settings.environment,
        evals=_there(evals_folder(settings)),
        spool=spool_folder(database, settings.data_dir),
    )
    return Opened(source, books, settings)


def _there(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None
