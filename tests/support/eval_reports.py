"""Reports of suites with hand-made scores, for whatever renders them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from aikit.evals.gate import decide
from aikit.evals.model import GateRule, Run, Trial
from aikit.evals.reporting.outcome import Outcome, Report, answers_of
from support.eval_runs import V2, V3, baseline_of, run_of, suite_of

CASES = 12
GATES: Mapping[str, GateRule | None] = {
    "faithfulness": GateRule(min=0.80, max_drop=0.05),
    "length": GateRule(max_drop=0.05),
}
GOOD = {"faithfulness": 0.88, "length": 0.97}
WORSE = {"faithfulness": 0.71, "length": 0.99}
HOSTILE = (
    "[bold]x[/bold] </script><script>alert(1)</script> | a\n::error file=x::y\n##[error]z \x1b[31m\x00 @someone #1 `t`"
)


def outcome_of(
    scores: Mapping[str, float | Sequence[float | None]],
    *,
    gates: Mapping[str, GateRule | None] = GATES,
    before: Mapping[str, float | Sequence[float | None]] | None = GOOD,
    use: str = "equals",
    critical: Sequence[int] = (),
    change: Callable[[Trial], Trial] = lambda trial: trial,
    **run: Any,
) -> Outcome:
    """A run of summarize@v3 with these scores, one for all cases or one each, decided against v2."""
    suite = suite_of(CASES, gates, use=use, critical=critical)
    then = None if before is None else _scores(before)
    now = run_of(suite, _scores(scores), **{"prompt": V3, **run})
    now = replace(now, results=tuple(map(change, now.results)))
    baseline = None if then is None else baseline_of(suite, then)
    answers = {} if then is None else answers_of(run_of(suite, then, prompt=V2))
    return Outcome(suite, decide(now, suite, baseline), baseline, answers)


def report_of(*outcomes: Outcome, gate: bool = True) -> Report:
    return Report(outcomes, gate)


def failing() -> Outcome:
    return outcome_of(WORSE)


def passing() -> Outcome:
    return outcome_of(GOOD)


def unrecorded(case: str = "c01") -> Outcome:
    """One case has no recording."""
    return outcome_of(GOOD, change=lambda trial: _missing(trial) if trial.case == case else trial)


def hostile() -> Outcome:
    """A failing run whose case ids and answers try everything."""
    outcome = failing()
    ids = {case.id: f"{HOSTILE} {case.id} {'long' * 750}" for case in outcome.suite.cases}
    suite = replace(outcome.suite, cases=tuple(replace(case, id=ids[case.id]) for case in outcome.suite.cases))
    run, then = _renamed(outcome.run, ids), {one: [HOSTILE] for one in ids.values()}
    scores = {name: {ids[case]: list(row) for case, row in rows.items()} for name, rows in _baseline(outcome).items()}
    baseline = replace(outcome.baseline, cases=tuple(ids.values()), scores=scores)  # type: ignore[type-var]
    return Outcome(suite, decide(run, suite, baseline), baseline, then)


def _baseline(outcome: Outcome) -> Mapping[str, Any]:
    assert outcome.baseline is not None
    return outcome.baseline.scores


def _renamed(run: Run, ids: Mapping[str, str]) -> Run:
    results = tuple(replace(trial, case=ids[trial.case], output=HOSTILE) for trial in run.results)
    return replace(run, cases=tuple(ids[case] for case in run.cases), results=results)


def _missing(trial: Trial) -> Trial:
    return replace(trial, output=None, scores={}, error="it is not recorded", missing=True)


def _scores(stated: Mapping[str, float | Sequence[float | None]]) -> dict[str, list[list[float | None]]]:
    return {
        name: [[one] for one in (scores if isinstance(scores, Sequence) else [scores] * CASES)]
        for name, scores in stated.items()
    }
