"""The first rule of the gate: has everything been tried and scored that the suite and its baseline have?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import isfinite
from typing import NamedTuple

from aikit.evals.baselines import Baseline
from aikit.evals.figures import counted, listed
from aikit.evals.fingerprint import CASES, differing
from aikit.evals.model import Mode, Run, Score, Status, Suite
from aikit.evals.scored import Values, gated, values_of

LIVE_SHARE = 95
"""Percent of the trials of each gated scorer that need a score where a model was asked; in replay all of them do."""


class Gap(NamedTuple):
    """Why a run can't be decided, or what it lacks. FAIL or INCONCLUSIVE, never anything that passes."""

    status: Status
    why: str
    remedy: str


def gap_of(run: Run, suite: Suite, baseline: Baseline | None) -> Gap | None:
    """What keeps the run from being decided; None: nothing.

    Cases that the baseline has and the suite has no more fail: a suite without its hard cases is better for nothing,
    and a build that lets inconclusive runs pass, as of a fork that has no key, must not let this one pass.
    """
    return (
        _deleted(suite, baseline)
        or _nothing(run, suite)
        or _ended_early(run, suite)
        or _other_cases(run, suite)
        or _not_recorded(run, suite)
        or _not_scored(run, suite)
    )


def incomparable(run: Run, baseline: Run | Baseline, scorers: Iterable[str]) -> str | None:
    """What differs between the run and the baseline, so that these scorers' values can't be compared; None: nothing."""
    differs = differing(run.fingerprint, baseline.fingerprint, scorers)
    if any(part.startswith(CASES) for part in differs):
        known = set(baseline.cases)
        added = [case for case in run.cases if case not in known]
        differs += [f"cases that it does not have: {listed(added)}"] if added else []
    if run.suite != baseline.suite:
        differs.append(f"the suite ({run.suite}, was {baseline.suite})")
    if run.simulated != baseline.simulated:
        now, then = ("the simulator", "a model") if run.simulated else ("a model", "the simulator")
        differs.append(f"answers ({now}'s, were {then}'s)")
    return ", ".join(differs) or None


def scored_share(run: Run, suite: Suite) -> float:
    """The share of trials that have a score, of the gated scorer that has the fewest; 0 where there is none."""
    expected = len(run.cases) * run.trials
    return (
        min((_scored(values_of(run, spec.name)) / expected for spec, _ in gated(suite)), default=0) if expected else 0
    )


def rerun(run: Run, suite: Suite, option: str = "") -> str:
    """The command that makes this run again, with the prompt that it had if that is not the suite's own."""
    words = ["aikit eval", suite.name, option]
    if run.prompt is not None and run.prompt.id != str(suite.prompt):
        words.append(f"--prompt {run.prompt.id}")
    return "`" + " ".join(filter(None, words)) + "`"


def bless_command(suite: Suite) -> str:
    """The command that makes a run the baseline."""
    return f"`aikit eval bless {suite.name}`"


def _deleted(suite: Suite, baseline: Baseline | None) -> Gap | None:
    there = {case.id for case in suite.cases}
    gone = [case for case in baseline.cases if case not in there] if baseline else []
    if not gone:
        return None
    return Gap(
        Status.FAIL,
        f"{counted(len(gone), 'case')} of the baseline {'is' if len(gone) == 1 else 'are'} gone: {listed(gone)}",
        f"Bring back what was deleted from {suite.cases_path.name}; or, if the suite shall do without, make that the "
        f"new baseline: {bless_command(suite)}.",
    )


def _nothing(run: Run, suite: Suite) -> Gap | None:
    if not suite.cases:
        return _unclear("The suite has no case", f"Add cases to {suite.cases_path.name}.")
    if not gated(suite):
        return _unclear("No scorer of the suite has a gate", "State `gate: {min: …, max_drop: …}` for one.")
    if run.trials < 1 or not run.results:
        return _unclear("Nothing was tried", _again(run, suite))
    return None


def _ended_early(run: Run, suite: Suite) -> Gap | None:
    if run.interrupted:
        return _unclear("It was interrupted", _again(run, suite))
    if run.over_budget:
        raised = "Raise the suite's `budget`, or have fewer cases or trials."
        return _unclear("It came to its budget before its end", raised)
    return None


def _other_cases(run: Run, suite: Suite) -> Gap | None:
    ids = dict.fromkeys(case.id for case in suite.cases)
    tried = set(run.cases)
    missing = [case for case in ids if case not in tried]
    more = [case for case in run.cases if case not in ids]
    if not missing and not more and len(run.cases) == len(suite.cases):
        return None
    what = [f"lacks {listed(missing)}"] * bool(missing) + [f"has {listed(more)}, which the suite has not"] * bool(more)
    return _unclear(
        f"The run has other cases than the suite: it {' and '.join(what) or 'has one twice'}", _again(run, suite)
    )


def _not_recorded(run: Run, suite: Suite) -> Gap | None:
    missing = [trial for trial in run.results if trial.missing]
    if not missing:
        return None
    return _unclear(
        f"{len(missing)} of {counted(len(run.cases) * run.trials, 'trial')} "
        f"{'has' if len(missing) == 1 else 'have'} no recording: {listed(dict.fromkeys(t.case for t in missing))}",
        f"Record them: {rerun(run, suite, '--record')}.",
    )


def _not_scored(run: Run, suite: Suite) -> Gap | None:
    expected = len(run.cases) * run.trials
    for spec, _ in gated(suite):
        values = values_of(run, spec.name)
        missing = expected - _scored(values)
        silent = [case for case, trials in values.items() if all(value is None for value in trials)]
        enough = missing == 0 or (run.mode is not Mode.REPLAY and (expected - missing) * 100 >= LIVE_SHARE * expected)
        if enough and not silent:
            continue
        return _unclear(
            f"{missing} of {counted(expected, 'trial')} {'has' if missing == 1 else 'have'} no score of {spec.name}"
            f"{_because(run, spec.name)}",
            _again(run, suite)
            if run.mode is not Mode.REPLAY
            else f"What is recorded can't be scored; mend {spec.name}, or ask anew: {rerun(run, suite, '--refresh')}.",
        )
    return None


def _again(run: Run, suite: Suite) -> str:
    return f"Run it again: {rerun(run, suite)}."


def _because(run: Run, scorer: str) -> str:
    """The error that most of them have."""
    errors = Counter(error for trial in run.results if (error := trial.error or _error_of(trial.scores.get(scorer))))
    return f" ({errors.most_common(1)[0][0]})" if errors else ""


def _error_of(score: Score | None) -> str | None:
    if score is None or score.error is not None:
        return score.error if score else None
    return None if score.value is None or isfinite(score.value) else f"its value is {score.value}"


def _scored(values: Values) -> int:
    return sum(value is not None for trials in values.values() for value in trials)


def _unclear(why: str, remedy: str) -> Gap:
    return Gap(Status.INCONCLUSIVE, why, remedy)
