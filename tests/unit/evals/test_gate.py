"""Every rule of the gate and their order; never green on nothing; no worse for a better score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import Exit
from aikit.evals.fingerprint import Judge, fingerprint_of
from aikit.evals.gate import decide, exit_of, gravest
from aikit.evals.model import GateRule, Mode, Rule, Score, Status, Suite, Trial, Verdict
from aikit.types import PromptId
from support.eval_runs import V3, baseline_of, run_of, score_of, suite_of

PASS, WARN, FAIL, INCONCLUSIVE = Status.PASS, Status.WARN, Status.FAIL, Status.INCONCLUSIVE
NAME = "faithfulness"
BOTH = GateRule(min=0.8, max_drop=0.05)
GOOD = [[1.0]] * 10


def rows(*values: float, of: int = 10, other: float = 1.0) -> list[list[float | None]]:
    """One trial a case: the values stated, then others up to `of`."""
    return [[value] for value in (*values, *[other] * (of - len(values)))]


def decided(
    now: Sequence[Sequence[float | None]],
    before: Sequence[Sequence[float | None]] | None = GOOD,
    gate: GateRule = BOTH,
    *,
    critical: Sequence[int] = (),
    use: str = "equals",
) -> Verdict:
    """A run of one scorer against a baseline of the same suite."""
    suite = suite_of(len(now), {NAME: gate}, critical=critical, use=use)
    baseline = None if before is None else baseline_of(suite, {NAME: before})
    return decide(run_of(suite, {NAME: now}, prompt=V3), suite, baseline)


LOW = rows(*[0.5] * 8)
TABLE = {
    "the same again": (GOOD, GOOD, BOTH, (), PASS, None),
    "better": (GOOD, rows(0.9, 0.9), BOTH, (), PASS, None),
    "below the minimum": (LOW, GOOD, BOTH, (), FAIL, Rule.MINIMUM),
    "below the minimum, as before": (LOW, LOW, BOTH, (), FAIL, Rule.MINIMUM),
    "below the minimum without a baseline": (LOW, None, BOTH, (), FAIL, Rule.MINIMUM),
    "at the minimum, but for how floats add up": ([[0.7], [0.9], [0.8]] * 3, None, GateRule(min=0.8), (), PASS, None),
    "above a maximum": (LOW, GOOD, GateRule(max=0.5), (), FAIL, Rule.MINIMUM),
    "within a maximum": (LOW, LOW, GateRule(max=0.7, max_drop=0.1), (), PASS, None),
    "a critical case newly failing": (rows(0.0), GOOD, GateRule(min=0.5), (0,), FAIL, Rule.CRITICAL),
    "a critical case that failed before": (rows(0.0), rows(0.0), GateRule(min=0.5), (0,), PASS, None),
    "a critical case that is worse but passes": (rows(0.5), GOOD, GateRule(min=0.5), (0,), PASS, None),
    "another case newly failing": (rows(0.0), GOOD, GateRule(min=0.5), (1,), PASS, None),
    "a critical case of 0 without a minimum": (rows(0.0), GOOD, GateRule(max_drop=0.5), (0,), FAIL, Rule.CRITICAL),
    "a critical case below the minimum of all": (rows(0.0, *[0.7] * 6), GOOD, BOTH, (0,), FAIL, Rule.MINIMUM),
    "a drop that is large and real": (rows(*[0.9] * 10), GOOD, BOTH, (), FAIL, Rule.REGRESSION),
    "a drop that is large and may be noise": (rows(0.2), GOOD, BOTH, (), WARN, Rule.REGRESSION),
    "a drop that is real and allowed": (rows(*[0.97] * 10), GOOD, BOTH, (), WARN, Rule.REGRESSION),
    "a drop as large as allowed": (rows(*[0.95] * 10), GOOD, BOTH, (), WARN, Rule.REGRESSION),
    "a drop where none is allowed": (rows(*[0.99] * 10), GOOD, GateRule(max_drop=0), (), FAIL, Rule.REGRESSION),
    "a drop of which nothing is stated": (rows(*[0.9] * 10), GOOD, GateRule(min=0.8), (), PASS, None),
    "no baseline for a drop": (GOOD, None, BOTH, (), INCONCLUSIVE, Rule.REGRESSION),
    "no baseline for a critical case": (GOOD, None, GateRule(min=0.8), (3,), INCONCLUSIVE, Rule.CRITICAL),
    "no baseline, and none needed": (GOOD, None, GateRule(min=0.8), (), PASS, None),
    "a gate without bounds": (GOOD, GOOD, GateRule(), (), INCONCLUSIVE, Rule.COVERAGE),
    "a case without a score": ([*GOOD[1:], [None]], GOOD, BOTH, (), INCONCLUSIVE, Rule.COVERAGE),
    "a score that is no number": (rows(nan), GOOD, BOTH, (), INCONCLUSIVE, Rule.COVERAGE),
    "a score without end": (rows(inf), GOOD, BOTH, (), INCONCLUSIVE, Rule.COVERAGE),
}  # fmt: skip


@pytest.mark.parametrize(("now", "before", "gate", "critical", "status", "rule"), TABLE.values(), ids=TABLE)
def test_the_first_decisive_rule_wins(now, before, gate, critical, status, rule) -> None:  # type: ignore[no-untyped-def]
    verdict = decided(now, before, gate, critical=critical)
    assert (verdict.status, verdict.gates[0].status, verdict.gates[0].rule) == (status, status, rule)
    assert bool(verdict.remedy) is (status is INCONCLUSIVE)
    assert exit_of([verdict]) == {PASS: 0, WARN: 0, FAIL: 1, INCONCLUSIVE: 3}[status]
    assert bool(verdict.gates[0].why) is (status is not PASS)


def test_a_failed_gate_has_its_figures() -> None:
    verdict = decided(rows(*[0.9] * 10), GOOD, BOTH)
    (gate,) = verdict.gates
    assert gate.mean == pytest.approx(0.9)
    assert gate.baseline_mean == pytest.approx(1.0)
    assert gate.drop == pytest.approx(0.1)
    assert gate.interval == pytest.approx((-0.1, -0.1))
    assert gate.p == gate.p_adjusted == 2**-10
    assert gate.why == "dropped by 0.10, more than 0.05 (p 0.000977)"
    assert verdict.regressions == 1
    assert verdict.scored_share == 1.0


def test_a_mean_just_below_its_minimum_is_told_with_the_decimals_that_show_it() -> None:
    assert decided([[0.7999]] * 10).gates[0].why == "0.7999 is below the minimum 0.8000"


def test_critical_cases_that_fail_are_named_once() -> None:
    suite = suite_of(12, {"a": GateRule(min=0.5), "b": GateRule(min=0.5)}, critical=(1, 4))
    good, bad = rows(of=12), [[0.0 if n in (1, 4) else 1.0] for n in range(12)]
    verdict = decide(run_of(suite, {"a": bad, "b": bad}), suite, baseline_of(suite, {"a": good, "b": good}))
    assert verdict.newly_failing == ("c01", "c04")
    assert [gate.rule for gate in verdict.gates] == [Rule.CRITICAL, Rule.CRITICAL]


def test_a_critical_case_that_passes_one_trial_of_three_does_not_fail() -> None:
    suite = suite_of(10, {NAME: GateRule(min=0.5)}, critical=(0,))
    good = [[1.0] * 3] * 10
    baseline = baseline_of(suite, {NAME: good})
    one_passes = run_of(suite, {NAME: [[0.0, 0.0, 1.0], *good[1:]]})
    none_passes = run_of(suite, {NAME: [[0.0, 0.0, 0.4], *good[1:]]})
    assert decide(one_passes, suite, baseline).status is PASS
    assert decide(none_passes, suite, baseline).newly_failing == ("c00",)


@pytest.mark.parametrize("use", ["cost", "latency"])
def test_where_less_is_better_more_is_a_drop(use: str) -> None:
    cheap, dear = [[0.001]] * 10, [[0.002]] * 10
    gate = GateRule(max_drop=0.0005)
    worse, better = decided(dear, cheap, gate, use=use), decided(cheap, dear, gate, use=use)
    assert (worse.status, better.status) == (FAIL, PASS)
    assert worse.gates[0].drop == pytest.approx(0.001)
    assert worse.gates[0].interval == pytest.approx((0.001, 0.001))
    assert better.gates[0].drop == pytest.approx(-0.001)
    assert decided(dear, cheap, GateRule(max=0.0015), use=use).gates[0].rule is Rule.MINIMUM


def test_a_free_answer_to_a_critical_case_is_no_failure() -> None:
    assert decided(rows(0.0), GOOD, GateRule(max_drop=1), critical=(0,), use="cost").status is PASS


def test_several_gates_share_one_chance_of_a_false_alarm() -> None:
    """Six of six cases dropped: p is 1/64, enough alone, and with three other gates not."""
    before, now = rows(of=6), rows(*[0.5] * 6, of=6)
    gate = GateRule(max_drop=0.1)
    alone = decided(now, before, gate)
    suite = suite_of(6, {NAME: gate, "b": gate, "c": gate, "d": gate})
    same = dict.fromkeys("bcd", before)
    verdict = decide(run_of(suite, {NAME: now, **same}), suite, baseline_of(suite, {NAME: before, **same}))
    assert (alone.status, alone.gates[0].p_adjusted) == (FAIL, 1 / 64)
    assert (verdict.status, verdict.gates[0].p_adjusted) == (WARN, 4 / 64)
    ungated = replace(suite, scorers=(suite.scorers[0], *(replace(s, gate=GateRule(min=0)) for s in suite.scorers[1:])))
    watched = decide(run_of(ungated, {NAME: now, **same}), ungated, baseline_of(suite, {NAME: before, **same}))
    assert [gate.p_adjusted for gate in watched.gates] == [1 / 64, None, None, None]
    assert [gate.p for gate in verdict.gates] == [1 / 64, 1, 1, 1]


# Coverage


def suite_and_scores() -> tuple[Suite, dict[str, list[list[float | None]]]]:
    return suite_of(20, {NAME: BOTH}, trials=3), {NAME: [[1.0, 1.0, 1.0] for _ in range(20)]}


def test_deleted_cases_fail_even_if_all_that_is_left_is_perfect() -> None:
    full, scores = suite_and_scores()
    left = replace(full, cases=full.cases[:-2])
    verdict = decide(run_of(left, {NAME: scores[NAME][:-2]}), left, baseline_of(full, scores))
    assert (verdict.status, verdict.gates[0].rule) == (FAIL, Rule.COVERAGE)
    assert "2 cases of the baseline are gone: c18, c19" in verdict.notes[0]
    assert "aikit eval bless summarize" in verdict.remedy


def test_deleting_every_case_fails_too() -> None:
    full, scores = suite_and_scores()
    empty = replace(full, cases=())
    verdict = decide(run_of(empty, {NAME: []}), empty, baseline_of(full, scores))
    assert exit_of([verdict]) == Exit.NO


@pytest.mark.parametrize("without", ["cases", "gates", "scorers", "results", "trials"])
def test_nothing_is_never_green(without: str) -> None:
    suite, scores = suite_and_scores()
    run = run_of(suite, scores)
    if without == "cases":
        suite = replace(suite, cases=())
        run = run_of(suite, {NAME: []})
    elif without == "gates":
        suite = replace(suite, scorers=tuple(replace(spec, gate=None) for spec in suite.scorers))
    elif without == "scorers":
        suite = replace(suite, scorers=())
    elif without == "results":
        run = replace(run, results=())
    else:
        run = replace(run, trials=0, results=())
    verdict = decide(run, suite, None)
    assert (verdict.status, exit_of([verdict])) == (INCONCLUSIVE, Exit.INCONCLUSIVE)
    assert verdict.notes
    assert verdict.remedy


def test_no_verdict_at_all_is_never_green() -> None:
    assert exit_of([]) == Exit.INCONCLUSIVE


def test_a_missing_recording_is_inconclusive_and_says_how_to_record_it() -> None:
    suite, scores = suite_and_scores()
    run = run_of(suite, scores)
    missing = tuple(
        Trial(trial.case, trial.trial, None, missing=True, error="no recording") if trial.case == "c07" else trial
        for trial in run.results
    )
    verdict = decide(replace(run, results=missing), suite, baseline_of(suite, scores))
    assert (verdict.status, verdict.gates[0].rule) == (INCONCLUSIVE, Rule.COVERAGE)
    assert verdict.notes == ("3 of 60 trials have no recording: c07.",)
    assert "`aikit eval summarize --record`" in verdict.remedy


def test_the_command_that_records_names_another_prompt_than_the_suites() -> None:
    suite, scores = suite_and_scores()
    run = run_of(suite, scores, prompt=V3)
    run = replace(run, results=tuple(replace(trial, missing=True, error="no recording") for trial in run.results))
    assert "`aikit eval summarize --record --prompt summarize@v3`" in decide(run, suite, None).remedy


@pytest.mark.parametrize("ended", ["over_budget", "interrupted"])
def test_a_run_that_ended_early_is_inconclusive_however_good_or_bad_it_is(ended: str) -> None:
    suite, scores = suite_and_scores()
    for values in (scores[NAME], [[0.0] * 3] * 20):
        verdict = decide(run_of(suite, {NAME: values}, **{ended: True}), suite, baseline_of(suite, scores))
        assert verdict.status is INCONCLUSIVE


def with_errors(scores: list[list[float | None]], many: int) -> list[list[float | None]]:
    """So many trials lose their score, each of another case."""
    return [[None if number < many else row[0], *row[1:]] for number, row in enumerate(scores)]


@pytest.mark.parametrize(
    ("mode", "errors", "status"),
    [
        (Mode.REPLAY, 0, PASS),
        (Mode.REPLAY, 1, INCONCLUSIVE),
        (Mode.LIVE, 1, PASS),
        (Mode.LIVE, 3, PASS),
        (Mode.LIVE, 4, INCONCLUSIVE),
        (Mode.RECORD, 3, PASS),
        (Mode.REFRESH, 4, INCONCLUSIVE),
    ],
)
def test_a_share_of_scores_may_be_missing_where_a_model_was_asked(mode: Mode, errors: int, status: Status) -> None:
    suite, scores = suite_and_scores()
    run = run_of(suite, {NAME: with_errors(scores[NAME], errors)}, mode=mode)
    verdict = decide(run, suite, baseline_of(suite, scores))
    assert verdict.status is status
    assert verdict.scored_share == pytest.approx(1 - errors / 60)
    if errors and status is PASS:
        assert any("left out" in note for note in verdict.notes)
    if status is INCONCLUSIVE:
        assert "the judge's answer is no JSON" in verdict.notes[0]


def test_a_case_without_any_score_is_inconclusive_although_the_share_is_enough() -> None:
    suite, scores = suite_and_scores()
    scores[NAME][4] = [None, None, None]
    run = run_of(suite, scores, mode=Mode.LIVE)
    verdict = decide(run, suite, baseline_of(suite, {NAME: [[1.0] * 3] * 20}))
    assert verdict.scored_share == 0.95
    assert (verdict.status, verdict.gates[0].rule) == (INCONCLUSIVE, Rule.COVERAGE)


@pytest.mark.parametrize(("errors", "status"), [(5, PASS), (6, INCONCLUSIVE)])
def test_nineteen_of_twenty_trials_is_the_share(errors: int, status: Status) -> None:
    suite, good = suite_of(50, {NAME: BOTH}), [[1.0, 1.0]] * 50
    run = run_of(suite, {NAME: with_errors(good, errors)}, mode=Mode.LIVE)
    assert decide(run, suite, baseline_of(suite, {NAME: good})).status is status


def test_a_value_beside_an_error_is_no_score() -> None:
    suite = suite_of(10, {NAME: BOTH})
    run = run_of(suite, {NAME: GOOD})
    both = replace(run.results[0], scores={NAME: Score(1.0, error="half of the answer is missing")})
    verdict = decide(replace(run, results=(both, *run.results[1:])), suite, baseline_of(suite, {NAME: GOOD}))
    assert verdict.status is INCONCLUSIVE
    assert "half of the answer is missing" in verdict.notes[0]


def test_the_baseline_of_another_suite_is_refused() -> None:
    suite = suite_of(10, {NAME: BOTH})
    verdict = decide(run_of(suite, {NAME: GOOD}), suite, replace(baseline_of(suite, {NAME: GOOD}), suite="other"))
    assert verdict.status is INCONCLUSIVE
    assert "the suite (summarize, was other)" in verdict.gates[0].why


def test_errors_of_one_scorer_do_not_hide_behind_the_scores_of_others() -> None:
    suite = suite_of(20, {NAME: BOTH, "other": BOTH, "third": BOTH})
    good = rows(of=20)
    failing = with_errors(good, 2)
    baseline = baseline_of(suite, {NAME: good, "other": good, "third": good})
    run = run_of(suite, {NAME: failing, "other": good, "third": good}, mode=Mode.LIVE)
    assert decide(run, suite, baseline).status is INCONCLUSIVE


def test_a_scorer_without_a_gate_may_fail() -> None:
    suite = suite_of(10, {NAME: BOTH, "watched": None})
    run = run_of(suite, {NAME: GOOD, "watched": [[None]] * 10})
    assert decide(run, suite, baseline_of(suite, {NAME: GOOD, "watched": GOOD})).status is PASS


@pytest.mark.parametrize("change", ["fewer", "more", "others"])
def test_a_run_of_other_cases_than_the_suites_is_inconclusive(change: str) -> None:
    suite, scores = suite_and_scores()
    run = run_of(suite, scores)
    now = suite_of(21, {NAME: BOTH}, trials=3)
    cases = {"fewer": now.cases[:19], "more": now.cases, "others": (*now.cases[:19], now.cases[20])}[change]
    verdict = decide(run, replace(suite, cases=cases), None)
    assert (verdict.status, verdict.gates[0].rule) == (INCONCLUSIVE, Rule.COVERAGE)
    assert "other cases than the suite" in verdict.notes[0]


# What can be compared


PARTS = {
    "cases": {"suite": replace(suite_of(10, {NAME: BOTH}), cases=tuple(
        replace(case, vars={"text": "another"}) for case in suite_of(10, {NAME: BOTH}).cases))},
    "model": {"model": "openai/gpt-5"},
    "parameters": {"parameters": {"temperature": 1}},
    "trials": {"trials": 3},
    f"scorer {NAME}": {"suite": suite_of(10, {NAME: BOTH}, options={"ignore_case": True})},
    f"judge {NAME}": {"judges": {NAME: Judge("openai/gpt-5", (PromptId("judge@v2", "b" * 64),))}},
}  # fmt: skip


@pytest.mark.parametrize("part", PARTS)
def test_an_incomparable_baseline_is_refused_and_what_differs_is_said(part: str) -> None:
    suite = suite_of(10, {NAME: BOTH})
    stated = {
        "suite": suite,
        "model": "openai/gpt-5-mini",
        "parameters": {"temperature": 0},
        "trials": 1,
        "judges": {NAME: Judge("openai/gpt-5", (PromptId("judge@v1", "a" * 64),))},
    }
    before, now = (fingerprint_of(said.pop("suite"), **said) for said in (dict(stated), {**stated, **PARTS[part]}))
    assert [name for name in now if now[name] != before[name]] == [part]
    baseline = replace(baseline_of(suite, {NAME: GOOD}), fingerprint=before)
    verdict = decide(run_of(suite, {NAME: GOOD}, fingerprint=now), suite, baseline)
    assert verdict.status is INCONCLUSIVE
    assert f"what differs: {part} (" in verdict.gates[0].why
    assert "aikit eval bless summarize" in verdict.remedy
    low = decide(run_of(suite, {NAME: LOW}, fingerprint=now), suite, baseline)
    assert (low.status, low.gates[0].rule) == (FAIL, Rule.MINIMUM)


def test_the_simulators_answers_are_not_compared_with_a_models() -> None:
    suite = suite_of(10, {NAME: BOTH})
    baseline = baseline_of(suite, {NAME: GOOD})
    verdict = decide(run_of(suite, {NAME: GOOD}, simulated=True), suite, baseline)
    assert verdict.status is INCONCLUSIVE
    assert "the simulator's, were a model's" in verdict.gates[0].why
    both = decide(run_of(suite, {NAME: GOOD}, simulated=True), suite, replace(baseline, simulated=True))
    assert both.status is PASS
    assert any("simulator" in note for note in both.notes)


def test_a_changed_scorer_without_a_gate_keeps_nothing_from_being_compared() -> None:
    suite = suite_of(10, {NAME: BOTH, "watched": None})
    baseline = baseline_of(suite, {NAME: GOOD, "watched": GOOD})
    changed = replace(suite, scorers=(suite.scorers[0], replace(suite.scorers[1], options={"field": "a"})))
    assert decide(run_of(changed, {NAME: GOOD, "watched": GOOD}), changed, baseline).status is PASS


def test_bounds_critical_marks_tags_and_the_order_of_cases_can_be_changed_without_a_new_baseline() -> None:
    suite = suite_of(10, {NAME: BOTH})
    other = replace(
        suite,
        cases=tuple(replace(case, critical=True, tags=("new",), line=7) for case in reversed(suite.cases)),
        scorers=(replace(suite.scorers[0], gate=GateRule(min=0.1, max_drop=0.5), line=3),),
    )
    assert decide(run_of(other, {NAME: GOOD}), other, baseline_of(suite, {NAME: GOOD})).status is PASS


def test_added_cases_need_a_new_baseline() -> None:
    suite, more = suite_of(10, {NAME: BOTH}), suite_of(12, {NAME: BOTH})
    verdict = decide(run_of(more, {NAME: rows(of=12)}), more, baseline_of(suite, {NAME: GOOD}))
    assert verdict.status is INCONCLUSIVE
    assert "c10, c11" in verdict.gates[0].why


# What is said beside it


@pytest.mark.parametrize(("cases", "said"), [(4, "however large"), (9, "Underpowered: 9 cases"), (10, None)])
def test_few_cases_are_said_to_be_underpowered(cases: int, said: str | None) -> None:
    good = rows(of=cases)
    notes = decided(good, good).notes
    assert notes == () if said is None else said in notes[0]


def test_a_smallest_drop_above_the_allowed_one_is_said_to_be_underpowered() -> None:
    noisy = [[0.7 + 0.3 * (n % 2)] for n in range(20)]
    verdict = decided(noisy, [[0.7 + 0.3 * (n % 3 == 0)] for n in range(20)], GateRule(max_drop=0.01))
    assert verdict.gates[0].smallest_drop is not None
    assert verdict.gates[0].smallest_drop > 0.01
    assert any(note.startswith(f"Underpowered for {NAME}: the smallest drop") for note in verdict.notes)


def test_the_smallest_drop_is_larger_where_gates_share_the_level() -> None:
    noisy = [[0.7 + 0.3 * (n % 2)] for n in range(20)]
    gate = GateRule(max_drop=0.3)
    one, two = suite_of(20, {NAME: gate}), suite_of(20, {NAME: gate, "b": gate})
    good = {NAME: rows(of=20), "b": rows(of=20)}
    alone = decide(run_of(one, {NAME: noisy}), one, baseline_of(one, good)).gates[0].smallest_drop
    shared = decide(run_of(two, {**good, NAME: noisy}), two, baseline_of(two, good)).gates[0].smallest_drop
    assert alone is not None
    assert shared is not None
    assert alone < shared


def test_what_was_recovered_and_a_baseline_that_was_forced_are_said() -> None:
    suite = suite_of(10, {NAME: BOTH})
    run = run_of(suite, {NAME: GOOD})
    run = replace(run, results=(replace(run.results[0], recovered=True), *run.results[1:]))
    notes = decide(run, suite, baseline_of(suite, {NAME: LOW})).notes
    assert any("1 trial failed at first, and is recovered" in note for note in notes)
    assert any("for the test" in note for note in notes)


def test_the_worst_cases_come_first() -> None:
    verdict = decided(rows(0.9, 0.2, 0.6), GOOD)
    assert [(row.case, row.before, row.after) for row in verdict.worst] == [
        ("c01", 1.0, 0.2),
        ("c02", 1.0, 0.6),
        ("c00", 1.0, 0.9),
    ]


# Properties

VALUES = st.sampled_from([0.0, 0.25, 0.5, 0.75, 0.9, 1.0])
BOUND = st.none() | st.sampled_from([0.0, 0.3, 0.5, 0.8])
GATES = st.builds(GateRule, min=BOUND, max_drop=BOUND, max=st.none())
BADNESS = [PASS, WARN, INCONCLUSIVE, FAIL]


@st.composite
def runs(draw: st.DrawFn) -> tuple[Suite, dict[str, list[list[float | None]]], dict[str, list[list[float | None]]]]:
    """A suite with some gates, the scores of a baseline, and those of a run; some trials have no score."""
    cases, trials = draw(st.integers(1, 8)), draw(st.integers(1, 2))
    names = [f"s{number}" for number in range(draw(st.integers(1, 3)))]
    critical = draw(st.lists(st.integers(0, cases - 1), max_size=2))
    suite = suite_of(cases, {name: draw(GATES) for name in names}, critical=critical, trials=trials)
    table = st.lists(st.lists(VALUES, min_size=trials, max_size=trials), min_size=cases, max_size=cases)
    return suite, {name: draw(table) for name in names}, {name: draw(table) for name in names}


def verdict_of(suite: Suite, before, now) -> Verdict:  # type: ignore[no-untyped-def]
    bare = replace(suite, scorers=tuple(replace(spec, gate=GateRule(max_drop=1)) for spec in suite.scorers))
    return decide(run_of(suite, now), suite, baseline_of(bare, before))


@given(runs(), st.data())
def test_a_better_score_never_makes_it_worse(stated, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    suite, before, now = stated
    first = verdict_of(suite, before, now).status
    name = data.draw(st.sampled_from(sorted(now)))
    case = data.draw(st.integers(0, len(suite.cases) - 1))
    better = {scorer: [list(row) for row in table] for scorer, table in now.items()}
    better[name][case][0] = data.draw(
        st.sampled_from([value for value in (0.5, 0.9, 1.0, 2.0) if value >= now[name][case][0]])
    )
    assert BADNESS.index(verdict_of(suite, before, better).status) <= BADNESS.index(first)


@given(runs(), st.sampled_from([GateRule(min=2.0), GateRule(max=-1.0)]))
def test_one_more_gate_that_fails_never_turns_red_into_green(stated, failing: GateRule) -> None:  # type: ignore[no-untyped-def]
    suite, before, now = stated
    values = [[0.5] * len(row) for row in next(iter(now.values()))]
    more = replace(suite, scorers=(*suite.scorers, replace(suite.scorers[0], name="more", gate=failing)))
    assert verdict_of(more, {**before, "more": values}, {**now, "more": values}).status is FAIL


@given(runs(), st.sampled_from(["min", "max_drop"]), VALUES)
def test_a_bound_more_or_a_stricter_one_never_turns_red_into_green(stated, field: str, bound: float) -> None:  # type: ignore[no-untyped-def]
    """Of one gate, as each test more takes its share of the level from the others; and without critical cases, as with
    a stricter minimum a case may have failed before as well.
    """
    suite, before, now = stated
    suite = replace(
        suite, scorers=suite.scorers[:1], cases=tuple(replace(case, critical=False) for case in suite.cases)
    )
    before, now = {"s0": before["s0"]}, {"s0": now["s0"]}
    spec = suite.scorers[0]
    old = getattr(spec.gate, field)
    stricter = bound if old is None else max(old, bound) if field == "min" else min(old, bound)
    tight = replace(suite, scorers=(replace(spec, gate=spec.gate._replace(**{field: stricter})),))
    first, second = verdict_of(suite, before, now), verdict_of(tight, before, now)
    if spec.gate != GateRule():
        assert BADNESS.index(second.status) >= BADNESS.index(first.status) or second.status is FAIL


@given(runs(), st.data())
def test_a_lost_score_is_never_green_in_replay(stated, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    suite, before, now = stated
    run = run_of(suite, now)
    at = data.draw(st.integers(0, len(run.results) - 1))
    lost = data.draw(st.sampled_from(["trial", "error", "score", "scores", "nan", "missing"]))
    trial = run.results[at]
    name = data.draw(st.sampled_from(sorted(now)))
    instead = {
        "trial": [],
        "error": [replace(trial, error="it failed")],
        "score": [replace(trial, scores={**trial.scores, name: score_of(None)})],
        "scores": [replace(trial, scores={})],
        "nan": [replace(trial, scores={**trial.scores, name: Score(nan)})],
        "missing": [replace(trial, missing=True)],
    }[lost]
    worse = replace(run, results=(*run.results[:at], *instead, *run.results[at + 1 :]))
    assert decide(worse, suite, baseline_of(suite, before)).status is INCONCLUSIVE


@given(st.lists(st.sampled_from(list(Status)), max_size=4))
def test_fail_beats_inconclusive_beats_the_rest(statuses: list[Status]) -> None:
    suite, scores = suite_and_scores()
    whole = decide(run_of(suite, scores), suite, None)
    verdicts = [replace(whole, status=status) for status in statuses]
    if FAIL in statuses:
        assert exit_of(verdicts) == 1
    elif INCONCLUSIVE in statuses or not statuses:
        assert exit_of(verdicts) == 3
    else:
        assert exit_of(verdicts) == 0
        assert gravest(statuses) is (WARN if WARN in statuses else PASS)


def test_the_same_figures_get_the_same_verdict() -> None:
    suite, scores = suite_and_scores()
    noisy = {NAME: [[0.9 + 0.1 * ((n + t) % 2) for t in range(3)] for n in range(20)]}
    baseline = baseline_of(suite, scores)
    assert decide(run_of(suite, noisy), suite, baseline) == decide(run_of(suite, noisy), suite, baseline)
