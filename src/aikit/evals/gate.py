"""The gate: what a run comes to, by rules of which the first decisive one wins. Pure: same figures, same verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from aikit.errors import Exit
from aikit.evals.baselines import Baseline
from aikit.evals.coverage import bless_command, gap_of, incomparable, scored_share
from aikit.evals.figures import above, apart, figure, listed
from aikit.evals.model import CaseChange, GateResult, GateRule, Rule, Run, ScorerSpec, Status, Suite, Verdict
from aikit.evals.noting import notes_of
from aikit.evals.scored import (
    changes,
    fails,
    gated,
    lower_ones,
    means_of,
    values_of,
    worse_by,
    worst_first,
)
from aikit.evals.scorers.catalogue import higher_is_better
from aikit.evals.statistics import LEVEL, holm, paired, smallest_drop

_GRAVEST = (Status.FAIL, Status.INCONCLUSIVE, Status.WARN, Status.PASS)
_EXITS = {Status.FAIL: Exit.NO, Status.INCONCLUSIVE: Exit.INCONCLUSIVE, Status.WARN: Exit.OK, Status.PASS: Exit.OK}


def decide(run: Run, suite: Suite, baseline: Baseline | None) -> Verdict:
    """What the run comes to. `baseline` is None where there is none yet.

    Coverage, then for each gate its absolute bounds, the critical cases, and the regression against the baseline.
    """
    sides = [_side(run, suite, baseline, spec, gate) for spec, gate in gated(suite)]
    gap = gap_of(run, suite, baseline)
    if gap is not None:
        results = tuple(_result(side, gap.status, Rule.COVERAGE, gap.why) for side in sides)
        return Verdict(run, gap.status, results, scored_share(run, suite), notes=(f"{gap.why}.",), remedy=gap.remedy)
    adjusted = holm({side.spec.name: side.p for side in sides if side.tested and side.p is not None})
    results = tuple(_decided(side, adjusted.get(side.spec.name)) for side in sides)
    return Verdict(
        run,
        gravest(result.status for result in results),
        results,
        scored_share(run, suite),
        worst=_worst(sides, suite),
        newly_failing=tuple(dict.fromkeys(case for side in sides for case in side.newly_failing)),
        notes=notes_of(run, suite, baseline, results),
        remedy=_remedy(sides, results, suite, baseline),
    )


def gravest(statuses: Iterable[Status]) -> Status:
    """FAIL beats INCONCLUSIVE beats WARN beats PASS; of nothing at all nothing can be said."""
    there = set(statuses)
    return next((status for status in _GRAVEST if status in there), Status.INCONCLUSIVE)


def exit_of(verdicts: Iterable[Verdict]) -> Exit:
    """1 if a gate failed, else 3 if anything is inconclusive (as no verdict at all is), else 0."""
    return _EXITS[gravest(verdict.status for verdict in verdicts)]


@dataclass(frozen=True, slots=True)
class _Side:
    """One gate's figures: what was measured, and what it is compared with if it can be."""

    spec: ScorerSpec
    gate: GateRule
    mean: float | None
    before: Mapping[str, float] = field(default_factory=dict)
    after: Mapping[str, float] = field(default_factory=dict)
    baseline_mean: float | None = None
    drop: float | None = None
    interval: tuple[float, float] | None = None
    p: float | None = None
    smallest: float | None = None
    newly_failing: tuple[str, ...] = ()
    not_compared: str | None = None
    """Why it can't be compared; None: it was."""
    critical: bool = False
    """The suite has critical cases."""

    @property
    def tested(self) -> bool:
        return self.gate.max_drop is not None


def _side(run: Run, suite: Suite, baseline: Baseline | None, spec: ScorerSpec, gate: GateRule) -> _Side:
    values = values_of(run, spec.name)
    after = means_of(values)
    critical = [case.id for case in suite.cases if case.critical]
    mean = fmean(after.values()) if after else None
    differs = incomparable(run, baseline, [spec.name]) if baseline else None
    then = baseline.values(spec.name) if baseline and not differs else {}
    before = means_of(then)
    if mean is None or not before or set(before) != set(after):
        why = _why_not(baseline, differs, before)
        return _Side(spec, gate, mean, after=after, not_compared=why, critical=bool(critical))
    lower = not higher_is_better(spec)
    differences = [after[case] - before[case] for case in before]
    test = paired(differences, lower_is_better=lower)
    gates = sum(other.max_drop is not None for _, other in gated(suite))
    return _Side(
        spec,
        gate,
        mean,
        before,
        after,
        baseline_mean=fmean(before.values()),
        drop=test.mean if lower else 0 - test.mean,
        interval=test.interval,
        p=test.p,
        smallest=smallest_drop(differences, gates=max(gates, 1)),
        newly_failing=tuple(case for case in critical if fails(values[case], spec) and not fails(then[case], spec)),
        critical=bool(critical),
    )


