"""Annotations on the lines of a pull request."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aikit.errors import SpendCapExceeded
from aikit.evals.model import GateRule
from aikit.evals.reporting.annotations import annotation_lines
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from support.eval_reports import GOOD, failing, hostile, outcome_of, passing, report_of, unrecorded

ROOT = Path("/project")
PROMPTS = ROOT / "prompts"


def lines(*outcomes: Outcome, gate: bool = True) -> list[str]:
    placed = [replace(one, suite=replace(one.suite, path=ROOT / "evals/summarize.eval.yaml")) for one in outcomes]
    return annotation_lines(report_of(*placed, gate=gate), ROOT, PROMPTS)


def test_a_failed_gate_is_pinned_to_the_prompt() -> None:
    assert lines(failing()) == [
        "::error file=prompts/summarize/v3.prompt,line=1,title=FAIL prompts/summarize@v3::"
        "faithfulness 0.71 gate >= 0.80"
    ]


def test_without_gate_it_is_a_warning() -> None:
    assert lines(failing(), gate=False)[0].startswith("::warning file=prompts/summarize/v3.prompt,")


def test_what_is_inconclusive_is_pinned_to_the_suite_with_the_remedy() -> None:
    (line,) = lines(unrecorded())
    assert line.startswith("::error file=evals/summarize.eval.yaml,line=1,title=INCONCLUSIVE prompts/summarize@v3::")
    assert line.endswith("%0A→ Record them: `aikit eval summarize --record --prompt summarize@v3`.")


def test_a_warning_is_pinned_to_the_line_of_its_scorer() -> None:
    outcome = outcome_of({**GOOD, "length": [0.97 - 0.9 * (number == 0) for number in range(12)]})
    scorers = tuple(replace(spec, line=7) for spec in outcome.suite.scorers)
    (line,) = lines(replace(outcome, suite=replace(outcome.suite, scorers=scorers)))
    assert line.startswith("::warning file=evals/summarize.eval.yaml,line=7,title=WARN prompts/summarize@v3::length")


def test_a_pass_has_none() -> None:
    assert lines(passing()) == []


def test_a_function_has_no_prompt_to_pin_it_to() -> None:
    outcome = failing()
    run = replace(outcome.run, prompt=None, target="app:reply")
    (line,) = lines(replace(outcome, verdict=replace(outcome.verdict, run=run)))
    assert line.startswith("::error file=evals/summarize.eval.yaml,line=1,title=FAIL app%3Areply::")


def test_text_of_others_begins_no_command_of_its_own() -> None:
    critical = outcome_of(GOOD, gates={"faithfulness": GateRule(min=0.5)})
    for line in [*lines(hostile()), *lines(critical)]:
        assert line.isprintable()
        assert line.count("::error ") <= 1
    stopped = Stopped(passing().suite, SpendCapExceeded("no\n::error::x", remedy="a%0Ab"))
    (line,) = annotation_lines(Report((stopped,)), ROOT, PROMPTS)
    assert "\n" not in line
    assert line.endswith("::no ::error::x a%250Ab")
