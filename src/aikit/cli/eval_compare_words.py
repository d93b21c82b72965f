"""A comparison in a terminal: both answers beside each other where there is room, else one under the other."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from aikit.cli.eval_files import ACTIONS
from aikit.cli.eval_words import DISPENSABLE
from aikit.cli.layout import Column
from aikit.cli.output import console, gap, line, note, table

if TYPE_CHECKING:
    from aikit.evals.comparing import Comparison
    from aikit.evals.model import Suite
    from aikit.evals.reporting.changes import Shown

BESIDE = 100
"""From this width on, answers stand beside each other."""
LONGEST = 2_000
"""Characters of an answer."""
NO_OUTPUTS = "What was answered then is not stored here; the scores are those of the baseline."


def show(found: Comparison, suite: Suite, most: int) -> None:
    """The scorers, then the cases that have changed, the worst first."""
    from aikit.evals.reporting.changes import changed, names_of, scorer_table, shown
    from aikit.evals.reporting.words import size

    before, after = names_of(found)
    if found.differs:
        note(f"They can't be compared as the gate does; what differs: {found.differs}.")
    scorers = scorer_table(found, suite)
    columns = [Column(name, DISPENSABLE.get(name, 0)) for name in scorers.columns]
    table(f"{suite.name} · {before} → {after} · {size(found.after)}", columns, scorers.rows)
    cases = changed(found)
    gap()
    if not cases:
        line("No case has changed.")
        return
    if found.rows[0].before is None:
        note(NO_OUTPUTS)
    for rows in cases[:most]:
        _case(shown(found, rows, suite), before, after, found.after.trials)
    if len(cases) > most:
        line(f"{len(cases) - most} more: --cases {len(cases)}")


def _case(one: Shown, before: str, after: str, trials: int) -> None:
    from aikit.evals.reporting.escaping import one_line, short

    trial = f"  (trial {one.trial + 1} of {trials})" if trials > 1 else ""
    said = ", ".join(f"{change.scorer} {change.before} → {change.after}" for change in one.changes)
    line(f"{short(one.case)}  {said}{trial}")
    out = console()
    if out.is_terminal and out.width >= BESIDE and one.was is not None:
        _beside(one, before, after)
    else:
        _under(before, one.was)
        _under(after, one.now)
    for change in one.changes:
        if change.why:
            line(f"  {change.scorer}: {one_line(change.why)}")
    gap()


def _beside(one: Shown, before: str, after: str) -> None:
    from rich.box import MINIMAL
    from rich.table import Table
    from rich.text import Text

    both = Table(box=MINIMAL, expand=True, pad_edge=False)
    for name in (before, after):
        both.add_column(Text(name), ratio=1, overflow="fold")
    both.add_row(Text(_shown(one.was)), Text(_shown(one.now)))
    console().print(both)


def _under(name: str, answer: str | None) -> None:
    if answer is not None:
        for text in _shown(answer).split("\n"):
            typer.echo(f"  {name} │ {text}")


def _shown(answer: str | None) -> str:
    """What a log could take for a command of its own is none, even behind the name of a side."""
    from aikit.evals.reporting.escaping import no_command, shortened

    text = shortened(answer or "", LONGEST).replace("\t", "    ")
    return no_command(text) if os.environ.get(ACTIONS) == "true" else text
