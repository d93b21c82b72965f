"""Labels are moved only to what has passed its gate, one move at a time, and back to where they came from."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError, Exit, GateNotPassed, PromptInvalid, PromptNotFound
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.prompt_gates import gate_of, record_gate
from aikit.ledger.prompt_labels import list_labels, promote, rollback
from aikit.ledger.prompts import Draft, publish
from integration.prompts.conftest import NAME, a_prompt, production, publish_versions
from support.ledger import rows


def pointers(database: Database) -> dict[str, int]:
    return {f"{label.name}@{label.label}": label.version for label in list_labels(database)}


def test_a_label_points_to_what_it_was_promoted_to_last(ledger: Database) -> None:
    _, second = publish_versions(ledger, 1, 2)
    promote(ledger, NAME, 1, "staging", who="ann")
    promote(ledger, NAME, 1, "production", who="ann")
    move = promote(ledger, NAME, 2, "production", who="bob", why="shorter answers")
    assert (move.kind, move.was, move.version, move.forced, move.changed) == ("promote", 1, 2, False, True)
    assert pointers(ledger) == {"summarize@production": 2, "summarize@staging": 1}
    label = list_labels(ledger, NAME)[0]
    assert (label.sha256, label.who, label.why, label.since) == (second.sha256, "bob", "shorter answers", move.at)


def test_a_promotion_to_where_the_label_is_already_is_not_recorded(ledger: Database) -> None:
    production(ledger, 1)
    move = promote(ledger, NAME, 1, "production")
    assert not move.changed
    assert rows(ledger, "SELECT count(*) FROM aikit.prompt_moves") == [(1,)]
    assert len(list_audit(ledger, action="prompt.promote")) == 1


def test_without_a_gate_nothing_is_promoted(ledger: Database) -> None:
    (prompt,) = publish_versions(ledger, 1, passed=False)
    with pytest.raises(GateNotPassed) as refused:
        promote(ledger, NAME, 1, "production")
    assert (refused.value.code, refused.value.exit) == ("GATE_NOT_PASSED", Exit.NO)
    assert refused.value.facts == {"prompt": "summarize@v1", "sha256": prompt.sha256, "failed": []}
    assert "aikit eval --gate --prompt summarize@v1" in refused.value.remedy
    assert "--force --reason" in refused.value.remedy
    assert pointers(ledger) == {}


def test_a_gate_of_other_content_does_not_count(ledger: Database) -> None:
    publish_versions(ledger, 1, passed=False)
    record_gate(ledger, a_prompt(1, "Another text"), "summaries", passed=True)
    record_gate(ledger, a_prompt(1, name="translate"), "summaries", passed=True)
    with pytest.raises(GateNotPassed, match="none was run on this content"):
        promote(ledger, NAME, 1, "production")


def test_one_failing_suite_stands_in_the_way_until_it_passes(ledger: Database) -> None:
    (prompt,) = publish_versions(ledger, 1)
    record_gate(ledger, prompt, "safety", passed=False, facts={"failed_cases": 2}, who="ci")
    with pytest.raises(GateNotPassed, match="it failed safety") as refused:
        promote(ledger, NAME, 1, "production")
    assert refused.value.facts["failed"] == ["safety"]
    record_gate(ledger, prompt, "safety", passed=True, who="ci")
    gate = gate_of(ledger, NAME, prompt.sha256)
    assert [(result.suite, result.passed, result.who) for result in gate.results] == [
        ("safety", True, "ci"),
        ("summaries", True, "ci"),
    ]
    assert gate.results[1].run == {"cases": 40}
    promote(ledger, NAME, 1, "production")
    record_gate(ledger, prompt, "safety", passed=False)
    with pytest.raises(GateNotPassed):
        promote(ledger, NAME, 1, "staging")


def test_a_forced_promotion_needs_a_reason_and_says_on_the_record_that_it_was_forced(ledger: Database) -> None:
    (prompt,) = publish_versions(ledger, 1, passed=False)
    record_gate(ledger, prompt, "safety", passed=False)
    with pytest.raises(ConfigError, match="only for a reason"):
        promote(ledger, NAME, 1, "production", force=True)
    move = promote(ledger, NAME, 1, "production", force=True, who="ann", why="incident 7")
    assert move.forced
    assert list_labels(ledger)[0].forced
    row = list_audit(ledger)[0]
    assert (row.action, row.subject, row.who, row.why) == (
        "prompt.promote",
        "prompt:summarize@production",
        "ann",
        "incident 7",
    )
    assert row.before is None
    assert row.after == {
        "version": "v1",
        "forced": True,
        "gates": {"safety": "failed"},
        "sha256": prompt.sha256,
    }
    assert verify_audit(ledger).ok


def test_force_where_the_gate_has_passed_forces_nothing(ledger: Database) -> None:
    publish_versions(ledger, 1)
    assert not promote(ledger, NAME, 1, "production", force=True, why="to be sure").forced
    assert list_audit(ledger)[0].after["forced"] is False


def test_what_is_not_published_can_t_be_promoted(ledger: Database) -> None:
    with pytest.raises(PromptNotFound, match="summarize@v1 is not published") as refused:
        promote(ledger, NAME, 1, "production", force=True, why="now")
    assert "aikit prompt publish summarize" in refused.value.remedy


@pytest.mark.parametrize("label", ["v3", "latest", "candidate", "3", "", "Production", "a b"])
def test_what_can_t_be_a_label_is_refused(ledger: Database, label: str) -> None:
    publish_versions(ledger, 1)
    with pytest.raises(PromptInvalid):
        promote(ledger, NAME, 1, label)


def test_a_second_rollback_goes_further_back(ledger: Database) -> None:
    production(ledger, 1, 2, 3)
    assert [rollback(ledger, NAME).version for _ in range(2)] == [2, 1]
    with pytest.raises(PromptNotFound, match="summarize@production points to v1, and pointed to nothing before"):
        rollback(ledger, NAME)
    assert pointers(ledger) == {"summarize@production": 1}


def test_what_was_rolled_back_is_not_gone_back_to(ledger: Database) -> None:
    production(ledger, 1, 2)
    rollback(ledger, NAME)
    publish_versions(ledger, 3)
    promote(ledger, NAME, 3, "production")
    assert rollback(ledger, NAME).version == 1


def test_a_version_that_was_promoted_twice_is_come_by_twice(ledger: Database) -> None:
    production(ledger, 1, 2, 1)
    assert [rollback(ledger, NAME).version for _ in range(2)] == [2, 1]


def test_a_rollback_can_name_any_version_that_the_label_has_pointed_to(ledger: Database) -> None:
    production(ledger, 1, 2, 3, 4)
    assert rollback(ledger, NAME, to=2).version == 2
    assert rollback(ledger, NAME).version == 1
    assert rollback(ledger, NAME, to=4).version == 4
    assert rollback(ledger, NAME).version == 1
    assert not rollback(ledger, NAME, to=1).changed


def test_a_rollback_asks_no_gate(ledger: Database) -> None:
    first, _ = publish_versions(ledger, 1, 2)
    promote(ledger, NAME, 1, "production")
    promote(ledger, NAME, 2, "production")
    record_gate(ledger, first, "summaries", passed=False)
    move = rollback(ledger, NAME, who="ann", why="nonsense since noon")
    assert (move.kind, move.was, move.version, move.forced) == ("rollback", 2, 1, False)
    row = list_audit(ledger)[0]
    assert (row.action, row.who, row.why) == ("prompt.rollback", "ann", "nonsense since noon")
    assert (row.before["version"], row.after) == ("v2", {"version": "v1", "sha256": first.sha256})


def test_a_version_that_was_never_in_use_is_no_rollback(ledger: Database) -> None:
    production(ledger, 1)
    publish_versions(ledger, 2)
    with pytest.raises(
        PromptNotFound, match=r"summarize@production points to v1, and has never pointed to v2"
    ) as refused:
        rollback(ledger, NAME, to=2)
    assert "aikit prompt promote summarize@v2 production" in refused.value.remedy


def test_a_label_that_there_is_not_can_t_be_rolled_back(ledger: Database) -> None:
    production(ledger, 1)
    with pytest.raises(PromptNotFound, match="summarize has no label staging"):
        rollback(ledger, NAME, "staging")


def test_labels_of_other_prompts_and_other_labels_are_left_alone(ledger: Database) -> None:
    production(ledger, 1, 2)
    promote(ledger, NAME, 2, "staging")
    publish_versions(ledger, 1, name="translate")
    promote(ledger, "translate", 1, "production")
    rollback(ledger, NAME)
    assert pointers(ledger) == {"summarize@production": 1, "summarize@staging": 2, "translate@production": 1}


def test_promotions_at_once_are_made_one_after_the_other(ledger: Database) -> None:
    versions = range(1, 13)
    publish_versions(ledger, *versions)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda version: promote(ledger, NAME, version, "production"), versions))
    moves = rows(ledger, "SELECT was, version FROM aikit.prompt_moves ORDER BY seq")
    assert sorted(version for _, version in moves) == list(versions)
    assert [was for was, _ in moves] == [None, *[version for _, version in moves][:-1]]
    assert pointers(ledger) == {"summarize@production": moves[-1][1]}
    assert verify_audit(ledger).ok


def test_rollbacks_at_once_go_back_one_step_each(ledger: Database) -> None:
    production(ledger, 1, 2, 3, 4)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: rollback(ledger, NAME).version, range(3)))
    assert sorted(found) == [1, 2, 3]
    assert pointers(ledger) == {"summarize@production": 1}


@pytest.mark.parametrize("given", [{"who": "x" * 1001}, {"why": "a\0b"}])
def test_an_unusable_name_or_reason_moves_nothing(ledger: Database, given: dict[str, str]) -> None:
    publish_versions(ledger, 1)
    with pytest.raises(ConfigError):
        promote(ledger, NAME, 1, "production", **given)  # type: ignore[arg-type]
    assert pointers(ledger) == {}


def test_a_file_of_the_same_content_under_another_version_has_passed_too(ledger: Database) -> None:
    same = a_prompt(1, "The same text")
    publish(ledger, [Draft(same, None), Draft(a_prompt(2, "The same text"), 1)])
    record_gate(ledger, same, "summaries", passed=True)
    assert promote(ledger, NAME, 2, "production").version == 2
