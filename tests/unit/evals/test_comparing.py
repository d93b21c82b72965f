"""Two runs side by side: the worst change first, with what was answered on both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aikit.evals.comparing import compare
from aikit.evals.model import CaseChange, GateRule, Trial
from support.eval_runs import V2, V3, baseline_of, run_of, suite_of

SUITE = suite_of(6, {"faithfulness": GateRule(max_drop=0.1)})
BEFORE = run_of(SUITE, {"faithfulness": [[1.0, 0.5]] * 6}, prompt=V2)
AFTER = run_of(
    SUITE, {"faithfulness": [[1.0, 1.0], [0.0, 0.5], [1.0, 0.5], [0.5, 0.5], [0.0, 0.0], [1.0, 0.5]]}, prompt=V3
)


def test_the_worst_change_comes_first_with_both_outputs() -> None:
    found = compare(BEFORE, AFTER)
    assert [(row.change.case, row.change.before, row.change.after) for row in found.rows] == [
        ("c04", 0.75, 0.0),
        ("c01", 0.75, 0.25),
        ("c03", 0.75, 0.5),
        ("c02", 0.75, 0.75),
        ("c05", 0.75, 0.75),
        ("c00", 0.75, 1.0),
    ]
    assert found.rows[0].before == ("c04 by summarize@v2, trial 0", "c04 by summarize@v2, trial 1")
    assert found.rows[0].after == ("c04 by summarize@v3, trial 0", "c04 by summarize@v3, trial 1")
    assert found.differs is None


def test_a_scorer_is_compared_over_the_cases_that_both_have() -> None:
    (scorer,) = compare(BEFORE, AFTER).scorers
    assert (scorer.cases, scorer.before, scorer.after) == (6, 0.75, pytest.approx(13 / 24))
    assert scorer.interval is not None
    assert scorer.p is not None
    assert 0.05 < scorer.p < 0.5


def test_a_case_that_was_added_comes_last() -> None:
    more = suite_of(7, {"faithfulness": None})
    after = run_of(more, {"faithfulness": [*[[0.0, 0.0]] * 6, [1.0, 1.0]]}, prompt=V3)
    found = compare(BEFORE, after)
    assert found.rows[-1].change == CaseChange("c06", "faithfulness", None, 1.0)
    assert (found.rows[-1].before, len(found.rows[-1].after)) == ((), 2)
    assert found.scorers[0].cases == 6
    assert found.differs is not None
    assert "cases that it does not have: c06" in found.differs


def test_where_less_is_better_more_is_worse_and_dollars_stand_beside_shares() -> None:
    suite = suite_of(2, {"quality": None, "cost": None})
    before = run_of(suite, {"quality": [[1.0], [1.0]], "cost": [[0.001], [0.001]]})
    after = run_of(suite, {"quality": [[0.7], [1.0]], "cost": [[0.0005], [0.002]]})
    rows = compare(before, after, lower=frozenset({"cost"})).rows
    assert [(row.change.scorer, row.change.case) for row in rows] == [
        ("cost", "c01"),
        ("quality", "c00"),
        ("quality", "c01"),
        ("cost", "c00"),
    ]


def test_a_baseline_has_outputs_where_its_run_is_still_stored() -> None:
    baseline = baseline_of(SUITE, {"faithfulness": [[1.0, 0.5]] * 6})
    assert compare(baseline, AFTER).rows[0].before is None
    assert compare(baseline, AFTER, stored=BEFORE).rows[0].before == (
        "c04 by summarize@v2, trial 0",
        "c04 by summarize@v2, trial 1",
    )
    assert compare(baseline, AFTER, stored=replace(BEFORE, id="another")).rows[0].before is None
    assert [row.change for row in compare(baseline, AFTER).rows] == [row.change for row in compare(BEFORE, AFTER).rows]


def test_a_trial_without_an_answer_is_none_and_a_case_without_a_score_comes_first() -> None:
    results = tuple(
        Trial(trial.case, trial.trial, None, error="cut") if trial.case == "c02" else trial for trial in AFTER.results
    )
    found = compare(BEFORE, replace(AFTER, results=results))
    assert found.rows[0].change == CaseChange("c02", "faithfulness", 0.75, None)
    assert found.rows[0].after == (None, None)


def test_a_scorer_that_only_one_side_has_is_shown_without_figures() -> None:
    after = run_of(SUITE, {"other": [[1.0, 1.0]] * 6})
    found = compare(BEFORE, after)
    assert [(scorer.scorer, scorer.cases, scorer.p) for scorer in found.scorers] == [
        ("other", 0, None),
        ("faithfulness", 0, None),
    ]
