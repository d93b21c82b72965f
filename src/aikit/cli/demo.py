"""`aikit demo`: see a cap hold, with no key and no database."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.options import Json
from aikit.cli.output import console, emit_json, note
from aikit.demo.outcome import TENANT, Moment, Plan
from aikit.errors import Exit
from aikit.money import format_usd, parse_usd, usd

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

HIGHEST_CAP = 1
"""In dollars. That many simulated ones take some minutes to spend."""

CapUsd = Annotated[str, typer.Option("--cap-usd", metavar="USD", help="The cap, in simulated dollars; at most 1.")]
Processes = Annotated[int, typer.Option(min=1, max=16, help="Processes that call, each with 8 threads.")]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the demo's database there, to look around in it.")]


def demo(cap_usd: CapUsd = "0.05", processes: Processes = 4, keep: Keep = False, json: Json = False) -> None:
    """See a cap hold: three SDKs, several processes, one tenant, and books that add up.

    It needs no key and no database. What it starts is its own, and gone afterwards.
    """
    plan = Plan(_read_cap(cap_usd), processes, keep)
    from aikit.cli.demo_report import as_json, print_report, say_what_next
    from aikit.demo.play import play

    note("aikit demo · providers and money are simulated; the SDKs, the meter and PostgreSQL are real")
    if os.environ.get("DATABASE_URL"):
        note("  DATABASE_URL is set, and ignored: the demo has a database of its own")
    try:
        with _screen(plan) as screen:
            outcome = play(plan, screen)
    except KeyboardInterrupt:
        note("Interrupted. What the demo had started is stopped and removed.")
        raise typer.Exit(Exit.INTERRUPTED) from None
    if json:
        emit_json("demo", *as_json(outcome))
    else:
        print_report(outcome)
    for problem in outcome.problems:
        note(f"error: {problem}")
    if outcome.problems:
        raise typer.Exit(Exit.NO)
    say_what_next(outcome)


def _read_cap(text: str) -> int:
    try:
        cap = parse_usd(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--cap-usd") from None
    if cap > parse_usd(HIGHEST_CAP):
        raise typer.BadParameter(f"at most {HIGHEST_CAP}, or it takes too long", param_hint="--cap-usd")
    return cap


@contextmanager
def _screen(plan: Plan) -> Iterator[Lines | Bar]:
    out = console(stderr=True)
    if not out.is_terminal:
        yield Lines(plan.cap)
        return
    from rich import progress

    bar = progress.BarColumn(24, complete_style="cyan", pulse_style="cyan")
    said = progress.TextColumn("{task.fields[said]}", markup=False)
    with progress.Progress(progress.TextColumn(" "), bar, said, console=out) as shown:
        task = shown.add_task(TENANT, total=None, said="the SDKs are being imported")
        yield Bar(shown, task, plan.cap)


class Bar:
    """An audience at a terminal: ticks, then a bar that fills up to the cap."""

    def __init__(self, progress: Progress, task: TaskID, cap: int) -> None:
        self._progress = progress
        self._task = task
        self._cap = cap

    def ready(self, what: str) -> None:
        self._progress.console.print(f"  ✓ {what}")

    def look(self, moment: Moment) -> None:
        said = _standing(moment, self._cap)
        self._progress.update(self._task, completed=moment.used, total=max(1, self._cap), said=said)


class Lines:
    """An audience without a terminal: a line for each thing that is ready, and how it goes every two seconds."""

    SECONDS = 2.0

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._next = 0.0

    def ready(self, what: str) -> None:
        note(f"  {what}")

    def look(self, moment: Moment) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.SECONDS
            note(f"  {_standing(moment, self._cap)}")


def _standing(moment: Moment, cap: int) -> str:
    spent = f"{TENANT} has spent ${usd(moment.used):.4f} of {format_usd(cap)}"
    return f"{spent} · {moment.calls:,} calls · {moment.refused:,} refused"
