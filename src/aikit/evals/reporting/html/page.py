"""The page: what is in it, put together for the template, which escapes everything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from aikit.evals.model import Run, Score, Status, Trial
from aikit.evals.reporting.block import block
from aikit.evals.reporting.data import scorer_means
from aikit.evals.reporting.escaping import one_line, shortened
from aikit.evals.reporting.html.plots import Point, course, means, spread
from aikit.evals.reporting.outcome import Outcome
from aikit.evals.reporting.rows import detectable_line, gate_table
from aikit.evals.reporting.words import GLYPHS, UNKNOWN, summary, value
from aikit.evals.scored import fails, means_of, values_of, worse_by

LONGEST = 20_000
"""Characters of an answer that are shown."""


class Kind(NamedTuple):
    """What a case is shown as, and found by."""

    name: str
    glyph: str
    word: str


KINDS = (
    Kind("failed", "✗", "below its gate"),
    Kind("error", "?", "without a score"),
    Kind("worse", "↓", "worse than before"),
    Kind("fine", "✓", "fine"),
)


def page(outcomes: Sequence[Outcome], histories: Mapping[str, Sequence[Run]]) -> str:
    """`histories` are the stored runs of each suite, the oldest first."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    here = files(__package__)
    style = Markup(here.joinpath("page.css").read_text("utf-8"))
    sections = [
        _section(number, outcome, histories.get(outcome.suite.name, ())) for number, outcome in enumerate(outcomes)
    ]
    template = environment.from_string(here.joinpath("page.html.j2").read_text("utf-8"))
    return template.render(style=style, sections=sections, kinds=KINDS)


def _section(number: int, outcome: Outcome, history: Sequence[Run]) -> dict[str, Any]:
    first, *rest = block(outcome, gate=True)
    before, after = outcome.sides
    cases = _cases(outcome)
    return {
        "number": number,
        "suite": outcome.suite.name,
        "description": one_line(outcome.suite.description),
        "status": outcome.status.value,
        "glyph": GLYPHS[outcome.status],
        "headline": first,
        "lines": rest,
        "summary": summary(outcome),
        "run": outcome.run.id,
        "model": outcome.run.model or UNKNOWN,
        "started": f"{outcome.run.started_at:%Y-%m-%d %H:%M} UTC",
        "before": one_line(before),
        "after": one_line(after),
        "has_baseline": outcome.baseline is not None,
        "means": means(outcome.verdict.gates, outcome.units, outcome.lower) if outcome.verdict.gates else None,
        "table": gate_table(outcome),
        "notes": [one_line(note) for note in (detectable_line(outcome), *outcome.verdict.notes) if note],
        "scorers": _scorers(outcome, history),
        "names": [spec.name for spec in outcome.suite.scorers],
        "cases": cases,
        "counts": {kind.name: sum(case["kind"] == kind for case in cases) for kind in KINDS},
    }


def _scorers(outcome: Outcome, history: Sequence[Run]) -> list[dict[str, Any]]:
    then, now = _before(outcome), scorer_means(outcome.run)
    past = [(run, scorer_means(run)) for run in history]
    found = []
    for spec in outcome.suite.scorers:
        unit, by_case = outcome.units.get(spec.name, ""), now.get(spec.name, {})
        gate = spec.gate
        bound = None if gate is None else gate.min if gate.min is not None else gate.max
        points = [
            Point(_label(run), sum(scores.values()) / len(scores), run.id == outcome.run.id)
            for run, all_scores in past
            if (scores := all_scores.get(spec.name, {}))
        ]
        found.append(
            {
                "name": spec.name,
                "use": spec.use,
                "spread": spread(spec.name, [*by_case.values()], [*then.get(spec.name, {}).values()], unit)
                if by_case
                else None,
                "course": course(spec.name, points, bound, unit) if len(points) > 1 else None,
            }
        )
    return found


def _label(run: Run) -> str:
    return f"{run.prompt.id if run.prompt else run.target or run.suite}, {run.started_at:%Y-%m-%d %H:%M} UTC"


def _before(outcome: Outcome) -> dict[str, dict[str, float]]:
    scores = outcome.baseline.scores if outcome.baseline else {}
    return {name: means_of(values) for name, values in scores.items()}


def _cases(outcome: Outcome) -> list[dict[str, Any]]:
    """Those that need a look first."""
    run, then, now = outcome.run, _before(outcome), scorer_means(outcome.run)
    values = {name: values_of(run, name) for name in now}
    trials: dict[str, list[Trial]] = {case: [] for case in run.cases}
    for trial in run.results:
        trials.setdefault(trial.case, []).append(trial)
    found = []
    for case, tried in trials.items():
        of_case = {name: rows.get(case, []) for name, rows in values.items()}
        found.append(
            {
                "id": one_line(case),
                "critical": case in run.critical,
                "kind": _kind(outcome, case, of_case, tried, then, now),
                "scores": [_change(outcome, spec.name, case, then, now) for spec in outcome.suite.scorers],
                "trials": [
                    _trial(outcome, trial, _answer(outcome.then.get(case), trial.trial), run.trials) for trial in tried
                ],
            }
        )
    return sorted(found, key=lambda row: KINDS.index(row["kind"]))


def _kind(
    outcome: Outcome,
    case: str,
    values: Mapping[str, Sequence[float | None]],
    tried: Sequence[Trial],
    then: Mapping[str, Mapping[str, float]],
    now: Mapping[str, Mapping[str, float]],
) -> Kind:
    failed, error, worse, fine = KINDS
    gated = [spec for spec in outcome.suite.scorers if spec.gate]
    if any(fails(values.get(spec.name, ()), spec) for spec in gated):
        return failed
    if any(trial.error or any(score.error for score in trial.scores.values()) for trial in tried) or not tried:
        return error
    for spec in gated:
        before, after = then.get(spec.name, {}).get(case), now.get(spec.name, {}).get(case)
        if before is not None and after is not None:
            drop = worse_by(before, after, lower=spec.name in outcome.lower)
            if drop > max((spec.gate.max_drop if spec.gate else None) or 0.0, 1e-9):
                return worse
    return fine


def _change(
    outcome: Outcome,
    scorer: str,
    case: str,
    then: Mapping[str, Mapping[str, float]],
    now: Mapping[str, Mapping[str, float]],
) -> dict[str, str | None]:
    unit, before = outcome.units.get(scorer, ""), then.get(scorer, {}).get(case)
    after = value(now.get(scorer, {}).get(case), unit)
    said = None if before is None else value(before, unit)
    return {"scorer": scorer, "before": None if said == after else said, "after": after}


def _answer(answers: Sequence[str | None] | None, trial: int) -> str | None:
    found = answers[trial] if answers and trial < len(answers) else None
    return None if found is None else shortened(found, LONGEST)


def _trial(outcome: Outcome, trial: Trial, before: str | None, trials: int) -> dict[str, Any]:
    return {
        "name": f"Trial {trial.trial + 1} of {trials}" + (", recovered" if trial.recovered else ""),
        "before": before,
        "after": None if trial.output is None else shortened(trial.output, LONGEST),
        "error": trial.error and one_line(trial.error, 2_000),
        "scores": [
            {"scorer": name, **_score(score, outcome.units.get(name, ""))} for name, score in trial.scores.items()
        ],
    }


def _score(score: Score, unit: str) -> dict[str, Any]:
    if score.error:
        return {"value": "error", "why": one_line(score.error, 2_000), "status": Status.INCONCLUSIVE.value}
    return {"value": value(score.value, unit), "why": one_line(score.why, 2_000), "status": ""}
