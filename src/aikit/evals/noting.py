"""What people should know beside a verdict: what these cases could not have shown, and what was let pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aikit.evals.baselines import Baseline
from aikit.evals.figures import above, apart, counted, figure
from aikit.evals.model import GateResult, Run, Suite
from aikit.evals.scored import gated, values_of
from aikit.evals.statistics import FEW, LEVEL, smallest_p

UNDERPOWERED = "Underpowered"
"""Notes that begin so say what the cases could not have shown."""


def notes_of(run: Run, suite: Suite, baseline: Baseline | None, results: Sequence[GateResult]) -> tuple[str, ...]:
    """A sentence each."""
    return tuple(
        note
        for part in (
            _power(len(suite.cases), results),
            _left_out(run, suite),
            _recovered(run),
            _provenance(run, baseline),
        )
        for note in part
    )


def _power(cases: int, results: Iterable[GateResult]) -> Iterator[str]:
    tested = [result for result in results if result.p_adjusted is not None]
    if smallest_p(cases) * len(tested) >= LEVEL:
        least = figure(smallest_p(cases) * len(tested))
        yield (
            f"{UNDERPOWERED}: with {counted(cases, 'case')} and {counted(len(tested), 'gate')} no drop, however large, "
            f"can be told from noise (p can't be below {least}), so none can fail."
        )
    elif cases < FEW:
        yield f"{UNDERPOWERED}: {counted(cases, 'case')}; from {FEW} on a drop can be told from noise with some trust."
    for result in tested:
        if result.smallest_drop is None or result.gate.max_drop is None:
            continue
        if above(result.smallest_drop, result.gate.max_drop):
            seen, allowed = apart(result.smallest_drop, result.gate.max_drop)
            yield (
                f"{UNDERPOWERED} for {result.scorer}: the smallest drop that would be seen four times in five is "
                f"{seen}, more than the {allowed} that may not be exceeded. "
                "More cases see smaller drops; so do more trials."
            )


def _left_out(run: Run, suite: Suite) -> Iterator[str]:
    for spec, _ in gated(suite):
        missing = sum(value is None for trials in values_of(run, spec.name).values() for value in trials)
        if missing:
            yield f"{counted(missing, 'trial')} without a score of {spec.name} {_is(missing)} left out."


def _recovered(run: Run) -> Iterator[str]:
    again = sum(trial.recovered for trial in run.results)
    if again:
        yield f"{counted(again, 'trial')} failed at first, and {_is(again)} recovered."


def _provenance(run: Run, baseline: Baseline | None) -> Iterator[str]:
    if run.simulated:
        yield "The simulator made the answers: this says that everything works, and nothing of a model."
    if baseline and baseline.forced:
        yield f"The baseline was blessed below a minimum, because: {baseline.forced}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