def _why_not(baseline: Baseline | None, differs: str | None, before: Mapping[str, float]) -> str:
    if baseline is None:
        return "there is no baseline"
    if differs:
        return f"the baseline can't be compared with it; what differs: {differs}"
    return "the baseline has no scores of it" if not before else "the baseline has no score of some cases"


def _remedy(sides: Sequence[_Side], results: Sequence[GateResult], suite: Suite, baseline: Baseline | None) -> str:
    """Of what could not be decided; nothing if all could."""
    unclear = [side for side, result in zip(sides, results, strict=True) if result.status is Status.INCONCLUSIVE]
    if not unclear:
        return ""
    if any(side.gate == GateRule() for side in unclear):
        return "State `min`, `max` or `max_drop` for each gate."
    look = "" if baseline is None else "Look at what has changed. "
    return f"{look}Make a run that you have looked at the baseline: {bless_command(suite)}."


def _decided(side: _Side, p_adjusted: float | None) -> GateResult:
    """The rules after coverage, in their order."""
    gate, drop = side.gate, side.drop
    if gate == GateRule():
        return _result(side, Status.INCONCLUSIVE, Rule.COVERAGE, "its gate states no bound")
    if side.mean is not None and (beyond := _beyond(side.mean, gate)):
        return _result(side, Status.FAIL, Rule.MINIMUM, beyond, p_adjusted)
    if side.newly_failing:
        why = f"critical and newly failing: {listed(side.newly_failing)}"
        return _result(side, Status.FAIL, Rule.CRITICAL, why, p_adjusted)
    if side.not_compared and (side.critical or side.tested):
        rule = Rule.CRITICAL if side.critical else Rule.REGRESSION
        return _result(side, Status.INCONCLUSIVE, rule, side.not_compared)
    if gate.max_drop is None or drop is None or p_adjusted is None:
        return _result(side, Status.PASS, None, "")
    return _compared(side, drop, gate.max_drop, p_adjusted)


def _compared(side: _Side, drop: float, max_drop: float, p: float) -> GateResult:
    """Both fail, one of them warns: a drop that noise explains, or one that is real and allowed."""
    too_large, real = above(drop, max_drop), p < LEVEL
    shown, allowed = apart(drop, max_drop)
    if too_large and real:
        why = f"dropped by {shown}, more than {allowed} (p {figure(p)})"
        return _result(side, Status.FAIL, Rule.REGRESSION, why, p)
    if too_large:
        why = f"dropped by {shown}, more than {allowed}, which may be noise (p {figure(p)})"
        return _result(side, Status.WARN, Rule.REGRESSION, why, p)
    if real:
        why = f"dropped by {shown}, no more than {allowed}, but not by noise (p {figure(p)})"
        return _result(side, Status.WARN, Rule.REGRESSION, why, p)
    return _result(side, Status.PASS, None, "", p)


def _beyond(mean: float, gate: GateRule) -> str:
    """Says which absolute bound is broken; nothing if none is."""
    if gate.min is not None and above(gate.min, mean):
        shown, bound = apart(mean, gate.min)
        return f"{shown} is below the minimum {bound}"
    if gate.max is not None and above(mean, gate.max):
        shown, bound = apart(mean, gate.max)
        return f"{shown} is above the maximum {bound}"
    return ""


def _result(side: _Side, status: Status, rule: Rule | None, why: str, p_adjusted: float | None = None) -> GateResult:
    return GateResult(
        side.spec.name,
        side.gate,
        status,
        rule,
        side.mean,
        side.baseline_mean,
        side.drop,
        side.interval,
        side.p,
        p_adjusted,
        side.smallest,
        why,
    )


def _worst(sides: Sequence[_Side], suite: Suite) -> tuple[CaseChange, ...]:
    """The cases that became worse, of every gate that could be compared."""
    lower = lower_ones(suite)
    rows = [row for side in sides if side.before for row in changes(side.spec.name, side.before, side.after)]
    return tuple(
        row
        for row in worst_first(rows, lower)
        if row.before is not None
        and row.after is not None
        and above(worse_by(row.before, row.after, lower=row.scorer in lower), 0)
    )
