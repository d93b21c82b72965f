"""A run as text, and read back to the letter."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from aikit.errors import RunInvalid
from aikit.evals.fields import Fields, prompt_stated, read_json, written_prompt
from aikit.evals.model import Mode, Run, Score, Trial

SCHEMA = "aikit.eval-run/1"
_REMEDY = "Delete the file, and run the suite again: in replay that costs nothing."


def run_text(run: Run) -> str:
    """JSON, one line a trial."""
    head = {
        "schema": SCHEMA,
        "id": run.id,
        "suite": run.suite,
        "prompt": written_prompt(run.prompt),
        "target": run.target,
        "model": run.model,
        "mode": run.mode.value,
        "trials": run.trials,
        "cases": list(run.cases),
        "critical": sorted(run.critical),
        "fingerprint": dict(sorted(run.fingerprint.items())),
        "started_at": run.started_at.isoformat(),
        "seconds": run.seconds,
        "spent_nano": run.spent_nano,
        "estimated_nano": run.estimated_nano,
        "over_budget": run.over_budget,
        "simulated": run.simulated,
        "interrupted": run.interrupted,
    }
    lines = ",\n".join(f"    {json.dumps(_trial(trial), allow_nan=False)}" for trial in run.results)
    begun = json.dumps(head, indent=2, allow_nan=False).removesuffix("\n}")
    return f'{begun},\n  "results": [\n{lines}\n  ]\n}}\n'


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "case": trial.case,
        "trial": trial.trial,
        "output": trial.output,
        "scores": {name: _score(score) for name, score in trial.scores.items()},
        "error": trial.error,
        "missing": trial.missing,
        "recovered": trial.recovered,
        "nano": trial.nano,
        "judge_nano": trial.judge_nano,
        "latency_ms": trial.latency_ms,
    }


def _score(score: Score) -> dict[str, Any]:
    """JSON has no word for a value that is no finite number; it is none, and stays an error."""
    if score.value is not None and not isfinite(score.value):
        return {"value": None, "why": score.why, "error": score.error or f"its value is {score.value}"}
    return {"value": score.value, "why": score.why, "error": score.error}


def read_run(path: Path) -> Run:
    """Raises RunInvalid, naming the file and the field."""
    found = read_json(path, RunInvalid, _REMEDY)
    if found is None:
        raise RunInvalid(f"There is no {path}.", facts={"file": str(path)})
    return _run(Fields(found, str(path), RunInvalid, _REMEDY))


def _run(fields: Fields) -> Run:
    fields.schema(SCHEMA)
    cases, trials = fields.names("cases"), fields.whole("trials", least=1)
    run = Run(
        id=fields.text("id"),
        suite=fields.text("suite"),
        prompt=prompt_stated(fields, "prompt"),
        target=fields.text_or_none("target"),
        model=fields.text_or_none("model"),
        mode=fields.one_of("mode", Mode),
        trials=trials,
        cases=cases,
        critical=frozenset(fields.names("critical")),
        results=_results(fields, frozenset(cases), trials),
        fingerprint=fields.texts("fingerprint"),
        started_at=fields.moment("started_at"),
        seconds=fields.number("seconds"),
        spent_nano=fields.whole("spent_nano"),
        estimated_nano=fields.whole_or_none("estimated_nano"),
        over_budget=fields.truth("over_budget"),
        simulated=fields.truth("simulated"),
        interrupted=fields.truth("interrupted"),
    )
    fields.nothing_else()
    return run


def _results(fields: Fields, cases: frozenset[str], trials: int) -> tuple[Trial, ...]:
    seen: set[tuple[str, int]] = set()
    results = []
    for row in fields.objects("results"):
        trial = _read_trial(row)
        if trial.case not in cases:
            row.fail("case", f"is {trial.case!r}, which is no case of the run")
        if trial.trial >= trials:
            row.fail("trial", f"is {trial.trial}; the run has {trials}, from 0")
        if (trial.case, trial.trial) in seen:
            row.fail("trial", f"is there twice for {trial.case!r}")
        seen.add((trial.case, trial.trial))
        results.append(trial)
    return tuple(results)


def _read_trial(row: Fields) -> Trial:
    scores = row.mapping("scores")
    trial = Trial(
        case=row.text("case"),
        trial=row.whole("trial"),
        output=row.text_or_none("output"),
        scores={name: _read_score(scores.mapping(name)) for name in scores},
        error=row.text_or_none("error"),
        missing=row.truth("missing"),
        recovered=row.truth("recovered"),
        nano=row.whole_or_none("nano"),
        judge_nano=row.whole_or_none("judge_nano"),
        latency_ms=row.whole_or_none("latency_ms"),
    )
    row.nothing_else()
    return trial


def _read_score(row: Fields) -> Score:
    score = Score(row.number_or_none("value"), row.text("why"), row.text_or_none("error"))
    row.nothing_else()
    return score
