"""`aikit breaker`: what stands between the application and a provider that fails; seen, forced and reset by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.group import group
from aikit.cli.options import Json, Reason
from aikit.cli.output import emit_json, facts, gap, line, note, table, when

if TYPE_CHECKING:
    from aikit.breaker.model import Breaker, Key

app = group("Breakers: providers and models that are not asked for a while, because they fail or because you say so.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="openai/gpt-5-mini, or openai for the provider as a whole.")]
For = Annotated[
    str | None, typer.Option("--for", metavar="TIME", help="For so long: 30s, 10m, 2h, 1d. Else until it is reset.")
]


@app.command("list")
def list_(json: Json = False) -> None:
    """Every breaker that has ever moved, and whatever was called in the last minute, by all processes together."""
    from aikit.cli.books import open_books
    from aikit.cli.breaker_words import COLOURS, cells, data, is_shut
    from aikit.cli.layout import Column
    from aikit.ledger.breakers import list_breakers

    rows = list_breakers(open_books().database)
    if json:
        shut = sum(is_shut(row.breaker) for row in rows)
        emit_json("breaker.list", [data(row) for row in rows], {"breakers": len(rows), "open": shut})
    elif rows:
        columns: list[str | Column] = ["Breaker", "State", "Why", Column("Since (UTC)", 1), "Calls", "Failed", "Slow"]
        table("Breakers, and calls in the last minute", columns, [cells(row) for row in rows], colours=COLOURS)
    else:
        note("All are closed: none has ever opened, and nothing was called in the last minute.")


@app.command()
def show(name: Name, json: Json = False) -> None:
    """One breaker: how it stands, what was seen of it in the last minute, and its last moves."""
    from aikit.cli.books import open_books
    from aikit.cli.breaker_words import COLOURS, data, move_cells, move_data, pairs
    from aikit.ledger.breakers import get_breaker, list_moves

    key = _key(name)
    database = open_books().database
    row, moves = get_breaker(database, key), list_moves(database, key)
    if json:
        emit_json("breaker.show", data(row) | {"moves": [move_data(move) for move in moves]})
        return
    facts(row.breaker.name, pairs(row))
    if moves:
        gap()
        columns = ["Time (UTC)", "From", "To", "Why"]
        table("Last moves", columns, [move_cells(move) for move in moves], colours=COLOURS)


@app.command("open")
def open_(name: Name, lasting: For = None, reason: Reason = None, json: Json = False) -> None:
    """Force it open: the very next call of every process is refused with 503, or goes to another model of its route.

    When the time is over, one probe at a time is let through, as after a failure.
    """
    _force("open", name, lasting, reason, json)


@app.command()
def close(name: Name, lasting: For = None, reason: Reason = None, json: Json = False) -> None:
    """Force it closed: calls pass, however many fail. When the time is over, its own rules count again."""
    _force("close", name, lasting, reason, json)


@app.command()
def reset(name: Name, reason: Reason = None, json: Json = False) -> None:
    """Close it and leave it to its own rules, as if it had never been open nor forced."""
    from aikit.cli.books import open_books
    from aikit.ledger.breakers import reset_breaker

    key = _key(name)
    _tell("reset", *reset_breaker(open_books().database, key, why=reason), json)


def _force(verb: str, name: str, lasting: str | None, reason: str | None, json: bool) -> None:
    from aikit.cli.books import open_books
    from aikit.ledger.breakers import force_breaker

    key, time = _key(name), _duration(lasting)
    _tell(verb, *force_breaker(open_books().database, key, open=verb == "open", lasting=time, why=reason), json)


def _key(name: str) -> Key:
    """Raises ConfigError for what is no name, or a provider that is not configured; a model need not be known."""
    from aikit.config import load
    from aikit.ledger.breakers import parse_name

    provider, model = parse_name(name)
    load().provider(provider)
    return provider, model


def _duration(text: str | None) -> timedelta | None:
    from aikit.durations import duration

    try:
        return None if text is None else duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None


def _tell(verb: str, was: Breaker, breaker: Breaker, json: bool) -> None:
    from aikit.cli.breaker_words import WORDS

    if json:
        stands = {"state": breaker.state, "until": breaker.until, "previous_state": was.state}
        emit_json(f"breaker.{verb}", {"breaker": breaker.name, **stands})
        return
    until = f" until {when(breaker.until)} UTC" if breaker.until else ""
    line(f"{breaker.name} · {WORDS[was.state]} → {WORDS[breaker.state]}{until}")
