"""A run becomes the baseline, if it is one that others may be compared with."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from aikit.errors import BlessRefused
from aikit.evals.baselines import Baseline, write_baseline
from aikit.evals.coverage import gap_of
from aikit.evals.gate import decide
from aikit.evals.model import GateResult, Rule, Run, Suite
from aikit.evals.scored import values_of


def bless(run: Run, suite: Suite, path: Path, *, by: str, at: datetime, reason: str | None = None) -> Baseline:
    """Writes the run's scores as the suite's baseline. `reason` is why, if it is below an absolute minimum.

    Raises BlessRefused for a run that is incomplete, of other cases than the suite's, over budget, or below a minimum
    without a reason; ConfigError when it can't be written.
    """
    baseline = blessed(run, suite, by=by, at=at, reason=reason)
    write_baseline(path, baseline)
    return baseline


def blessed(run: Run, suite: Suite, *, by: str, at: datetime, reason: str | None = None) -> Baseline:
    """What `bless` writes. Raises BlessRefused."""
    facts = {"run": run.id, "suite": suite.name}
    gap = gap_of(run, suite, None)
    if gap is not None:
        raise BlessRefused(f"{run.id} can't become the baseline. {gap.why}.", facts=facts, remedy=gap.remedy)
    below = [result for result in decide(run, suite, None).gates if result.rule is Rule.MINIMUM]
    stated = (reason or "").strip()
    if below and not stated:
        raise BlessRefused(
            f"{run.id} can't become the baseline: {_phrases(below)}.",
            facts=facts,
            remedy="If it must, say why: `--force REASON`. The reason stays with the baseline, and is shown with "
            "every verdict.",
        )
    scorers = [spec.name for spec in suite.scorers]
    scores = {scorer: values_of(run, scorer) for scorer in scorers}
    return Baseline(
        suite=suite.name,
        run=run.id,
        prompt=run.prompt,
        target=run.target,
        model=run.model,
        mode=run.mode,
        trials=run.trials,
        cases=tuple(sorted(run.cases)),
        fingerprint=run.fingerprint,
        blessed_at=at.astimezone(UTC),
        blessed_by=by,
        simulated=run.simulated,
        forced=f"{stated} ({_phrases(below)})" if below else None,
        scores=scores,
    )


def _phrases(below: list[GateResult]) -> str:
    return "; ".join(f"{result.scorer} {result.why}" for result in below)
