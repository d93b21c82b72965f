"""Verdicts in a terminal: the first lines everywhere, and below them, on a terminal alone, what they are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aikit.cli.layout import Column
from aikit.cli.output import console, gap, line, note, table, visible

if TYPE_CHECKING:
    from rich.console import Console

    from aikit.evals.reporting.outcome import Outcome, Report

COLOURS = {
    "FAIL": "bold red",
    "ERROR": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "WARN": "bold yellow",
    "PASS": "green",
}
CELLS = {"✗ FAIL": "red", "? INCONCLUSIVE": "yellow", "! warn": "yellow", "✓ pass": "green"}
DISPENSABLE = {"95 %": 4, "p": 3, "change": 2, "gate": 1}
"""Columns that go when there is no room, the highest first; what they say is in --json."""


def show(report: Report) -> None:
    """A block for each suite. Without a terminal that is all: exactly these lines, for logs and for `grep`; but a green
    one of too few cases to see much says so on stderr."""
    from aikit.evals.model import Status
    from aikit.evals.noting import UNDERPOWERED
    from aikit.evals.reporting.block import block, total
    from aikit.evals.reporting.outcome import Outcome
    from aikit.evals.reporting.rows import note_lines

    out = console()
    for number, entry in enumerate(report.entries):
        if number:
            gap()
        first, *rest = block(entry, gate=report.gate)
        _first(out, first)
        for text in rest:
            line(text)
        if out.is_terminal and isinstance(entry, Outcome):
            gap()
            details(entry)
        elif isinstance(entry, Outcome) and entry.verdict.status in (Status.PASS, Status.WARN):
            for text in note_lines(entry):
                if text.startswith(UNDERPOWERED):
                    note(f"{entry.suite.name}: {text}")
    if len(report.entries) > 1:
        gap()
        line(total(report))


def _first(out: Console, text: str) -> None:
    from rich.text import Text

    word, _, subject = visible(text).partition(" ")
    out.print(Text.assemble((word, COLOURS.get(word, "")), f" {subject}"), soft_wrap=True)


def details(outcome: Outcome) -> None:
    """The table of scorers, the worst cases, what the suite could have seen, and what to do next."""
    from aikit.evals.reporting.rows import compare_command, detectable_line, gate_table, note_lines, worst_line
    from aikit.evals.reporting.words import summary

    found = gate_table(outcome)
    columns = [Column(name, DISPENSABLE.get(name, 0)) for name in found.columns]
    table(summary(outcome), columns, found.rows, colours=CELLS)
    command = compare_command(outcome)
    for text in (worst_line(outcome), detectable_line(outcome), *note_lines(outcome)):
        if text:
            _paragraph(text)
    if command:
        line(f"→ {command}")


def _paragraph(text: str) -> None:
    """Wrapped at words, to the width of the terminal."""
    from rich.text import Text

    console().print(Text(visible(text)))
