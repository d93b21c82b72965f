"""Suites run through a kit: recorded and replayed, metered in the name of their own tenant, within their budget."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from aikit.config import load
from aikit.errors import AIError, SpendCapExceeded
from aikit.evals.gate import decide
from aikit.evals.model import Mode, Status, Suite
from aikit.evals.performing import Wish, perform
from aikit.evals.recordings import read_recordings, recordings_path
from aikit.evals.suites.reading import read_suite
from aikit.prompts.model import Ref
from integration.evals.conftest import TENANT, Project
from support.eval_models import steady_rate
from support.kits import Books, write_config

JUDGE = {"judge": {"use": "llm_judge", "model": "openai/gpt-4o", "task": "Sum up", "rubric": ["It is polite."]}}


def test_what_was_recorded_is_replayed_as_the_same_run(project: Project) -> None:
    suite = project.summaries(5)
    recorded = project.run(suite, Mode.RECORD, trials=2)
    entries = len(project.entries())
    replayed = project.run(suite, Mode.REPLAY, trials=2)
    assert replayed.results == recorded.results and replayed.fingerprint == recorded.fingerprint
    assert len(replayed.results) == 10 and all(trial.error is None for trial in replayed.results)
    assert all(trial.scores["faithfulness"].value == 1.0 for trial in replayed.results)
    assert (replayed.spent_nano, len(project.entries())) == (0, entries)
    assert recorded.spent_nano == project.spent() > 0


def test_each_call_is_in_the_ledger_with_its_tenant_its_suite_and_the_version_of_its_prompt(project: Project) -> None:
    suite = project.summaries(2)
    found = project.run(suite, Mode.RECORD)
    entries = project.entries()
    assert {(entry["tenant"], entry["feature"]) for entry in entries} == {("evals", "summarize")}
    assert {entry["prompt"] for entry in entries} == {"summarize@v2", "claims@v1", "verdict@v1"}
    candidates = [entry for entry in entries if entry["prompt"] == "summarize@v2"]
    assert found.prompt and {entry["prompt_hash"] for entry in candidates} == {found.prompt.sha256}
    assert [trial.nano for trial in found.results] == [entry["nano"] for entry in _in_order(candidates, found.results)]
    project.books.assert_balanced()


def _in_order(entries: list[dict], trials: tuple) -> list[dict]:  # type: ignore[type-arg]
    """The entries as the trials stand; equal amounts are interchangeable."""
    left = list(entries)
    found = []
    for trial in trials:
        entry = next(entry for entry in left if entry["nano"] == trial.nano)
        left.remove(entry)
        found.append(entry)
    return found


def test_recording_again_asks_only_for_what_is_missing_and_refreshing_for_everything(project: Project) -> None:
    suite = project.suite(3)
    project.run(suite, Mode.RECORD)
    assert len(project.entries()) == 3
    path = recordings_path(project.folder / "evals", "sums")
    before = path.read_bytes()
    project.run(suite, Mode.RECORD)
    assert len(project.entries()) == 3 and path.read_bytes() == before
    project.run(project.suite(4), Mode.RECORD)
    assert len(project.entries()) == 4
    project.run(project.suite(4), Mode.REFRESH)
    assert len(project.entries()) == 8


def test_live_writes_nothing_down(project: Project) -> None:
    project.run(project.suite(2), Mode.LIVE)
    assert len(project.entries()) == 2 and not (project.folder / "evals" / "recordings").exists()


def test_a_changed_prompt_is_inconclusive_until_it_is_recorded(project: Project) -> None:
    suite = project.suite(3)
    project.run(suite, Mode.RECORD)
    file = project.folder / "prompts/sum/v2.prompt"
    file.write_text((project.folder / "prompts/sum/v1.prompt").read_text().replace("Sum it up.", "Sum it up well."))
    candidate = Ref("sum", label="candidate")
    changed = project.run(suite, Mode.REPLAY, prompt=candidate)
    verdict = decide(changed, suite, None)
    assert verdict.status is Status.INCONCLUSIVE and all(trial.missing for trial in changed.results)
    assert "`aikit eval sums --record --prompt sum@v2`" in verdict.remedy
    project.run(suite, Mode.RECORD, prompt=Ref("sum", version=2))
    assert not any(trial.missing for trial in project.run(suite, Mode.REPLAY, prompt=candidate).results)
    assert len(read_recordings(recordings_path(project.folder / "evals", "sums"), "sums")) == 6


@pytest.mark.parametrize("budget_nano", [60_000, 200_000, 1_000_000])
def test_eight_calls_at_once_never_spend_more_than_the_budget(project: Project, budget_nano: int) -> None:
    suite = project.suite(60, scorers=JUDGE)
    found = project.run(suite, Mode.LIVE, budget_nano=budget_nano, concurrency=8)
    assert found.over_budget
    assert project.spent() <= budget_nano and found.spent_nano == project.spent()
    assert decide(found, suite, None).status is Status.INCONCLUSIVE
    assert (
        sum(trial.nano or 0 for trial in found.results) + sum(t.judge_nano or 0 for t in found.results) <= budget_nano
    )
    project.books.assert_balanced()


def test_what_was_recorded_before_the_budget_was_spent_is_kept(project: Project) -> None:
    suite = project.suite(40)
    first = project.run(suite, Mode.RECORD, budget_nano=100_000)
    assert first.over_budget and 0 < len(project.entries()) < 40
    second = project.run(suite, Mode.RECORD)
    assert not second.over_budget and len(second.results) == 40 and len(project.entries()) == 40


def test_a_budget_that_nothing_fits_in_sends_nothing(project: Project) -> None:
    found = project.run(project.suite(3), Mode.LIVE, budget_nano=10)
    assert found.over_budget and project.entries() == [] and found.spent_nano == 0


@pytest.mark.parametrize("fault", [{"status": 500}, {"close_before_response": True}])
def test_a_flake_is_tried_once_more_and_told_as_recovered(project: Project, fault: dict[str, object]) -> None:
    project.simulator.fault(count=1, **fault)
    found = project.run(project.suite(3), Mode.LIVE, concurrency=1)
    assert [trial.recovered for trial in found.results].count(True) == 1
    assert all(trial.error is None for trial in found.results)


def test_a_call_that_may_have_been_billed_counts_against_the_budget(project: Project) -> None:
    """Hung up on before the answer: the ledger presumes it spent, and so does the budget."""
    project.simulator.fault(count=1, close_before_response=True)
    found = project.run(project.suite(3), Mode.LIVE, concurrency=1)
    assert found.spent_nano == project.spent()
    assert len(project.entries()) == 4


def test_too_many_requests_are_waited_for_and_no_flake(project: Project) -> None:
    project.simulator.fault(status=429, retry_after=0.3, count=3)
    found = project.run(project.suite(20), Mode.LIVE, concurrency=4)
    assert [(trial.error, trial.recovered) for trial in found.results] == [(None, False)] * 20
    assert found.seconds >= 0.3
    statuses = [request["status"] for request in project.simulator.served(100)["requests"]]
    assert sorted(statuses) == [200] * 20 + [429] * 3


def test_an_open_breaker_is_waited_for(project: Project) -> None:
    project.simulator.fault(status=529, retry_after=1, count=6)
    found = project.run(project.suite(12), Mode.LIVE, concurrency=8)
    assert [trial.error for trial in found.results] == [None] * 12


def test_calls_saturate_a_slow_provider_at_the_limit(project: Project) -> None:
    """200 ms an answer, 8 at once: 40 a second, within a tenth; the best of a few, as other tests run beside it."""
    project.simulator.fault(delay=0.2)
    suite = project.suite(120)
    assert any(_rate(project, suite) >= 0.9 * 8 / 0.2 for _ in range(5))


def _rate(project: Project, suite: Suite) -> float:
    before = {entry["attempt"] for entry in project.entries()}
    project.run(suite, Mode.LIVE, concurrency=8)
    ended = [entry["settled_at"] for entry in project.entries() if entry["attempt"] not in before]
    assert len(ended) == 120
    return steady_rate(ended, 8)


def test_findings_of_guards_are_in_the_answer_and_its_recording(project: Project) -> None:
    project.books.policy('[default.guards]\npii = "flag"\n')
    suite = project.suite(1, scorers={"findings": {}})
    (project.folder / "evals/sums.cases.jsonl").write_text('{"id": "c0", "vars": {"text": "Write to ann@example.org"}}')
    for mode in (Mode.RECORD, Mode.REPLAY):
        (trial,) = project.run(read_suite(suite.path), mode).results
        assert trial.scores["findings"].value == 0.0 and "email" in trial.scores["findings"].why


def test_a_tenant_without_a_limit_is_given_one_and_one_with_a_limit_is_left_alone(
    project: Project, tmp_path: Path
) -> None:
    project.run(project.suite(1), Mode.LIVE)
    assert _limits(project.books, TENANT) == [("month", 1_000_000 * 10**9)]
    other = load(
        write_config(tmp_path, project.simulator.url, project.books.dsn, '[evals]\ntenant = "trials"'),
        {"OPENAI_API_KEY": "key"},
    )
    (done,) = perform([project.suite(1)], Wish(Mode.LIVE), other, folder=tmp_path / "evals")
    assert done.run.results[0].error is None
    assert _limits(project.books, "trials") == [("day", 10 * 10**9)]


def _limits(books: Books, tenant: str) -> list[tuple[str, int]]:
    rows = books.rows("SELECT body FROM aikit.policies WHERE tenant = %s AND until IS NULL", tenant)
    return [(limit["window"], limit["cap"]) for row in rows for limit in row["body"].get("limits", ())]


def test_without_a_key_the_run_ends_at_once_with_the_remedy(project: Project) -> None:
    settings = load(project.settings.file, {})
    with pytest.raises(AIError, match="has no API key") as told:
        list(perform([project.suite(30)], Wish(Mode.RECORD), settings, folder=project.folder / "evals"))
    assert told.value.code == "PROVIDER_NOT_CONFIGURED" and project.entries() == []


def test_a_cap_that_is_used_up_ends_the_run(project: Project) -> None:
    project.books.limit(TENANT, usd="0.0001")
    with pytest.raises(SpendCapExceeded):
        project.run(project.suite(60), Mode.RECORD, concurrency=1)
    assert project.spent() <= 100_000
    project.books.assert_balanced()


def test_nothing_is_opened_where_nothing_is_missing(project: Project) -> None:
    suite = project.suite(2)
    project.run(suite, Mode.RECORD)
    away = replace(project.settings, database_url="postgresql://127.0.0.1:1/none")
    (done,) = perform([suite], Wish(Mode.RECORD), away, folder=project.folder / "evals")
    assert all(trial.error is None for trial in done.run.results)


def test_several_suites_share_one_kit(project: Project) -> None:
    suites = [project.suite(2, name="one"), project.suite(2, name="two")]
    done = list(perform(suites, Wish(Mode.LIVE), project.settings, folder=project.folder / "evals"))
    assert [found.suite.name for found in done] == ["one", "two"]
    assert {entry["feature"] for entry in project.entries()} == {"one", "two"}
    project.books.assert_balanced()


async def test_a_run_within_an_event_loop_is_in_a_thread_of_its_own(project: Project) -> None:
    """The façade brings a loop of its own."""
    suite = project.suite(1)
    found = await asyncio.to_thread(project.run, suite, Mode.LIVE)
    assert found.results[0].error is None
