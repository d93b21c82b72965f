"""JUnit XML as CI systems read it."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from junitparser import JUnitXml

from aikit.errors import SpendCapExceeded
from aikit.evals.model import GateRule
from aikit.evals.reporting.junit import junit
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from support.eval_reports import failing, hostile, outcome_of, passing, report_of, unrecorded

GOLDEN = Path(__file__).parent / "golden" / "junit.xml"


def cases_of(*outcomes: Outcome | Stopped) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(junit(Report(outcomes, gate=True))).iter("testcase"))


def red(*outcomes: Outcome | Stopped) -> dict[str, str]:
    """By name of the test case, what it is but passed."""
    found = ((str(case.get("name")), child.tag) for case in cases_of(*outcomes) for child in case)
    return {name: tag for name, tag in found if tag in ("failure", "error", "skipped")}


def test_the_file_of_a_failed_suite_is_as_it_was() -> None:
    found = ElementTree.fromstring(junit(report_of(failing())))
    suite = found[0]
    for case in list(suite.iter("testcase"))[3:]:
        suite.remove(case)
    assert ElementTree.tostring(found, "unicode") == GOLDEN.read_text("utf-8").strip()


def test_a_suite_is_a_testsuite_with_its_gates_and_its_cases() -> None:
    (suite,) = list(JUnitXml.fromstring(junit(report_of(failing()))))
    names = [case.name for case in suite]
    assert names[:3] == ["gate faithfulness >= 0.80, drop <= 0.05", "gate length drop <= 0.05", "c00"]
    assert (suite.name, suite.tests, suite.failures) == ("aikit eval summarize", 14, 13)


def test_the_cases_below_the_minimum_are_red_and_the_gate_that_passed_is_not() -> None:
    mixed = outcome_of({"faithfulness": [0.2] * 6 + [0.9] * 6, "length": 0.99})
    assert red(mixed) == {
        "gate faithfulness >= 0.80, drop <= 0.05": "failure", **{f"c0{number}": "failure" for number in range(6)},
    }  # fmt: skip


def test_nothing_is_red_in_a_suite_that_passed() -> None:
    assert red(passing()) == {}
    one_bad = outcome_of({"faithfulness": [0.0] + [0.95] * 11}, gates={"faithfulness": GateRule(min=0.80)})
    assert one_bad.status == "pass"
    assert red(one_bad) == {}


def test_a_regression_reddens_the_cases_that_became_worse() -> None:
    scores = [0.80] * 8 + [0.97] * 4
    assert set(red(outcome_of({"faithfulness": 0.88, "length": scores}))) == {
        "gate length drop <= 0.05", *(f"c0{number}" for number in range(8)),
    }  # fmt: skip


def test_what_is_not_recorded_is_an_error_of_the_suite_and_of_the_case() -> None:
    assert red(unrecorded()) == {"gate coverage of prompts/summarize@v3": "error", "c01": "error"}


def test_a_suite_that_was_stopped_is_an_error() -> None:
    (case,) = cases_of(Stopped(passing().suite, SpendCapExceeded("The cap is used up.", remedy="Raise it.")))
    assert case[0].tag == "error"
    assert case[0].text == "The cap is used up.\nRaise it."


def test_whatever_models_answered_the_file_can_be_parsed() -> None:
    suites = list(JUnitXml.fromstring(junit(report_of(hostile()))))
    assert "</script><script>alert(1)</script>" in list(suites[0])[2].system_out
    assert all(len(case.name) <= 80 for case in suites[0])
