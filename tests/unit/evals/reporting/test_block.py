"""The first lines of a report, to the letter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aikit.errors import AIError, ConfigError, Exit, SpendCapExceeded
from aikit.evals.gate import decide
from aikit.evals.model import GateRule
from aikit.evals.reporting.block import block, report_lines
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from support.eval_reports import GOOD, WORSE, failing, hostile, outcome_of, passing, report_of, unrecorded
from support.eval_runs import suite_of

FAILED = """\
FAIL prompts/summarize@v3
faithfulness 0.71 gate >= 0.80
1 regression — exit 1. Build blocked."""


def text(*outcomes: Outcome, gate: bool = True) -> str:
    return "\n".join(report_lines(report_of(*outcomes, gate=gate)))


def test_a_failed_gate_is_three_lines() -> None:
    assert text(failing()) == FAILED


def test_without_gate_the_last_line_says_that_nothing_is_blocked() -> None:
    assert text(failing(), gate=False).splitlines()[2] == "1 regression — not gated: --gate makes it exit 1."


def test_each_failed_gate_has_a_line() -> None:
    outcome = outcome_of({"faithfulness": 0.71, "length": 0.80})
    assert text(outcome).splitlines() == [
        "FAIL prompts/summarize@v3",
        "faithfulness 0.71 gate >= 0.80",
        "length 0.80 drop 0.17 gate <= 0.05",
        "2 regressions — exit 1. Build blocked.",
    ]


def test_dollars_rise() -> None:
    gates = {"cost": GateRule(max_drop=0.0005)}
    outcome = outcome_of({"cost": 0.0030}, gates=gates, before={"cost": 0.0020}, use="cost")
    assert text(outcome).splitlines()[1] == "cost $0.0030 rise $0.0010 gate <= $0.00050"


def test_means_that_look_like_the_bound_have_more_digits() -> None:
    assert text(outcome_of({**GOOD, "faithfulness": 0.7996})).splitlines()[1] == "faithfulness 0.7996 gate >= 0.8000"


def test_a_critical_case_is_named() -> None:
    scores = {"faithfulness": [0.0] + [0.96] * 11, "length": 0.97}
    outcome = outcome_of(scores, gates={"faithfulness": GateRule(min=0.5)}, critical=[0])
    assert text(outcome).splitlines()[1] == "faithfulness 0.88 critical failing 1 gate <= 0: c00"


def test_a_pass_shows_every_gate() -> None:
    assert text(passing()).splitlines() == [
        "PASS prompts/summarize@v3",
        "faithfulness 0.88 gate >= 0.80, drop 0.00 gate <= 0.05",
        "length 0.97 drop 0.00 gate <= 0.05",
        "0 regressions — exit 0.",
    ]


def test_a_warning_says_why_and_passes() -> None:
    scores = [0.97 - 0.9 * (number == 0) for number in range(12)]
    lines = text(outcome_of({**GOOD, "length": scores})).splitlines()
    assert lines[0] == "WARN prompts/summarize@v3"
    assert lines[2] == "length 0.90 dropped by 0.07, more than 0.05, which may be noise (p 1.00)"
    assert lines[-1] == "0 regressions, 1 warning — exit 0."


def test_what_is_not_recorded_is_inconclusive_with_the_command_that_records_it() -> None:
    assert text(unrecorded()).splitlines() == [
        "INCONCLUSIVE prompts/summarize@v3",
        "1 of 12 trials has no recording: c01",
        "nothing decided — exit 3. Build blocked.",
        "→ Record them: `aikit eval summarize --record --prompt summarize@v3`.",
    ]


def test_without_a_baseline_the_gates_that_need_one_are_undecided() -> None:
    lines = text(outcome_of(GOOD, before=None)).splitlines()
    assert lines[0] == "INCONCLUSIVE prompts/summarize@v3"
    assert lines[1] == "faithfulness 0.88 undecided: there is no baseline"
    assert lines[-1].endswith("`aikit eval bless summarize`.")


def test_an_interrupted_run_says_so_and_exits_130() -> None:
    outcome = outcome_of(GOOD, interrupted=True)
    assert "interrupted — exit 130. Build blocked." in text(outcome).splitlines()
    assert report_of(failing(), outcome).exit is Exit.INTERRUPTED


def test_deleted_cases_are_one_regression_however_many_gates_there_are() -> None:
    outcome = passing()
    smaller = suite_of(9, {spec.name: spec.gate for spec in outcome.suite.scorers})
    gone = Outcome(smaller, decide(outcome.run, smaller, outcome.baseline), outcome.baseline)
    lines = text(gone).splitlines()
    assert lines[:3] == [
        "FAIL prompts/summarize@v3",
        "cases 9 gate >= 12: gone c09, c10, c11",
        "1 regression — exit 1. Build blocked.",
    ]


def test_a_function_is_named_as_it_is() -> None:
    outcome = failing()
    run = replace(outcome.run, prompt=None, target="app.answers:reply")
    assert block(replace(outcome, verdict=replace(outcome.verdict, run=run)), gate=True)[0] == "FAIL app.answers:reply"


def test_several_suites_have_a_block_each_and_a_line_about_all() -> None:
    lines = text(failing(), passing(), unrecorded()).splitlines()
    assert [line.split(" ")[0] for line in lines if line[:4].isupper()] == ["FAIL", "PASS", "INCONCLUSIVE"]
    assert lines[-1] == "3 suites: 1 failed, 1 inconclusive, 1 passed — exit 1. Build blocked."


def test_what_stopped_a_suite_is_told_with_its_remedy() -> None:
    stopped = Stopped(passing().suite, ConfigError("There is no key.", remedy="Set OPENAI_API_KEY."))
    assert block(stopped, gate=True) == [
        "ERROR prompts/summarize@v2",
        "There is no key.",
        "no verdict — exit 2.",
        "→ Set OPENAI_API_KEY.",
    ]


@pytest.mark.parametrize(
    ("code", "exit"),
    [
        ("PROVIDER_NOT_CONFIGURED", Exit.CREDENTIALS),
        ("AUTHENTICATION_FAILED", Exit.CREDENTIALS),
        ("CONNECTION_FAILED", Exit.UNREACHABLE),
    ],
)
def test_a_missing_key_is_told_from_a_provider_that_is_away(code: str, exit: Exit) -> None:
    stopped = Stopped(passing().suite, AIError("no", provider="openai", code=code))
    assert Report((stopped,)).exit is exit
    assert f"no verdict — exit {exit.value}." in block(stopped, gate=True)


def test_every_line_is_one_line_and_can_be_read() -> None:
    for line in report_lines(report_of(hostile())):
        assert line.isprintable()
        assert len(line) < 500


NO_KEY = Stopped(passing().suite, AIError("no", provider="openai"))
CAPPED = Stopped(passing().suite, SpendCapExceeded("no"))


@pytest.mark.parametrize(
    ("entries", "gated", "not_gated"),
    [
        ([passing()], Exit.OK, Exit.OK),
        ([failing()], Exit.NO, Exit.OK),
        ([unrecorded()], Exit.INCONCLUSIVE, Exit.INCONCLUSIVE),
        ([passing(), failing(), unrecorded()], Exit.NO, Exit.INCONCLUSIVE),
        ([passing(), unrecorded()], Exit.INCONCLUSIVE, Exit.INCONCLUSIVE),
        ([failing(), CAPPED], Exit.NO, Exit.STOPPED),
        ([unrecorded(), CAPPED, NO_KEY], Exit.STOPPED, Exit.STOPPED),
        ([passing(), NO_KEY], Exit.UNREACHABLE, Exit.UNREACHABLE),
        ([], Exit.INCONCLUSIVE, Exit.INCONCLUSIVE),
    ],
    ids=["pass", "fail", "unclear", "mixed", "pass-unclear", "fail-capped", "unclear-capped", "no-key", "nothing"],
)
def test_the_worst_of_the_suites_decides(entries: list[Outcome | Stopped], gated: Exit, not_gated: Exit) -> None:
    assert Report(tuple(entries), gate=True).exit is gated
    assert Report(tuple(entries), gate=False).exit is not_gated


def test_the_worse_run_is_what_the_text_says() -> None:
    assert failing().run.prompt is not None
    assert WORSE["faithfulness"] == failing().verdict.gates[0].mean
