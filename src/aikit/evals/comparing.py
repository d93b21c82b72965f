"""Two runs side by side: scorer by scorer, and case by case with what was answered, the worst change first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from aikit.evals.baselines import Baseline
from aikit.evals.coverage import incomparable
from aikit.evals.model import CaseChange, Run
from aikit.evals.scored import Values, changes, means_of, values_of, worst_first
from aikit.evals.statistics import paired

Outputs = tuple[str | None, ...]
"""What was answered in each trial; None: nothing."""


@dataclass(frozen=True, slots=True)
class ScorerChange:
    """A scorer on both sides, over the cases that have a score on both. `interval` is of after minus before.

    `p` is one-sided, of having become worse, and of this scorer alone. None: there are no such cases.
    """

    scorer: str
    cases: int
    before: float | None
    after: float | None
    interval: tuple[float, float] | None
    p: float | None


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A change of one case, and what was answered on both sides. None: a baseline, of which no run is stored here."""

    change: CaseChange
    before: Outputs | None
    after: Outputs


@dataclass(frozen=True, slots=True)
class Comparison:
    """`differs` names what keeps the two from being compared as the gate does; None: nothing does."""

    before: Run | Baseline
    after: Run
    scorers: tuple[ScorerChange, ...]
    rows: tuple[CaseRow, ...]
    differs: str | None


def compare(
    before: Run | Baseline, after: Run, *, lower: frozenset[str] = frozenset(), stored: Run | None = None
) -> Comparison:
    """What has changed. `lower` names the scorers of which less is better (`scored.lower_ones`).

    `stored` is the run that a baseline is of, if it is still there: it has the outputs.
    """
    then, now = _scores(before), _scores(after)
    names = [*now, *(name for name in then if name not in now)]
    means = {name: (means_of(then.get(name, {})), means_of(now.get(name, {}))) for name in names}
    rows = worst_first((row for name in names for row in changes(name, *means[name])), lower)
    source = before if isinstance(before, Run) else stored if stored and stored.id == before.run else None
    outputs_then, outputs_now = _outputs(source), _outputs(after)
    return Comparison(
        before,
        after,
        tuple(_scorer(name, *means[name], lower=name in lower) for name in names),
        tuple(
            CaseRow(row, None if source is None else outputs_then.get(row.case, ()), outputs_now.get(row.case, ()))
            for row in rows
        ),
        incomparable(after, before, names),
    )


def _scores(side: Run | Baseline) -> dict[str, Values]:
    if isinstance(side, Baseline):
        return dict(side.scores)
    names = dict.fromkeys(name for trial in side.results for name in trial.scores)
    return {name: values_of(side, name) for name in names}


def _scorer(name: str, before: Mapping[str, float], after: Mapping[str, float], *, lower: bool) -> ScorerChange:
    both = [case for case in after if case in before]
    if not both:
        return ScorerChange(name, 0, None, None, None, None)
    test = paired([after[case] - before[case] for case in both], lower_is_better=lower)
    means = fmean(before[case] for case in both), fmean(after[case] for case in both)
    return ScorerChange(name, len(both), *means, test.interval, test.p)


def _outputs(run: Run | None) -> dict[str, Outputs]:
    if run is None:
        return {}
    found: dict[str, list[str | None]] = {case: [None] * run.trials for case in run.cases}
    for trial in run.results:
        if trial.case in found and trial.trial in range(run.trials):
            found[trial.case][trial.trial] = trial.output
    return {case: tuple(outputs) for case, outputs in found.items()}
