"""`aikit.eval/1`: the JSON of verdicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aikit.errors import SpendCapExceeded
from aikit.evals.reporting.data import report_data
from aikit.evals.reporting.outcome import Report, Stopped
from support.eval_reports import failing, hostile, outcome_of, passing, report_of, unrecorded

GOLDEN = Path(__file__).parent / "golden" / "report.json"


def plain(report: Report) -> tuple[dict[str, Any], dict[str, Any]]:
    data, totals = report_data(report)
    found = json.loads(json.dumps([data, totals], default=lambda moment: moment.isoformat(), allow_nan=False))
    return found[0], found[1]


def test_the_json_of_a_failed_suite_is_as_it_was() -> None:
    data, totals = plain(report_of(failing()))
    data["suites"][0]["cases"] = data["suites"][0]["cases"][:1]
    data["suites"][0]["worst"] = data["suites"][0]["worst"][:1]
    assert [data, totals] == json.loads(GOLDEN.read_text("utf-8"))


def test_money_is_decimal_strings_and_unknown_is_null() -> None:
    data, totals = plain(report_of(outcome_of({"faithfulness": 0.9, "length": 0.9}, spent_nano=91_000)))
    assert data["suites"][0]["spent_usd"] == totals["spent_usd"] == "0.000091"
    assert data["suites"][0]["estimated_usd"] is None
    assert data["suites"][0]["cases"][0]["trials"][0]["cost_usd"] is None


def test_the_totals_count_the_suites_by_what_they_came_to() -> None:
    stopped = Stopped(passing().suite, SpendCapExceeded("The cap is used up.", remedy="Raise it."))
    data, totals = plain(Report((passing(), failing(), unrecorded(), stopped), gate=True))
    assert totals | {"spent_usd": "0"} == totals
    assert (totals["passed"], totals["failed"], totals["inconclusive"], totals["stopped"]) == (1, 1, 1, 1)
    assert (totals["suites"], totals["regressions"], data["exit"]) == (4, 1, 1)
    assert data["suites"][3]["error"] == {
        "code": "BUDGET_EXCEEDED", "message": "The cap is used up.", "remedy": "Raise it.", "exit": 6,
    }  # fmt: skip


def test_a_value_that_is_no_number_is_null() -> None:
    data, _ = plain(report_of(outcome_of({"faithfulness": [float("nan")] + [0.9] * 11, "length": 0.9})))
    assert data["suites"][0]["cases"][0]["trials"][0]["scores"]["faithfulness"]["value"] is None


def test_what_models_answered_is_there_as_it_was() -> None:
    data, _ = plain(report_of(hostile()))
    assert data["suites"][0]["cases"][0]["trials"][0]["output"].endswith("`t`")
