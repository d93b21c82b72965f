"""What the commands write: data on stdout and nothing else there, everything said to a person on stderr.

Text from users, models and providers is never markup and never reaches the terminal with control characters in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from aikit.cli.layout import Column

UNKNOWN = "—"


def emit_json(name: str, data: Any, totals: Mapping[str, Any] | None = None) -> None:
    """The one JSON object that a command with `--json` writes; indented for a person at a terminal."""
    now = datetime.now(UTC).replace(microsecond=0)
    envelope = {"schema": f"aikit.{name}/1", "as_of": now, "data": data, "totals": totals or {}}
    typer.echo(json.dumps(envelope, default=_plain, indent=2 if sys.stdout.isatty() else None))


def table(
    title: str,
    columns: Sequence[str | Column],
    rows: Sequence[Sequence[str]],
    total: Sequence[str] | None = None,
    colours: Mapping[str, str] | None = None,
) -> None:
    """A table that fits the terminal; columns of numbers are right-aligned, and never shortened.

    `colours` are those of words, wherever they are.
    """
    from aikit.cli.layout import lay_out

    out = console()
    cells = [[visible(cell) for cell in row] for row in rows]
    sums = None if total is None else [visible(cell) for cell in total]
    head, *body = lay_out(columns, cells, sums, _width(out))
    _print(out, visible(title), "bold")
    _print(out, head, "dim")
    last = [body.pop()] if total is not None else []
    if body:
        _print(out, "\n".join(body), colours=colours)
    for line in last:
        _print(out, line, "bold")


def facts(title: str, pairs: Iterable[tuple[str, str]]) -> None:
    """A title, and under it one line a fact, with the values in one column."""
    out, listed = console(), list(pairs)
    width = max(len(name) for name, _ in listed)
    _print(out, visible(title), "bold")
    for name, value in listed:
        _print(out, f"  {name:<{width}}  {visible(value)}")


def line(text: str) -> None:
    """One line of data on stdout."""
    typer.echo(visible(text))


def gap() -> None:
    """An empty line between two parts of what a command shows."""
    typer.echo()


def note(text: str) -> None:
    """One line for the person, on stderr."""
    typer.echo(visible(text), err=True)


def console(*, stderr: bool = False) -> Console:
    """Rich's console on stdout or stderr; plain where that is no terminal or NO_COLOR is set and not empty."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False, emoji=False)


@contextmanager
def progress(text: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show on stderr, if that is a terminal, that something is going on; yields what moves the bar on.

    Without a `total` there is no bar, only a sign of life. Nothing of it stays when it is over.
    """
    from rich import progress as bars

    out = console(stderr=True)
    shown = [bars.SpinnerColumn(), bars.TextColumn("{task.description}", markup=False)]
    if total is not None:
        shown += [bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeElapsedColumn()]
    with bars.Progress(*shown, console=out, transient=True, disable=not out.is_terminal) as shower:
        task = shower.add_task(visible(text), total=total)
        yield lambda steps: shower.advance(task, steps)


def visible(text: str) -> str:
    """`text` on one line, with U+FFFD in place of whatever can't be printed: controls, escapes, direction marks."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in text)


def when(at: datetime | None) -> str:
    """A time for people, in UTC and to the second; the column or the label says UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else UNKNOWN


def _print(out: Console, text: str, style: str = "", colours: Mapping[str, str] | None = None) -> None:
    from rich.text import Text

    shown = Text(text, style)
    for word, colour in (colours or {}).items():
        shown.highlight_words([word], colour)
    out.print(shown, soft_wrap=True)


def _width(out: Console) -> int | None:
    return out.width if out.is_terminal else None


def _plain(value: object) -> str:
    """JSON has no times and no ids of its own; anything else unknown is a mistake, and raises TypeError."""
    from uuid import UUID

    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")
