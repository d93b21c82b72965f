"""What a gate said goes on the record, for exactly the content that was evaluated, and promotes nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.errors import GateNotPassed
from aikit.evals.gate import decide
from aikit.evals.model import Mode, Suite, Verdict
from aikit.evals.recording_gate import record, remember
from aikit.ledger.prompt_gates import gate_of
from aikit.ledger.prompt_labels import promote
from aikit.ledger.prompts import Draft, publish
from aikit.prompts.folder import PromptFolder
from integration.evals.conftest import Project


def verdict_of(project: Project, suite: Suite, mode: Mode = Mode.REPLAY) -> Verdict:
    return decide(project.run(suite, mode), suite, None)


def database_of(project: Project) -> Database:
    return Database(project.books.dsn, False, "test")


def published(project: Project) -> str:
    prompt = PromptFolder(project.folder / "prompts").load("sum@v1")
    publish(database_of(project), [Draft(prompt, None)], who="ann")
    return prompt.sha256


def passing(project: Project) -> Suite:
    return project.suite(2, scorers={"form": {"use": "regex", "pattern": ".", "gate": {"min": 1.0}}})


def failing(project: Project) -> Suite:
    return project.suite(2, scorers={"form": {"use": "regex", "pattern": "nowhere to be found", "gate": {"min": 1.0}}})


def test_a_passed_gate_lets_this_content_be_promoted(project: Project) -> None:
    suite = passing(project)
    project.run(suite, Mode.RECORD)
    sha256, database = published(project), database_of(project)
    with pytest.raises(GateNotPassed):
        promote(database, "sum", 1, "production", who="ann")
    assert remember(project.settings, [verdict_of(project, suite)]) == ()
    assert promote(database, "sum", 1, "production", who="ann").version == 1
    (result,) = gate_of(database, "sum", sha256).results
    assert (result.suite, result.passed, result.run["mode"], result.run["cases"]) == ("sums", True, "replay", 2)
    assert result.run["gates"] == {"form": {"status": "pass", "mean": 1.0}}


def test_a_failed_gate_is_on_record_as_well(project: Project) -> None:
    suite = failing(project)
    project.run(suite, Mode.RECORD)
    published(project)
    remember(project.settings, [verdict_of(project, suite)])
    with pytest.raises(GateNotPassed, match="it failed sums"):
        promote(database_of(project), "sum", 1, "production", who="ann")


def test_the_gate_of_an_edited_file_does_not_count_for_what_was_published(project: Project) -> None:
    suite = passing(project)
    published(project)
    file = project.folder / "prompts/sum/v1.prompt"
    file.write_text(file.read_text().replace("Sum it up.", "Sum it up well."))
    assert record(database_of(project), verdict_of(project, suite, Mode.LIVE), "ci")
    with pytest.raises(GateNotPassed):
        promote(database_of(project), "sum", 1, "production", who="ann")


def test_what_is_not_decided_is_not_on_record(project: Project) -> None:
    suite = passing(project)
    undecided = verdict_of(project, suite)
    assert not record(database_of(project), undecided, "ci")
    project.run(suite, Mode.RECORD)
    found = verdict_of(project, suite)
    interrupted = replace(found, run=replace(found.run, interrupted=True))
    made_up = replace(found, run=replace(found.run, simulated=True, mode=Mode.LIVE))
    reviewed = replace(found, run=replace(found.run, simulated=True))
    database = database_of(project)
    assert [record(database, verdict, "ci") for verdict in (interrupted, made_up, reviewed)] == [False, False, True]


def test_without_a_database_that_is_told_and_no_error(project: Project, tmp_path: Path) -> None:
    suite = passing(project)
    project.run(suite, Mode.RECORD)
    found = verdict_of(project, suite)
    none = replace(project.settings, database_url=None, data_dir=tmp_path / "nothing")
    (told,) = remember(none, [found])
    assert told == "No database is configured: that sum@v1 passed sums is not on the record."
    assert not (tmp_path / "nothing").exists()
    away = replace(project.settings, database_url="postgresql://127.0.0.1:1/none")
    (told,) = remember(away, [found])
    assert told.startswith("That sum@v1 passed sums is not on the record. The database")
