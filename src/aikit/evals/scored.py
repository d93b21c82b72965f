"""What a run has scored: trial by trial, case by case, and which way is better."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from statistics import fmean

from aikit.evals.figures import above
from aikit.evals.model import CaseChange, GateRule, Run, ScorerSpec, Suite
from aikit.evals.scorers.catalogue import higher_is_better

Values = Mapping[str, Sequence[float | None]]
"""Of one scorer: by case, what each trial has scored. None: it has no score."""


def lower_ones(suite: Suite) -> frozenset[str]:
    """The names of the scorers of which less is better."""
    return frozenset(spec.name for spec in suite.scorers if not higher_is_better(spec))


def gated(suite: Suite) -> list[tuple[ScorerSpec, GateRule]]:
    """The scorers that have a gate."""
    return [(spec, spec.gate) for spec in suite.scorers if spec.gate is not None]


def values_of(run: Run, scorer: str) -> dict[str, list[float | None]]:
    """By case, in the run's order, as many values as it has trials.

    An error is no score; neither is a value that is no finite number, which would compare as neither better nor worse.
    """
    values: dict[str, list[float | None]] = {case: [None] * run.trials for case in run.cases}
    for trial in run.results:
        score = trial.scores.get(scorer)
        known = trial.case in values and trial.trial in range(run.trials)
        if known and trial.error is None and score is not None and score.error is None and _counts(score.value):
            values[trial.case][trial.trial] = score.value
    return values


def _counts(value: float | None) -> bool:
    return value is not None and isfinite(value)


def means_of(values: Values) -> dict[str, float]:
    """By case, the mean of its trials that have a score; without the cases that have none."""
    return {case: fmean(there) for case, trials in values.items() if (there := [x for x in trials if x is not None])}


def worse_by(before: float, after: float, *, lower: bool) -> float:
    """The drop: positive where it has become worse, in the scorer's unit."""
    return after - before if lower else before - after


def fails(values: Iterable[float | None], spec: ScorerSpec) -> bool:
    """All trials of a case that have a score fail: below the gate's `min`, above its `max`.

    Where the gate states neither, a score of 0 fails; a scorer of which less is better then has none that fails.
    """
    there = [value for value in values if value is not None]
    return bool(there) and all(_fails(value, spec) for value in there)


def _fails(value: float, spec: ScorerSpec) -> bool:
    gate = spec.gate or GateRule()
    if gate.min is None and gate.max is None:
        return value <= 0 and higher_is_better(spec)
    return (gate.min is not None and above(gate.min, value)) or (gate.max is not None and above(value, gate.max))


def changes(scorer: str, before: Mapping[str, float], after: Mapping[str, float]) -> list[CaseChange]:
    """Every case of either side, with the means of its trials."""
    return [CaseChange(case, scorer, before.get(case), after.get(case)) for case in {**after, **before}]


def worst_first(changed: Iterable[CaseChange], lower: frozenset[str]) -> list[CaseChange]:
    """By how much worse they became. First of all those that have no score any more, last those that had none before.

    Dollars and seconds are taken as a share of the mean before, so that they can stand beside scores from 0 to 1.
    """
    rows = list(changed)
    units = {scorer: _unit(rows, scorer) if scorer in lower else 1.0 for scorer in {row.scorer for row in rows}}

    def key(row: CaseChange) -> tuple[int, float, str, str]:
        if row.after is None:
            return (0, 0.0, row.case, row.scorer)
        if row.before is None:
            return (2, 0.0, row.case, row.scorer)
        drop = worse_by(row.before, row.after, lower=row.scorer in lower) / units[row.scorer]
        return (1, -drop, row.case, row.scorer)

    return sorted(rows, key=key)


def _unit(rows: Iterable[CaseChange], scorer: str) -> float:
    before = [row.before for row in rows if row.scorer == scorer and row.before is not None]
    return (fmean(before) if before else 0.0) or 1.0
