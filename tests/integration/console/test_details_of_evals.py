"""What Enter opens on a stored eval run, and on one of its cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from aikit.console.details import Details
from aikit.console.details.run import SEPARATOR
from aikit.console.model import Tab
from aikit.database.connect import Database
from aikit.errors import AIKitError
from aikit.evals.baselines import baseline_path, write_baseline
from aikit.evals.blessing import blessed
from aikit.evals.model import Run, Score, Suite, Trial
from aikit.evals.runs import runs_folder, save_run
from aikit.evals.suites.reading import read_suite
from aikit.page import Page
from support.eval_projects import EvalProject
from support.eval_runs import NOON, V2, V3, run_of
from support.pages import items, section, words
from support.snapshots import CONTROLS, snapshot

OLD_ID, NEW_ID = "20261121T120000123Z-answers-0a1b2c", "20261121T130000123Z-answers-0a1b2d"


@pytest.fixture
def project(tmp_path: Path) -> EvalProject:
    project = EvalProject(tmp_path)
    project.prompt(1)
    project.suite(cases=12, gate="{min: 0.80, max_drop: 0.05}", more={0: {"critical": True, "expected": "yes"}})
    return project


@pytest.fixture
def details(ledger: Database, project: EvalProject) -> Details:
    return Details(ledger, nano_per_credit=100_000, evals=project.evals)


def suite_in(project: EvalProject) -> Suite:
    return read_suite(project.evals / "answers.eval.yaml")


def scores(*failed: int) -> dict[str, list[list[float | None]]]:
    return {"right": [[0.0 if number in failed else 1.0] for number in range(12)]}


def baseline(project: EvalProject) -> Run:
    """A stored run in which all is right, blessed."""
    suite = suite_in(project)
    run = run_of(suite, scores(), prompt=V2, id=OLD_ID)
    save_run(runs_folder(project.evals), run)
    write_baseline(baseline_path(project.evals, "answers"), blessed(run, suite, by="Ada", at=NOON, reason=None))
    return run


def stored(project: EvalProject, *failed: int, results: tuple[Trial, ...] | None = None) -> Run:
    run = run_of(suite_in(project), scores(*failed), prompt=V3, id=NEW_ID, started_at=NOON + timedelta(hours=1))
    run = run if results is None else replace(run, results=results)
    save_run(runs_folder(project.evals), run)
    return run


def opened(details: Details, key: str = NEW_ID) -> Page:
    return details.page(Tab.EVALS, key, snapshot(Tab.EVALS))


def test_a_run_tells_what_its_gate_says_scorer_by_scorer(details: Details, project: EvalProject) -> None:
    baseline(project)
    stored(project, 0, 3, 4, 5, 6, 7)
    page = opened(details)
    assert page.heading == "✗ FAIL prompts/summarize@v3"
    (gate,) = section(page, "Gates").items
    assert gate.name == "right"
    assert gate.text.startswith("mean 0.50 · baseline 1.00 · change -0.50 [")
    assert gate.text.endswith("· ✗ FAIL")
    assert gate.remarks[0] == "asks for >= 0.80, drop <= 0.05 · decided by minimum"
    facts = items(page, "Run")
    assert (facts["of"], facts["suite"], facts["size"]) == ("summarize@v3", "answers", "12 cases")
    assert facts["baseline"].startswith("summarize@v2, run 2026")
    worst = section(page, "Worst cases").items
    assert {item.name for item in worst} == {"c00", "c03", "c04", "c05", "c06", "c07"}
    assert worst[0].text == "right 1.00 → 0.00"
    assert len(section(page, "All cases").items) == 12


def test_a_case_is_opened_from_its_run_with_what_was_answered_then_and_now(
    details: Details, project: EvalProject
) -> None:
    baseline(project)
    stored(project, 0)
    key = next(item.opens for item in section(opened(details), "Worst cases").items)
    assert key == f"{NEW_ID}{SEPARATOR}c00"
    page = opened(details, key)
    assert page.heading == f"c00 of {NEW_ID}"
    assert page.paragraphs == ("It is critical: it may not fail where it passed before.",)
    assert items(page, "Inputs") == {"question": "question 0"}
    assert items(page, "Expected") == {"expected": "yes"}
    trial = items(page, "Trial 1")
    assert trial["answer"] == "c00 by summarize@v3, trial 0"
    assert trial["baseline's"] == "c00 by summarize@v2, trial 0"
    assert trial["right"] == "0.00"


def test_a_run_without_a_baseline_says_how_to_make_one(details: Details, project: EvalProject) -> None:
    stored(project)
    page = opened(details)
    assert items(page, "Run")["baseline"].startswith("none yet: aikit eval bless")
    assert items(page, "Worst cases") == {"none": "no case became worse"}


def test_a_run_whose_suite_is_gone_still_shows_its_scores(details: Details, project: EvalProject) -> None:
    stored(project, 1)
    (project.evals / "answers.eval.yaml").unlink()
    page = opened(details)
    assert page.heading == "? undecided summarize@v3"
    assert "not in evals/ any more" in page.paragraphs[0]
    assert items(page, "Means") == {"right": "mean 0.92 of 12 cases"}
    case = opened(details, f"{NEW_ID}{SEPARATOR}c01")
    assert items(case, "Inputs")["inputs"].startswith("not kept")
    assert items(case, "Trial 1")["answer"] == "c01 by summarize@v3, trial 0"


def test_what_went_wrong_with_a_case_is_told(details: Details, project: EvalProject) -> None:
    trials = (
        Trial("c00", 0, None, missing=True, error="no recording"),
        Trial("c01", 0, None, error="TIMEOUT"),
        Trial("c02", 0, "maybe", {"right": Score(None, error="the judge's answer is no JSON")}, recovered=True),
    )
    stored(project, results=trials)
    assert items(opened(details, f"{NEW_ID}{SEPARATOR}c00"), "Trial")["answer"] == "— no recording"
    assert items(opened(details, f"{NEW_ID}{SEPARATOR}c01"), "Trial")["answer"] == "— TIMEOUT"
    odd = items(opened(details, f"{NEW_ID}{SEPARATOR}c02"), "Trial")
    assert odd["right"] == "no score: the judge's answer is no JSON"
    assert "tried once more" in odd["took"]
    assert items(opened(details, f"{NEW_ID}{SEPARATOR}c05"), "Answers") == {"—": "it was not tried"}
    assert items(opened(details), "All cases")["c01"] == "right — · an error"


def test_control_characters_of_an_answer_are_made_visible(details: Details, project: EvalProject) -> None:
    trials = (Trial("c00", 0, f"first\n{CONTROLS}", {"right": Score(1.0, CONTROLS)}),)
    stored(project, results=trials)
    page = opened(details, f"{NEW_ID}{SEPARATOR}c00")
    answer = items(page, "Trial")["answer"]
    assert answer.startswith("first\nev\ufffd[2Jil")
    assert all(line.isprintable() for line in words(page).split("\n"))


@pytest.mark.parametrize("key", ["20260101T000000000Z-gone-000000", "", f"{NEW_ID}{SEPARATOR}gone", "../../etc/passwd"])
def test_a_run_or_a_case_that_is_not_there_is_told_with_a_remedy(
    details: Details, project: EvalProject, key: str
) -> None:
    stored(project)
    with pytest.raises(AIKitError) as told:
        opened(details, key)
    assert told.value.remedy


def test_a_run_that_can_t_be_read_is_told_with_a_remedy(details: Details, project: EvalProject) -> None:
    run = stored(project)
    (runs_folder(project.evals) / f"{run.id}.json").write_text("{")
    with pytest.raises(AIKitError) as told:
        opened(details)
    assert told.value.remedy


def test_a_damaged_baseline_leaves_the_scores(details: Details, project: EvalProject) -> None:
    stored(project)
    path = baseline_path(project.evals, "answers")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    assert opened(details).heading.startswith("? undecided")
    assert items(opened(details, f"{NEW_ID}{SEPARATOR}c00"), "Trial 1")["answer"].startswith("c00 by")


def test_without_a_folder_of_evals_there_is_nothing_to_open(ledger: Database) -> None:
    with pytest.raises(AIKitError, match="no folder of evals"):
        opened(Details(ledger, nano_per_credit=100_000))
