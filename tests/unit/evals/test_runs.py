"""Stored runs: in the order of time, found by the beginning of an id, read to the letter, pruned, private."""

from __future__ import annotations

import json
import stat
import time
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import Exit, RunInvalid, RunNotFound
from aikit.evals import runs
from aikit.evals.model import GateRule, Mode, Run, Score, Trial
from aikit.evals.run_text import read_run, run_text
from aikit.evals.runs import load_run, new_run_id, runs_folder, save_run, stored_runs
from aikit.types import PromptId
from support.eval_runs import NOON, run_of, suite_of

SUITE = suite_of(3, {"faithfulness": GateRule(min=0.5)}, critical=(1,))
SCORES: dict[str, list[list[float | None]]] = {"faithfulness": [[1.0, 0.5], [None, 1 / 3], [0.0, 1.0]]}


def a_run(**rest: Any) -> Run:
    return run_of(SUITE, SCORES, **rest)


def at(minutes: int, suite: str = "summarize") -> Run:
    started = NOON + timedelta(minutes=minutes)
    return replace(a_run(), id=new_run_id(suite, started), suite=suite, started_at=started)


def test_a_run_is_read_back_as_it_was_stored(tmp_path: Path) -> None:
    run = a_run(
        spent_nano=12_345, estimated_nano=None, over_budget=True, simulated=True, interrupted=True, mode=Mode.RECORD
    )
    scores = {"a": Score(-1.5, "so"), "b": Score(None, error="no")}
    rich = Trial("c00", 0, "ein Gruß \ud800 \u2028", scores, recovered=True, nano=5, judge_nano=0, latency_ms=12)
    gone = Trial("c02", 1, None, error="cut", missing=True)
    run = replace(run, results=(rich, *run.results[1:-1], gone))
    path = save_run(runs_folder(tmp_path), run)
    assert read_run(path) == run
    assert load_run(runs_folder(tmp_path), "last") == run


TEXT = st.text(max_size=8)
SCORE = st.builds(Score, st.none() | st.floats(allow_nan=False, allow_infinity=False), TEXT, st.none() | TEXT)
NANO = st.none() | st.integers(0, 2**60)


@given(
    st.lists(st.dictionaries(TEXT, SCORE, max_size=3), min_size=4, max_size=4),
    st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT, NANO, NANO, NANO, st.booleans()), min_size=4, max_size=4),
    st.none() | st.builds(PromptId, TEXT, TEXT),
    st.dictionaries(TEXT, TEXT, max_size=3),
    st.datetimes(timezones=st.just(UTC)),
)
def test_whatever_a_run_holds_comes_back(tmp_path_factory, scores, rest, prompt, fingerprint, started) -> None:  # type: ignore[no-untyped-def]
    places = [("c00", 1), ("c02", 0), ("c00", 0), ("c01", 1)]
    results = tuple(
        Trial(case, trial, output, score, error, flag, not flag, nano, judge, ms)
        for (case, trial), score, (output, error, nano, judge, ms, flag) in zip(places, scores, rest, strict=True)
    )
    run = replace(a_run(), results=results, prompt=prompt, fingerprint=fingerprint, started_at=started)
    path = tmp_path_factory.getbasetemp() / "any-run.json"
    path.write_text(run_text(run))
    assert read_run(path) == run


def test_every_field_of_a_run_is_stored(tmp_path: Path) -> None:
    """What is added to the model is added to the file, or it would come back as its default."""
    _, found = stored(tmp_path)
    trial = found["results"][0]
    assert {field.name for field in fields(Run)} == set(found) - {"schema"}
    assert {field.name for field in fields(Trial)} == set(trial)
    assert {field.name for field in fields(Score)} == set(trial["scores"]["faithfulness"])


def test_a_value_that_json_has_no_word_for_stays_an_error(tmp_path: Path) -> None:
    run = a_run()
    run = replace(run, results=(replace(run.results[0], scores={"faithfulness": Score(float("nan"), "odd")}),))
    score = read_run(save_run(tmp_path, run)).results[0].scores["faithfulness"]
    assert score == Score(None, "odd", "its value is nan")


def test_ids_sort_by_time_and_name_the_suite() -> None:
    moments = [NOON, NOON + timedelta(milliseconds=1), NOON + timedelta(seconds=1), NOON + timedelta(days=40)]
    ids = [new_run_id("a-b.c", moment) for moment in moments]
    assert ids == sorted(ids)
    assert ids[0].startswith("20261121T120000123Z-a-b.c-")
    assert new_run_id("a", NOON) != new_run_id("a", NOON)


def test_runs_are_listed_with_the_newest_first_and_other_files_are_left_out(tmp_path: Path) -> None:
    for run in (at(2), at(1, "other-one"), at(3)):
        save_run(tmp_path, run)
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "20269921T120000123Z-summarize-000000.json").write_text("{}")
    found = stored_runs(tmp_path)
    assert [(run.suite, run.started_at) for run in found] == [
        ("summarize", NOON + timedelta(minutes=3)),
        ("summarize", NOON + timedelta(minutes=2)),
        ("other-one", NOON + timedelta(minutes=1)),
    ]
    assert [run.suite for run in stored_runs(tmp_path, "other-one")] == ["other-one"]
    assert stored_runs(tmp_path / "none") == []


def test_a_run_is_found_by_the_beginning_of_its_id_or_as_the_last(tmp_path: Path) -> None:
    first, second, other = at(1), at(2), at(3, "other")
    for run in (first, second, other):
        save_run(tmp_path, run)
    assert load_run(tmp_path, first.id[:15]) == first
    assert load_run(tmp_path, second.id) == second
    assert load_run(tmp_path, "last") == other
    assert load_run(tmp_path, "last", "summarize") == second


