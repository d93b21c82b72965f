"""Baselines: who becomes one, the file that is written, and how strictly it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import BaselineInvalid, BlessRefused, ConfigError, Exit
from aikit.evals.baselines import Baseline, baseline_path, baseline_text, read_baseline, write_baseline
from aikit.evals.blessing import bless, blessed
from aikit.evals.gate import decide
from aikit.evals.model import GateRule, Mode, Run, Status, Suite
from support.eval_runs import NOON, V3, baseline_of, run_of, suite_of

NAME = "faithfulness"
GOOD: list[list[float | None]] = [[1.0, 0.5, 1 / 3]] * 10


def a_suite() -> Suite:
    return suite_of(10, {NAME: GateRule(min=0.6, max_drop=0.05), "watched": None})


def a_run(suite: Suite, **rest: Any) -> Run:
    return run_of(suite, {NAME: GOOD, "watched": [[0.0, None, 1.0]] * 10}, prompt=V3, **rest)


def test_a_blessed_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    suite, path = a_suite(), baseline_path(tmp_path, "summarize")
    at = datetime(2026, 11, 21, 13, tzinfo=timezone(timedelta(hours=1)))
    written = bless(a_run(suite), suite, path, by="Ada Lovelace", at=at)
    assert path == tmp_path / "baselines" / "summarize.json"
    assert read_baseline(path) == written
    assert (written.blessed_by, written.blessed_at) == ("Ada Lovelace", datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert (written.prompt, written.run, written.forced) == (V3, a_run(suite).id, None)
    assert written.values("watched")["c00"] == [0.0, None, 1.0]
    assert decide(a_run(suite), suite, read_baseline(path)).status is Status.PASS


VALUE = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.dictionaries(st.text(min_size=1, max_size=5), st.lists(VALUE, min_size=2, max_size=2), min_size=1, max_size=4),
    st.text(max_size=10),
    st.booleans(),
    st.sampled_from(Mode),
)
def test_whatever_a_baseline_holds_comes_back(tmp_path_factory, scores, by: str, simulated: bool, mode: Mode) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path_factory.getbasetemp() / "any.json"
    baseline = Baseline(
        "s", "r", None, "module:function", None, mode, 2, tuple(sorted(scores)), {"cases": by}, NOON, by, simulated,
        by or None, {"a": scores, "ü": scores},
    )  # fmt: skip
    write_baseline(path, baseline)
    assert read_baseline(path) == baseline


def test_no_file_is_no_baseline(tmp_path: Path) -> None:
    assert read_baseline(tmp_path / "none.json") is None


def test_the_same_scores_give_the_same_text_and_another_score_changes_one_line() -> None:
    suite = a_suite()
    first = blessed(a_run(suite), suite, by="Ada", at=NOON)
    reordered = replace(suite, cases=suite.cases[::-1], scorers=suite.scorers[::-1])
    again = blessed(a_run(reordered), reordered, by="Ada", at=NOON)
    assert baseline_text(first) == baseline_text(again)
    changed = {NAME: {**first.values(NAME), "c04": [1.0, 0.25, 1 / 3]}, "watched": first.values("watched")}
    one, other = baseline_text(first).splitlines(), baseline_text(replace(first, scores=changed)).splitlines()
    assert [line for line in zip(one, other, strict=True) if line[0] != line[1]] == [
        (f'      "{NAME}": [1.0, 0.5, 0.3333333333333333],', f'      "{NAME}": [1.0, 0.25, 0.3333333333333333],')
    ]


def test_a_baseline_holds_no_outputs() -> None:
    suite = a_suite()
    assert "by summarize@v3" not in baseline_text(blessed(a_run(suite), suite, by="Ada", at=NOON))


def test_what_is_not_written_whole_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suite, path = a_suite(), baseline_path(tmp_path, "summarize")
    bless(a_run(suite), suite, path, by="Ada", at=NOON)
    before = path.read_bytes()

    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ConfigError, match="No space left"):
        bless(a_run(suite), suite, path, by="Bob", at=NOON)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


# Who becomes one


def lost(run: Run) -> Run:
    return replace(run, results=run.results[1:])


def missing(run: Run) -> Run:
    return replace(run, results=(replace(run.results[0], missing=True, error="no recording"), *run.results[1:]))


def over(run: Run) -> Run:
    return replace(run, over_budget=True)


def interrupted(run: Run) -> Run:
    return replace(run, interrupted=True)


def others(run: Run) -> Run:
    return replace(run, cases=(*run.cases[1:], "another"))


@pytest.mark.parametrize("spoil", [lost, missing, over, interrupted, others])
@pytest.mark.parametrize("reason", [None, "it must be"])
def test_an_incomplete_run_is_refused_whatever_the_reason(
    tmp_path: Path, spoil: Callable[[Run], Run], reason: str | None
) -> None:
    suite, path = a_suite(), tmp_path / "baseline.json"
    with pytest.raises(BlessRefused) as refused:
        bless(spoil(a_run(suite)), suite, path, by="Ada", at=NOON, reason=reason)
    assert refused.value.exit is Exit.NO
    assert refused.value.remedy
    assert not path.exists()


@pytest.mark.parametrize("reason", [None, "", "  "])
def test_a_run_below_its_minimum_needs_a_reason(reason: str | None) -> None:
    suite = suite_of(10, {NAME: GateRule(min=0.9)})
    with pytest.raises(BlessRefused, match=r"faithfulness 0\.61 is below the minimum 0\.90"):
        blessed(run_of(suite, {NAME: GOOD}), suite, by="Ada", at=NOON, reason=reason)


def test_the_reason_is_kept_and_shown_with_every_verdict(tmp_path: Path) -> None:
    suite, path = suite_of(10, {NAME: GateRule(min=0.9)}), tmp_path / "b.json"
    bless(run_of(suite, {NAME: GOOD}), suite, path, by="Ada", at=NOON, reason="the model was withdrawn")
    baseline = read_baseline(path)
    assert baseline is not None
    assert baseline.forced == "the model was withdrawn (faithfulness 0.61 is below the minimum 0.90)"
    perfect = run_of(suite, {NAME: [[1.0] * 3] * 10})
    assert any("the model was withdrawn" in note for note in decide(perfect, suite, baseline).notes)


def test_a_reason_that_was_not_needed_is_not_kept() -> None:
    suite = a_suite()
    assert blessed(a_run(suite), suite, by="Ada", at=NOON, reason="just so").forced is None


# How strictly it is read


def stored(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    suite, path = a_suite(), tmp_path / "summarize.json"
    bless(a_run(suite), suite, path, by="Ada", at=NOON)
    return path, json.loads(path.read_text())


HEAD = ["schema", "suite", "run", "prompt", "target", "model", "mode", "trials"]
FIELDS = [*HEAD, "blessed_at", "blessed_by", "simulated", "forced", "fingerprint", "cases"]


def test_every_field_is_looked_for(tmp_path: Path) -> None:
    path, found = stored(tmp_path)
    assert list(found) == FIELDS
    for field in FIELDS:
        path.write_text(json.dumps({name: value for name, value in found.items() if name != field}))
        with pytest.raises(BaselineInvalid, match=f"summarize.json: `{field}` is missing"):
            read_baseline(path)


WRONG: dict[str, tuple[list[Any], Any, str]] = {
    "another format": (["schema"], "aikit.eval-baseline/2", "`schema` is 'aikit.eval-baseline/2'; this version"),
    "a word for a truth": (["simulated"], "no", "`simulated` is not true or false"),
    "a number for a truth": (["simulated"], 0, "`simulated` is not true or false"),
    "no trials": (["trials"], 0, "`trials` is no whole number from 1 on"),
    "half a trial": (["trials"], 1.5, "`trials` is not a whole number"),
    "true trials": (["trials"], True, "`trials` is no whole number from 1 on"),
    "no mode": (["mode"], "guess", "`mode` is 'guess', and none of replay, record, refresh, live"),
    "a time without a zone": (["blessed_at"], "2026-11-21T12:00:00", "`blessed_at` is a time without a zone"),
    "no time": (["blessed_at"], "today", "`blessed_at` is no time"),
    "a list for a prompt": (["prompt"], ["summarize@v2"], "`prompt` is not an object"),
    "a prompt with more": (["prompt", "label"], "x", "`prompt.label` is a field that this version"),
    "a field more": (["comment"], "x", "`comment` is a field that this version"),
    "a number for a hash": (["fingerprint", "cases"], 7, "`fingerprint.cases` is not a text"),
    "a list of cases": (["cases"], [], "`cases` is not an object"),
    "a trial too few": (["cases", "c03", NAME], [1.0, 1.0], f"`cases.c03.{NAME}` is no list of 3 numbers"),
    "a word for a score": (["cases", "c03", NAME], [1.0, "1.0", 1.0], f"`cases.c03.{NAME}` is no list of 3 numbers"),
    "true for a score": (["cases", "c03", NAME], [1.0, True, 1.0], f"`cases.c03.{NAME}` is no list of 3 numbers"),
}


@pytest.mark.parametrize(("at", "value", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_file_and_field(tmp_path: Path, at: list[Any], value: Any, said: str) -> None:
    path, found = stored(tmp_path)
    inner = found
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    path.write_text(json.dumps(found))
    with pytest.raises(BaselineInvalid) as invalid:
        read_baseline(path)
    assert f"{path}: {said}" in invalid.value.message
    assert invalid.value.exit is Exit.USAGE
    assert "aikit eval bless" in invalid.value.remedy


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"json:1 can't be read: it is no JSON"),
        ('{"schema": NaN}', "it is no JSON"),
        ('{"suite": "a", "suite": "b"}', "`suite` is in it twice"),
        ("[]", "holds no JSON object"),
        ("<<<<<<< HEAD\n{}", "json:1 can't be read"),
        ('{"a": ' * 100_000, "it is no JSON"),
    ],
)
def test_what_is_no_json_is_told_as_such(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "summarize.json"
    path.write_text(text)
    with pytest.raises(BaselineInvalid, match=said):
        read_baseline(path)


def test_a_value_that_is_too_large_for_a_number_is_told(tmp_path: Path) -> None:
    path, _ = stored(tmp_path)
    path.write_text(path.read_text().replace("[1.0, 0.5,", "[1e999, 0.5,", 1))
    with pytest.raises(BaselineInvalid, match=r"`cases\.c00\.faithfulness` is no list of 3 numbers"):
        read_baseline(path)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "summarize.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(BaselineInvalid, match="it is not UTF-8"):
        read_baseline(path)


def test_a_baseline_without_scores_of_a_gate_is_inconclusive() -> None:
    suite = a_suite()
    baseline = baseline_of(suite, {NAME: GOOD, "watched": GOOD})
    verdict = decide(a_run(suite), suite, replace(baseline, scores={"watched": baseline.values("watched")}))
    assert verdict.status is Status.INCONCLUSIVE
    assert "no scores of it" in verdict.gates[0].why
