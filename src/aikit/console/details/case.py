"""A case of a stored eval run: what was put in, what is expected, what was answered, and how that was scored."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aikit.console.details.words import UNKNOWN, gone, took
from aikit.errors import AIKitError
from aikit.evals.answered import stored_of
from aikit.evals.baselines import baseline_path, read_baseline
from aikit.evals.evaluating import suite_of
from aikit.evals.model import Case, Run, Score, Trial
from aikit.evals.reporting.outcome import answers_of
from aikit.evals.reporting.words import value
from aikit.money import format_usd
from aikit.page import Item, Page, Section

NOT_KEPT = "not kept: the suite, or this case of it, is not there any more"


def case_page(evals: Path, run: Run, id: str) -> Page:
    """Raises AIKitError for a case that the run does not have. Inputs are those of the suite as it is now."""
    if id not in run.cases:
        raise gone(f"{run.id[:80]} has no case {id[:80]}.", "Go back, and choose one of its cases.")
    try:
        suite = suite_of(run, evals)
        case = next((case for case in suite.cases if case.id == id), None)
    except AIKitError:
        case = None
    return told(run, id, case, _before(evals, run, id))


def told(run: Run, id: str, case: Case | None, before: Sequence[str | None] | None) -> Page:
    """The page of a case; `before` are the answers of the run that is the baseline, None where that is not stored."""
    trials = [trial for trial in run.results if trial.case == id]
    critical = "It is critical: it may not fail where it passed before."
    return Page(
        f"{id} of {run.id}",
        (critical,) if id in run.critical else (),
        (
            Section("Inputs", tuple(_inputs(case))),
            Section("Expected", (Item("expected", _expected(case)),)),
            *[_trial(trial, _then(before, trial.trial)) for trial in trials],
            *([] if trials else [Section("Answers", (Item(UNKNOWN, "it was not tried"),))]),
        ),
    )


def _before(evals: Path, run: Run, id: str) -> Sequence[str | None] | None:
    try:
        baseline = read_baseline(baseline_path(evals, run.suite))
    except AIKitError:
        return None
    stored = stored_of(baseline, evals)
    return None if stored is None or stored.id == run.id else answers_of(stored).get(id)


def _inputs(case: Case | None) -> list[Item]:
    if case is None:
        return [Item("inputs", NOT_KEPT)]
    items = [Item(name, _text(given)) for name, given in case.vars.items()]
    if case.context is not None:
        items.append(Item("context", case.context))
    if case.tags:
        items.append(Item("tags", ", ".join(case.tags)))
    return items or [Item("none", "the prompt takes none")]


def _expected(case: Case | None) -> str:
    if case is None:
        return NOT_KEPT
    return UNKNOWN if case.expected is None else _text(case.expected)


def _trial(trial: Trial, then: str | None) -> Section:
    """An answer and its scores; below it what was answered when the baseline was made, if it was otherwise."""
    items = [Item("answer", _answer(trial))]
    if then is not None and then != trial.output:
        items.append(Item("baseline's", then))
    items += [Item(name, _score(score), (score.why,) if score.why else ()) for name, score in trial.scores.items()]
    marks = [took(trial.latency_ms), f"cost {format_usd(trial.nano)}"]
    if trial.judge_nano:
        marks.append(f"judged for {format_usd(trial.judge_nano)}")
    if trial.recovered:
        marks.append("failed at first, and was tried once more")
    items.append(Item("took", " · ".join(marks)))
    return Section(f"Trial {trial.trial + 1}", tuple(items))


def _answer(trial: Trial) -> str:
    if trial.output is not None:
        return trial.output
    return f"{UNKNOWN} no recording" if trial.missing else f"{UNKNOWN} {trial.error or 'no answer'}"


def _score(score: Score) -> str:
    return f"no score: {score.error}" if score.error else value(score.value)


def _then(before: Sequence[str | None] | None, trial: int) -> str | None:
    return before[trial] if before is not None and trial < len(before) else None


def _text(given: Any) -> str:
    return given if isinstance(given, str) else json.dumps(given, ensure_ascii=False, indent=2)
