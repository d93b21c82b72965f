"""The comment on a pull request."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from aikit.errors import SpendCapExceeded
from aikit.evals.reporting.markdown import MARKER, MOST, comment
from aikit.evals.reporting.outcome import Report, Stopped
from support.eval_reports import failing, hostile, outcome_of, passing, report_of, unrecorded

GOLDEN = Path(__file__).parent / "golden" / "comment.md"


def test_the_comment_of_a_failed_suite_is_as_it_was() -> None:
    scores = [0.60, 0.65, *[0.88] * 10]
    assert comment(report_of(outcome_of({"faithfulness": scores, "length": 0.80}))) == GOLDEN.read_text("utf-8")


def test_a_bot_finds_it_by_its_first_line() -> None:
    assert MARKER == "<!-- aikit-eval -->"
    for report in (report_of(passing()), report_of(failing()), report_of(unrecorded()), Report(())):
        assert comment(report).splitlines()[0] == MARKER


def test_it_has_the_lines_of_the_terminal() -> None:
    assert "faithfulness 0.71 gate &gt;= 0.80\n1 regression — exit 1. Build blocked.\n" in comment(report_of(failing()))
    assert "aikit eval summarize --record" in comment(report_of(unrecorded()))


def test_the_worst_cases_are_folded_with_both_answers() -> None:
    text = comment(report_of(failing()))
    folded = text[text.index("<details>") : text.index("</details>")]
    assert "<pre>\nc00 by summarize@v2, trial 0\n</pre>" in folded
    assert "<pre>\nc00 by summarize@v3, trial 0\n</pre>" in folded
    assert "12 cases became worse (the worst 10 changes)" in folded


def test_text_of_others_is_no_markup() -> None:
    text = comment(report_of(hostile()))
    outside = re.sub(r"<pre>.*?</pre>", "", text, flags=re.DOTALL)
    assert "<script" not in text
    assert "</script" not in text
    assert "[bold]" not in outside
    assert "::error" not in outside
    assert "@someone" not in outside
    assert "\x1b" not in text
    rows = [line for line in outside.splitlines() if line.startswith("|")]
    assert {row.count("|") for row in rows} == {5, 9}


def test_it_never_is_longer_than_github_takes() -> None:
    long = replace(failing(), then={})
    results = tuple(replace(trial, output="word " * 5_000) for trial in long.run.results)
    run = replace(long.run, results=results)
    long = replace(long, verdict=replace(long.verdict, run=run))
    for many in (1, 10, 100):
        text = comment(report_of(*[passing()] * many, *[long] * many))
        assert len(text) <= MOST
        assert "❌ FAIL" in text
        assert f"{2 * many} suites" in text
    assert "… and " in text


def test_a_suite_that_was_stopped_says_why() -> None:
    stopped = Stopped(passing().suite, SpendCapExceeded("The <cap> is used up.", remedy="Raise it."))
    assert "❗ ERROR" in comment(Report((stopped,)))
    assert "The &lt;cap&gt; is used up.\nno verdict — exit 6.\n→ Raise it." in comment(Report((stopped,)))
