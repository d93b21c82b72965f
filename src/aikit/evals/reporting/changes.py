"""A comparison of two runs: as JSON, and as the parts that a terminal shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from aikit.evals.baselines import Baseline
from aikit.evals.comparing import CaseRow, Comparison, ScorerChange
from aikit.evals.fields import written_prompt
from aikit.evals.model import Run, Score, Suite
from aikit.evals.reporting.outcome import side_names
from aikit.evals.reporting.rows import Table, p_text
from aikit.evals.reporting.words import UNKNOWN, interval, signed, value
from aikit.evals.scored import lower_ones, values_of
from aikit.evals.scorers.catalogue import unit_of


class Change(NamedTuple):
    """A scorer of a case on both sides, and what it said of the trial that is shown."""

    scorer: str
    before: str
    after: str
    why: str


class Shown(NamedTuple):
    """A case that has changed, its worst change first, with the trial that shows that best."""

    case: str
    changes: tuple[Change, ...]
    trial: int
    was: str | None
    now: str | None


def names_of(found: Comparison) -> tuple[str, str]:
    """What the sides are called."""
    return side_names(found.before.prompt, found.after.prompt)


def scorer_table(found: Comparison, suite: Suite) -> Table:
    """Scorer by scorer, over the cases that both sides have."""
    units = _units(suite)
    rows = []
    for one in found.scorers:
        unit = units.get(one.scorer, "")
        change = None if one.before is None or one.after is None else one.after - one.before
        cells = (value(one.before, unit), value(one.after, unit), signed(change, unit), interval(one.interval))
        rows.append((one.scorer, *cells, UNKNOWN if one.p is None else p_text(one.p)))
    return Table(("scorer", *names_of(found), "change", "95 %", "p"), tuple(rows))


def changed(found: Comparison) -> list[list[CaseRow]]:
    """The rows that differ, by case, the worst first."""
    cases: dict[str, list[CaseRow]] = {}
    for row in found.rows:
        if row.change.before != row.change.after:
            cases.setdefault(row.change.case, []).append(row)
    return list(cases.values())


def shown(found: Comparison, rows: Sequence[CaseRow], suite: Suite) -> Shown:
    """The trial that scored worst now where it changed most, beside the same trial before."""
    first = rows[0]
    scores = values_of(found.after, first.change.scorer).get(first.change.case, [])
    known = [(score, trial) for trial, score in enumerate(scores) if score is not None]
    pick = max if first.change.scorer in lower_ones(suite) else min
    trial = pick(known)[1] if known else 0
    changes = tuple(_change(found, row, suite, trial) for row in rows)
    return Shown(first.change.case, changes, trial, _at(first.before, trial), _at(first.after, trial))


def _change(found: Comparison, row: CaseRow, suite: Suite, trial: int) -> Change:
    change, unit = row.change, _units(suite).get(row.change.scorer, "")
    score = _score(found.after, change.case, trial, change.scorer)
    why = (score.error or score.why) if score else ""
    return Change(change.scorer, value(change.before, unit), value(change.after, unit), why)


def comparison_data(found: Comparison, suite: Suite) -> tuple[dict[str, Any], dict[str, Any]]:
    """The data and the totals of `aikit eval compare --json`: every case, those that have not changed, too."""
    rows = [
        {
            "case": row.change.case,
            "scorer": row.change.scorer,
            "before": row.change.before,
            "after": row.change.after,
            "before_outputs": None if row.before is None else list(row.before),
            "after_outputs": list(row.after),
        }
        for row in found.rows
    ]
    data = {
        "suite": suite.name,
        "before": _side(found.before),
        "after": _side(found.after),
        "differs": found.differs,
        "scorers": [_scorer(one) for one in found.scorers],
        "cases": rows,
    }
    return data, {"cases": len(rows), "changed": len(changed(found))}


def _scorer(one: ScorerChange) -> dict[str, Any]:
    return {
        "scorer": one.scorer,
        "cases": one.cases,
        "before": one.before,
        "after": one.after,
        "interval": None if one.interval is None else list(one.interval),
        "p": one.p,
    }


def _side(side: Run | Baseline) -> dict[str, Any]:
    baseline = isinstance(side, Baseline)
    return {
        "run": side.run if isinstance(side, Baseline) else side.id,
        "baseline": baseline,
        "prompt": written_prompt(side.prompt),
        "target": side.target,
        "model": side.model,
        "simulated": side.simulated,
    }


def _units(suite: Suite) -> dict[str, str]:
    return {spec.name: unit_of(spec) for spec in suite.scorers}


def _at(outputs: tuple[str | None, ...] | None, trial: int) -> str | None:
    return outputs[trial] if outputs and trial < len(outputs) else None


def _score(run: Run, case: str, trial: int, scorer: str) -> Score | None:
    for one in run.results:
        if one.case == case and one.trial == trial:
            return one.scores.get(scorer)
    return None
