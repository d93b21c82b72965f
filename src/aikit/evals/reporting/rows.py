"""The details below the first lines: the table of scorers, the worst cases, what the suite could have seen at all."""

from __future__ import annotations

from typing import NamedTuple

from aikit.evals.model import CaseChange, Status
from aikit.evals.reporting.escaping import one_line, short
from aikit.evals.reporting.outcome import Outcome
from aikit.evals.reporting.words import (
    GLYPHS,
    UNKNOWN,
    bounds,
    change,
    fall,
    interval,
    signed,
    value,
)

WORST = 3
"""Cases that are named under the table."""


class Table(NamedTuple):
    """A table for whoever lays it out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def gate_table(outcome: Outcome) -> Table:
    """Scorer, baseline, candidate, change, 95 %, p (after Holm), gate, result."""
    before, after = outcome.sides
    columns = ("scorer", short(before), short(after), "change", "95 %", "p", "gate", "result")
    return Table(columns, tuple(_row(outcome, number) for number in range(len(outcome.verdict.gates))))


def _row(outcome: Outcome, number: int) -> tuple[str, ...]:
    result = outcome.verdict.gates[number]
    unit, lower = outcome.units.get(result.scorer, ""), result.scorer in outcome.lower
    p = result.p if result.p_adjusted is None else result.p_adjusted
    return (
        result.scorer,
        value(result.baseline_mean, unit),
        value(result.mean, unit),
        signed(change(result, lower=lower), unit),
        interval(result.interval),
        UNKNOWN if p is None else p_text(p),
        bounds(result, unit, lower=lower),
        result_word(result.status),
    )


def p_text(p: float) -> str:
    """`0.0004`; below that it says so."""
    return "<0.0001" if p < 0.0001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def result_word(status: Status) -> str:
    """`✗ FAIL`, `✓ pass`: what is wrong stands out without a colour, too."""
    word = status.value if status in (Status.PASS, Status.WARN) else status.value.upper()
    return f"{GLYPHS[status]} {word}"


def worst_line(outcome: Outcome, most: int = WORST) -> str:
    """`worst cases: late-fee (1.00 → 0.33), two-refunds (1.00 → 0.50) …`; nothing if none became worse."""
    worst = outcome.verdict.worst
    if not worst:
        return ""
    several = len({row.scorer for row in worst}) > 1
    said = ", ".join(worst_case(outcome, row, named=several) for row in worst[:most])
    return f"worst cases: {said}{' …' if len(worst) > most else ''}"


def worst_case(outcome: Outcome, row: CaseChange, *, named: bool) -> str:
    unit = outcome.units.get(row.scorer, "")
    scorer = f"{row.scorer} " if named else ""
    return f"{short(row.case)} ({scorer}{value(row.before, unit)} → {value(row.after, unit)})"


def compare_command(outcome: Outcome) -> str:
    """What shows case by case what has changed; nothing where there is nothing to compare with."""
    baseline, run = outcome.baseline, outcome.run
    if baseline is None:
        return ""
    if baseline.prompt and run.prompt and baseline.prompt.id != run.prompt.id:
        return f"aikit eval compare {baseline.prompt.id} {run.prompt.id} --suite {outcome.suite.name}"
    return f"aikit eval compare baseline last --suite {outcome.suite.name}"


def detectable_line(outcome: Outcome) -> str:
    """`smallest drop this suite can detect: 0.06`; nothing where nothing was compared."""
    seen = [
        (result, value(result.smallest_drop, outcome.units.get(result.scorer, "")))
        for result in outcome.verdict.gates
        if result.smallest_drop is not None
    ]
    if not seen:
        return ""
    only = len(outcome.verdict.gates) == 1
    said = ", ".join(text if only else f"{result.scorer} {text}" for result, text in seen)
    word = fall(all(result.scorer in outcome.lower for result, _ in seen))
    return f"smallest {word} this suite can detect: {said}"


def note_lines(outcome: Outcome) -> list[str]:
    """What people should know beside the verdict."""
    return [one_line(note) for note in outcome.verdict.notes]
