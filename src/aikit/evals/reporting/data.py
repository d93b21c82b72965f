"""`aikit.eval/1`: verdicts as JSON. Money is decimal strings in dollars, times are in UTC, unknown is null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.evals.baselines import Baseline
from aikit.evals.fields import written_prompt
from aikit.evals.model import GateResult, Run, Score, Status, Trial
from aikit.evals.reporting.block import failures
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from aikit.evals.reporting.words import change
from aikit.evals.scored import means_of, values_of
from aikit.money import usd_string


def report_data(report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the totals of `aikit eval --json`."""
    data = {
        "exit": report.exit.value,
        "gate": report.gate,
        "suites": [suite_data(entry) if isinstance(entry, Outcome) else _stopped(entry) for entry in report.entries],
    }
    statuses = [outcome.status for outcome in report.outcomes]
    totals = {
        "suites": len(report.entries),
        "passed": statuses.count(Status.PASS),
        "warned": statuses.count(Status.WARN),
        "failed": statuses.count(Status.FAIL),
        "inconclusive": statuses.count(Status.INCONCLUSIVE),
        "stopped": len(report.entries) - len(statuses),
        "regressions": sum(len(failures(outcome)) for outcome in report.outcomes),
        "spent_usd": usd_string(sum(outcome.run.spent_nano for outcome in report.outcomes)),
    }
    return data, totals


def suite_data(outcome: Outcome) -> dict[str, Any]:
    """One suite: what was run, its gates, its cases."""
    run, verdict = outcome.run, outcome.verdict
    return {
        "suite": outcome.suite.name,
        "subject": outcome.subject,
        "status": verdict.status.value,
        "regressions": len(failures(outcome)),
        **run_data(run),
        "baseline": _baseline(outcome.baseline),
        "scored_share": verdict.scored_share,
        "gates": [_gate(outcome, result) for result in verdict.gates],
        "newly_failing": list(verdict.newly_failing),
        "worst": [row_data(row.case, row.scorer, row.before, row.after) for row in verdict.worst],
        "notes": list(verdict.notes),
        "remedy": verdict.remedy or None,
        "cases": _cases(run),
    }


def run_data(run: Run) -> dict[str, Any]:
    """What was run, and what it has cost."""
    return {
        "run": run.id,
        "prompt": written_prompt(run.prompt),
        "target": run.target,
        "model": run.model,
        "mode": run.mode.value,
        "simulated": run.simulated,
        "trials": run.trials,
        "started_at": run.started_at,
        "seconds": run.seconds,
        "spent_usd": usd_string(run.spent_nano),
        "estimated_usd": _usd(run.estimated_nano),
        "over_budget": run.over_budget,
    }


def row_data(case: str, scorer: str, before: float | None, after: float | None) -> dict[str, Any]:
    """A case on both sides."""
    return {"case": case, "scorer": scorer, "before": before, "after": after}


def _stopped(entry: Stopped) -> dict[str, Any]:
    error = entry.error
    return {
        "suite": entry.suite.name,
        "subject": entry.subject,
        "status": "error",
        "error": {"code": error.code, "message": error.message, "remedy": error.remedy, "exit": entry.exit.value},
    }


def _baseline(baseline: Baseline | None) -> dict[str, Any] | None:
    if baseline is None:
        return None
    return {
        "run": baseline.run,
        "prompt": written_prompt(baseline.prompt),
        "blessed_at": baseline.blessed_at,
        "blessed_by": baseline.blessed_by,
        "forced": baseline.forced,
    }


def _gate(outcome: Outcome, result: GateResult) -> dict[str, Any]:
    lower = result.scorer in outcome.lower
    return {
        "scorer": result.scorer,
        "unit": outcome.units.get(result.scorer) or None,
        "lower_is_better": lower,
        "status": result.status.value,
        "rule": result.rule.value if result.rule else None,
        "why": result.why or None,
        "gate": {name: bound for name, bound in result.gate._asdict().items() if bound is not None},
        "mean": result.mean,
        "baseline_mean": result.baseline_mean,
        "drop": result.drop,
        "change": change(result, lower=lower),
        "interval": None if result.interval is None else list(result.interval),
        "p": result.p,
        "p_adjusted": result.p_adjusted,
        "smallest_drop": result.smallest_drop,
    }


def _cases(run: Run) -> list[dict[str, Any]]:
    means = scorer_means(run)
    trials: dict[str, list[dict[str, Any]]] = {case: [] for case in run.cases}
    for trial in run.results:
        trials.setdefault(trial.case, []).append(_trial(trial))
    return [
        {
            "case": case,
            "critical": case in run.critical,
            "scores": {name: by_case.get(case) for name, by_case in means.items()},
            "trials": rows,
        }
        for case, rows in trials.items()
    ]


def scorer_means(run: Run) -> Mapping[str, Mapping[str, float]]:
    """By scorer, by case: the mean of its trials."""
    names = dict.fromkeys(name for trial in run.results for name in trial.scores)
    return {name: means_of(values_of(run, name)) for name in names}


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        "trial": trial.trial,
        "output": trial.output,
        "scores": {name: _score(score) for name, score in trial.scores.items()},
        "error": trial.error,
        "missing": trial.missing,
        "recovered": trial.recovered,
        "cost_usd": _usd(trial.nano),
        "judge_cost_usd": _usd(trial.judge_nano),
        "latency_ms": trial.latency_ms,
    }


def _score(score: Score) -> dict[str, Any]:
    """A value that is no finite number is none: JSON has no word for it."""
    finite = score.value is not None and score.value - score.value == 0
    return {"value": score.value if finite else None, "why": score.why, "error": score.error}


def _usd(nano: int | None) -> str | None:
    return None if nano is None else usd_string(nano)
