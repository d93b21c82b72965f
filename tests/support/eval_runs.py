"""Suites, runs and baselines, made of scores that a test states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aikit.evals.baselines import Baseline
from aikit.evals.blessing import blessed
from aikit.evals.fingerprint import fingerprint_of
from aikit.evals.model import Case, GateRule, Mode, Run, Score, ScorerSpec, Suite, Trial
from aikit.prompts.model import Ref
from aikit.types import PromptId

NOON = datetime(2026, 11, 21, 12, 0, 0, 123_000, tzinfo=UTC)
V2 = PromptId("summarize@v2", "2" * 64)
V3 = PromptId("summarize@v3", "3" * 64)

Scores = Mapping[str, Sequence[Sequence[float | None]]]
"""By scorer: for each case, what its trials score."""


def suite_of(
    cases: int,
    gates: Mapping[str, GateRule | None],
    *,
    critical: Sequence[int] = (),
    trials: int = 1,
    use: str = "equals",
    options: Mapping[str, Any] | None = None,
) -> Suite:
    """A suite of the cases c00, c01, and so on, with a scorer for each gate."""
    return Suite(
        name="summarize",
        path=Path("evals/summarize.eval.yaml"),
        cases=tuple(Case(f"c{n:02}", {"text": f"text {n}"}, critical=n in critical) for n in range(cases)),
        scorers=tuple(ScorerSpec(name, use, options or {}, gate) for name, gate in gates.items()),
        cases_path=Path("evals/summarize.cases.jsonl"),
        prompt=Ref("summarize", version=2),
        trials=trials,
    )


def run_of(suite: Suite, scores: Scores, *, prompt: PromptId = V2, mode: Mode = Mode.REPLAY, **rest: Any) -> Run:
    """A run in which everything was tried. None is the error of a scorer."""
    rows = next(iter(scores.values()), ())
    trials = len(rows[0]) if rows else suite.trials
    results = [
        Trial(
            case.id,
            trial,
            f"{case.id} by {prompt.id}, trial {trial}",
            {name: score_of(rows[number][trial]) for name, rows in scores.items()},
        )
        for number, case in enumerate(suite.cases)
        for trial in range(trials)
    ]
    stated: dict[str, Any] = {
        "id": "20261121T120000123Z-summarize-0a1b2c",
        "suite": suite.name,
        "prompt": prompt,
        "target": None,
        "model": "openai/gpt-5-mini",
        "mode": mode,
        "trials": trials,
        "cases": tuple(case.id for case in suite.cases),
        "critical": frozenset(case.id for case in suite.cases if case.critical),
        "results": tuple(results),
        "fingerprint": fingerprint_of(suite, model="openai/gpt-5-mini", parameters={"temperature": 0}, trials=trials),
        "started_at": NOON,
        "seconds": 1.5,
    }
    return Run(**{**stated, **rest})


def score_of(value: float | None) -> Score:
    return Score(None, error="the judge's answer is no JSON") if value is None else Score(value, "as stated")


def baseline_of(suite: Suite, scores: Scores, **rest: Any) -> Baseline:
    """Of a run of these scores, blessed, below a minimum or not."""
    return blessed(run_of(suite, scores, **rest), suite, by="Ada", at=NOON, reason="for the test")