@pytest.mark.parametrize(
    ("ref", "suite", "said"),
    [
        ("2026", None, "2 stored runs begin with 2026: 20261121"),
        ("2025", None, "No stored run begins with '2025'"),
        ("", None, "No stored run begins with ''"),
        ("../runs/2026", None, "No stored run begins with"),
        ("last", "other", "No run of other is stored in"),
    ],
)
def test_a_run_that_is_not_there_or_not_the_only_one_is_told(
    tmp_path: Path, ref: str, suite: str | None, said: str
) -> None:
    save_run(tmp_path, at(1))
    save_run(tmp_path, at(2))
    with pytest.raises(RunNotFound, match=said) as error:
        load_run(tmp_path, ref, suite)
    assert error.value.exit is Exit.USAGE
    assert error.value.remedy


def test_the_oldest_of_a_suite_are_pruned_and_what_is_spared_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT", 3)
    spared, other = at(0), at(0, "other")
    save_run(tmp_path, spared)
    save_run(tmp_path, other)
    (tmp_path / "notes.json").write_text("mine")
    later = [at(minutes) for minutes in range(1, 7)]
    for run in later:
        save_run(tmp_path, run, spared=[spared.id])
    assert {run.id for run in stored_runs(tmp_path, "summarize")} == {spared.id, *(run.id for run in later[-3:])}
    assert [run.id for run in stored_runs(tmp_path, "other")] == [other.id]
    assert (tmp_path / "notes.json").exists()


def test_a_run_that_was_just_stored_is_not_pruned_even_if_the_clock_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "KEPT", 1)
    save_run(tmp_path, at(5))
    earlier = at(1)
    save_run(tmp_path, earlier)
    assert load_run(tmp_path, earlier.id) == earlier


def test_stored_runs_are_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = runs_folder(tmp_path)
    path = save_run(folder, a_run())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / ".gitignore").read_text().splitlines()[-1] == "*"
    (folder / ".gitignore").write_text("mine\n")
    save_run(folder, a_run())
    assert (folder / ".gitignore").read_text() == "mine\n"


def stored(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    path = save_run(tmp_path, a_run())
    return path, json.loads(path.read_text())


@pytest.mark.parametrize("where", [[], ["results", 0], ["results", 0, "scores", "faithfulness"]])
def test_every_field_is_looked_for_and_no_other_is_known(tmp_path: Path, where: list[Any]) -> None:
    path, found = stored(tmp_path)
    inner = found
    for name in where:
        inner = inner[name]
    place = ".".join([*map(str, where), ""])
    for field in list(inner):
        value = inner.pop(field)
        path.write_text(json.dumps(found))
        with pytest.raises(RunInvalid, match=f"`{place}{field}` is missing"):
            read_run(path)
        inner[field] = value
    inner["more"] = 1
    path.write_text(json.dumps(found))
    with pytest.raises(RunInvalid, match=f"`{place}more` is a field that this version of aikit does not know"):
        read_run(path)


WRONG: dict[str, tuple[list[Any], Any, str]] = {
    "another format": (["schema"], "aikit.eval-run/2", "`schema` is 'aikit.eval-run/2'"),
    "a case twice": (["cases"], ["c00", "c00", "c02"], "`cases` is no list of different texts"),
    "no such case": (["results", 0, "case"], "zz", "`results.0.case` is 'zz', which is no case of the run"),
    "no such trial": (["results", 0, "trial"], 2, "`results.0.trial` is 2; the run has 2, from 0"),
    "a trial twice": (["results", 1, "trial"], 0, "`results.1.trial` is there twice for 'c00'"),
    "less than nothing spent": (["spent_nano"], -1, "`spent_nano` is no whole number from 0 on"),
    "half a nano": (["results", 0, "nano"], 0.5, "`results.0.nano` is not a whole number"),
    "a word for a score": (["results", 0, "scores", "faithfulness", "value"], "1", "value` is not a number"),
    "true for a score": (["results", 0, "scores", "faithfulness", "value"], True, "value` is no number"),
    "a result that is none": (["results", 2], 7, "`results.2` is no object"),
}


@pytest.mark.parametrize(("at", "value", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_file_and_field(tmp_path: Path, at: list[Any], value: Any, said: str) -> None:
    path, found = stored(tmp_path)
    inner = found
    for name in at[:-1]:
        inner = inner[name]
    inner[at[-1]] = value
    path.write_text(json.dumps(found))
    with pytest.raises(RunInvalid) as invalid:
        read_run(path)
    assert invalid.value.message.startswith(f"{path}: ")
    assert said in invalid.value.message


def test_a_file_that_holds_another_run_is_not_taken_for_it(tmp_path: Path) -> None:
    run = at(1)
    save_run(tmp_path, run).rename(tmp_path / f"{at(2).id}.json")
    with pytest.raises(RunInvalid, match="holds another run"):
        load_run(tmp_path, "last")


def test_six_thousand_trials_are_stored_and_read_in_a_moment(tmp_path: Path) -> None:
    suite = suite_of(2_000, dict.fromkeys("abc"))
    run = run_of(suite, {name: [[0.5] * 3] * 2_000 for name in "abc"})
    begun = time.process_time()
    path = save_run(tmp_path, run)
    again = read_run(path)
    assert time.process_time() - begun < 3
    assert again == run


def test_moments_are_in_utc(tmp_path: Path) -> None:
    path, found = stored(tmp_path)
    path.write_text(json.dumps({**found, "started_at": "2026-11-21T13:00:00+01:00"}))
    assert read_run(path).started_at == datetime(2026, 11, 21, 12, tzinfo=UTC)
    assert read_run(path).started_at.utcoffset() == timedelta(0)
