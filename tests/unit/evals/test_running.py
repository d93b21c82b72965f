"""A suite is run: in its order whatever ends first, with what goes wrong in its trial, and once more at most."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

from aikit.errors import AIError, AIKitError, ConfigError, MissingRecording, OverBudget, PolicyDenied, PromptNotFound
from aikit.evals.gate import decide
from aikit.evals.model import Mode, ModelCall, Run, Status
from aikit.evals.models import Hopeless, Replay
from aikit.evals.recordings import Recordings
from aikit.evals.running import Progress, run
from aikit.evals.suites.reading import read_suite
from aikit.prompts.model import Ref
from support.eval_models import JUDGED, PROMPT, Answers, is_judge, options_for, text_of, write_suite

JUDGE = {"judge": {"use": "llm_judge", "model": "openai/gpt-4o", "task": "Sum up", "rubric": ["short"]}}


def echo(call: ModelCall) -> str:
    return JUDGED if is_judge(call) else text_of(call)


async def ran(folder: Path, source: Any, mode: Mode = Mode.LIVE, *, cases: int = 3, **stated: Any) -> Run:
    options = {name: stated.pop(name) for name in ("prompt_ref", "at_once", "progress") if name in stated}
    suite = write_suite(folder, cases, **stated)
    return await run(
        suite,
        source,
        mode,
        options_for(
            folder,
            prompt=options.get("prompt_ref"),
            concurrency=options.get("at_once"),
            progress=options.get("progress"),
        ),
    )


async def test_every_case_is_tried_scored_and_told_in_the_order_of_the_suite(tmp_path: Path) -> None:
    random = Random(3)
    source = Answers(echo, later=lambda call: random.randrange(20), nano=5)
    found = await ran(tmp_path, source, cases=12, trials=3)
    places = [(trial.case, trial.trial) for trial in found.results]
    assert places == [(f"c{n}", t) for n in range(12) for t in range(3)]
    assert all(trial.scores["equals"].value == 1.0 for trial in found.results)
    assert [trial.output for trial in found.results[:4]] == ["text 0", "text 0", "text 0", "text 1"]
    assert (found.prompt.id if found.prompt else None, found.model) == ("sum@v1", "openai/gpt-4o-mini")
    assert (found.spent_nano, found.results[0].nano, found.results[0].latency_ms) == (36 * 5, 5, 7)
    assert (found.trials, found.over_budget, found.interrupted) == (3, False, False)


async def test_the_same_answers_make_the_same_run_however_many_are_asked_at_once(tmp_path: Path) -> None:
    runs = []
    for at_once in (1, 3, 50):
        random = Random(at_once)
        source = Answers(echo, later=lambda call, random=random: random.randrange(9))
        runs.append(await ran(tmp_path, source, cases=10, trials=2, at_once=at_once, scorers=JUDGE))
    assert runs[0].results == runs[1].results == runs[2].results
    assert runs[0].fingerprint == runs[1].fingerprint


async def test_each_trial_is_a_call_of_its_own_with_the_parameters_of_prompt_and_suite(tmp_path: Path) -> None:
    source = Answers(echo)
    await ran(tmp_path, source, cases=1, trials=2, parameters={"temperature": 0.5, "extra": {"seed": 7}})
    assert [call.trial for call in source.calls] == [0, 1]
    assert source.calls[0].parameters == {"max_tokens": 50, "temperature": 0.5, "extra": {"seed": 7}}
    assert [message.role for message in source.calls[0].messages] == ["system", "user"]


async def test_an_error_is_in_its_trial_and_the_others_go_on(tmp_path: Path) -> None:
    def says(call: ModelCall) -> Any:
        return AIKitError("No.", code="NO_GOOD") if text_of(call) == "text 1" else echo(call)

    found = await ran(tmp_path, Answers(says))
    assert [trial.error for trial in found.results] == [None, "NO_GOOD: No.", None]
    assert found.results[1].scores == {} and found.results[1].output is None


async def test_inputs_that_the_prompt_does_not_take_are_an_error_of_their_case(tmp_path: Path) -> None:
    suite = write_suite(tmp_path, 2)
    (tmp_path / "evals" / "sums.cases.jsonl").write_text('{"id": "a", "vars": {"txt": "x"}, "expected": "x"}')
    found = await run(read_suite(suite.path), Answers(echo), Mode.LIVE, options_for(tmp_path))
    assert found.results[0].error and found.results[0].error.startswith("PROMPT_INPUT_INVALID")


@pytest.mark.parametrize("code", ["TIMEOUT", "CONNECTION_FAILED", "PROVIDER_ERROR"])
async def test_a_failure_that_may_pass_is_tried_once_more_and_told_as_recovered(tmp_path: Path, code: str) -> None:
    failed: set[str] = set()

    def says(call: ModelCall) -> Any:
        if text_of(call) == "text 1" and text_of(call) not in failed:
            failed.add(text_of(call))
            return AIError(provider="openai", code=code)
        return echo(call)

    source = Answers(says)
    found = await ran(tmp_path, source)
    assert [(trial.error, trial.recovered) for trial in found.results] == [(None, False), (None, True), (None, False)]
    assert len(source.calls) == 4


async def test_what_fails_twice_is_not_tried_a_third_time(tmp_path: Path) -> None:
    source = Answers(lambda call: AIError("Away.", provider="openai", code="TIMEOUT"))
    found = await ran(tmp_path, source, cases=1)
    assert (found.results[0].error, found.results[0].recovered) == ("TIMEOUT: Away.", False)
    assert len(source.calls) == 2


async def test_what_trying_again_does_not_help_is_tried_once(tmp_path: Path) -> None:
    source = Answers(lambda call: AIError(provider="openai", code="CONTEXT_LENGTH_EXCEEDED", retryable=False))
    await ran(tmp_path, source, cases=1)
    assert len(source.calls) == 1


async def test_a_judge_that_answers_nonsense_is_asked_once_more_and_the_candidate_is_not(tmp_path: Path) -> None:
    nonsense = ["I'd say it is quite good!"]

    def says(call: ModelCall) -> Any:
        return (nonsense.pop() if nonsense else JUDGED) if is_judge(call) else echo(call)

    source = Answers(says, nano=3)
    found = await ran(tmp_path, source, cases=1, scorers={**JUDGE, "equals": {}})
    (trial,) = found.results
    assert (trial.scores["judge"].value, trial.scores["equals"].value, trial.recovered) == (0.5, 1.0, True)
    assert [call.role.value for call in source.calls] == ["candidate", "judge", "judge"]
    assert (trial.nano, trial.judge_nano) == (3, 6)


async def test_a_judge_that_answers_nonsense_twice_is_an_error_and_never_a_score(tmp_path: Path) -> None:
    source = Answers(lambda call: "0.9" if is_judge(call) else echo(call))
    found = await ran(tmp_path, source, cases=1, scorers=JUDGE)
    score = found.results[0].scores["judge"]
    assert score.value is None and score.error and not found.results[0].recovered


async def test_in_replay_nothing_is_tried_again(tmp_path: Path) -> None:
    source = Answers(lambda call: "nonsense" if is_judge(call) else echo(call))
    await ran(tmp_path, source, Mode.REPLAY, cases=1, scorers=JUDGE)
    assert len(source.calls) == 2 and source.again == []


async def test_a_missing_recording_of_a_judge_leaves_the_other_scores(tmp_path: Path) -> None:
    source = Answers(lambda call: MissingRecording("Not there.") if is_judge(call) else echo(call))
    found = await ran(tmp_path, source, Mode.REPLAY, cases=1, scorers={**JUDGE, "equals": {}})
    (trial,) = found.results
    assert (trial.missing, trial.error, trial.output) == (True, None, "text 0")
    assert trial.scores["equals"].value == 1.0
    assert trial.scores["judge"].error == "RECORDING_MISSING: Not there."


async def test_replay_without_recordings_is_inconclusive_with_the_command_that_records(tmp_path: Path) -> None:
    suite = write_suite(tmp_path)
    replay = Replay(Recordings(tmp_path / "none.jsonl", "sums"), "aikit eval sums --record")
    found = await run(suite, replay, Mode.REPLAY, options_for(tmp_path))
    verdict = decide(found, suite, None)
    assert verdict.status is Status.INCONCLUSIVE and all(trial.missing for trial in found.results)
    assert "`aikit eval sums --record`" in verdict.remedy


async def test_a_spent_budget_ends_the_run_and_is_never_green(tmp_path: Path) -> None:
    class Spent(Answers):
        async def ask(self, call: ModelCall) -> Any:
            if len(self.calls) >= 4:
                self.over_budget = True
                raise OverBudget("Nothing is left.")
            return await super().ask(call)

    source = Spent(echo)
    suite = write_suite(tmp_path, 30)
    found = await run(suite, source, Mode.LIVE, options_for(tmp_path, concurrency=1))
    assert found.over_budget and 4 <= len(found.results) < 30
    assert decide(found, suite, None).status is Status.INCONCLUSIVE


@pytest.mark.parametrize("judge", [False, True])
async def test_what_no_call_can_get_past_ends_the_run_with_its_error(tmp_path: Path, judge: bool) -> None:
    source = Answers(lambda call: Hopeless(PolicyDenied("Denied.")) if is_judge(call) is judge else echo(call))
    with pytest.raises(PolicyDenied, match="Denied"):
        await ran(tmp_path, source, cases=50, at_once=2, scorers=JUDGE)
    assert len(source.calls) < 20


async def test_an_interrupted_run_has_what_is_there_and_is_never_green(tmp_path: Path) -> None:
    source = Answers(echo, later=lambda call: 10_000_000 if text_of(call) == "text 5" else 0)
    suite = write_suite(tmp_path, 6, trials=20)
    running = asyncio.ensure_future(run(suite, source, Mode.LIVE, options_for(tmp_path, concurrency=4)))
    await asyncio.sleep(0.2)
    running.cancel()
    found = await running
    assert found.interrupted and {trial.case for trial in found.results} == {"c0", "c1", "c2", "c3", "c4"}
    verdict = decide(found, suite, None)
    assert (verdict.status, verdict.notes) == (Status.INCONCLUSIVE, ("It was interrupted.",))


async def test_progress_is_told_of_each_trial(tmp_path: Path) -> None:
    told: list[Progress] = []
    await ran(tmp_path, Answers(echo, nano=2), cases=2, trials=2, progress=told.append)
    assert [one.done for one in told] == [1, 2, 3, 4]
    assert told[-1] == Progress("sums", 4, 4, 8)


async def test_a_draft_and_an_edited_file_are_evaluated_as_they_are(tmp_path: Path) -> None:
    """What was locked is checked by `aikit prompt check`; here the hash says what was evaluated."""
    write_suite(tmp_path)
    (tmp_path / "prompts/sum/v2.prompt").write_text(PROMPT.replace("Sum it up.", "Sum it up well."))
    draft = await ran(tmp_path, Answers(echo), prompt_ref=Ref("sum", version=2))
    newest = await ran(tmp_path, Answers(echo), prompt_ref=Ref("sum", label="candidate"))
    locked = await ran(tmp_path, Answers(echo))
    suite = write_suite(tmp_path)
    (tmp_path / "prompts/sum/v1.prompt").write_text(PROMPT.replace("Sum it up.", "Edited."))
    edited = await run(suite, Answers(echo), Mode.LIVE, options_for(tmp_path))
    assert draft.prompt == newest.prompt and draft.prompt and draft.prompt.id == "sum@v2"
    assert edited.prompt and locked.prompt and edited.prompt.id == locked.prompt.id
    assert edited.prompt.sha256 != locked.prompt.sha256


@pytest.mark.parametrize(
    ("stated", "ref", "error", "said"),
    [
        ({"model": None}, None, ConfigError, "neither the suite nor sum@v1 names a model"),
        ({"prompt": "sum@v9"}, None, PromptNotFound, "sum@v9"),
        ({}, Ref("sum", label="production"), PromptNotFound, "labels are in the database"),
        ({"scorers": {"own": {"use": "custom", "function": "not_there:at_all"}}}, None, ConfigError, "not_there"),
        ({"prompt": None, "target": "not_there:at_all"}, None, ConfigError, "not_there:at_all can't be used"),
    ],
)
async def test_what_no_trial_could_do_without_is_told_before_the_first(
    tmp_path: Path, stated: dict[str, Any], ref: Ref | None, error: type[AIKitError], said: str
) -> None:
    source = Answers(echo)
    with pytest.raises(error, match=said):
        await ran(tmp_path, source, prompt_ref=ref, **stated)
    assert source.calls == []


TARGETS = """
import asyncio
from dataclasses import dataclass
from decimal import Decimal

def plain(text): return text
async def later(text):
    await asyncio.sleep(0)
    return text
@dataclass
class Reply:
    text: str
    cost_usd: Decimal
def dear(text): return Reply(text, Decimal("0.002"))
def mapped(text): return {"text": text, "cost_usd": "0.002"}
def wrong(text): return 7
def floating(text): return {"text": text, "cost_usd": 0.1}
def broken(text): raise RuntimeError("the service is away")
def other(name): return name
"""


@pytest.mark.parametrize(
    ("name", "output", "nano", "error"),
    [
        ("plain", "text 0", None, None),
        ("later", "text 0", None, None),
        ("dear", "text 0", 2_000_000, None),
        ("mapped", "text 0", 2_000_000, None),
        ("wrong", None, None, "TARGET_NO_TEXT: own_targets:wrong returned int, not a text."),
        ("floating", None, None, "TARGET_NO_COST: own_targets:floating returned a cost that is none: its cost_usd is "),
        ("broken", None, None, "RuntimeError: the service is away"),
        ("other", None, None, "TypeError: other() got an unexpected keyword argument 'text'"),
    ],
)
async def test_a_function_takes_the_place_of_a_prompt(
    tmp_path: Path, name: str, output: str | None, nano: int | None, error: str | None
) -> None:
    (tmp_path / "own_targets.py").write_text(TARGETS)
    sys.modules.pop("own_targets", None)
    scorers = {"equals": {}, "findings": {}}
    found = await ran(
        tmp_path, Answers(echo), cases=1, prompt=None, model=None, target=f"own_targets:{name}", scorers=scorers
    )
    (trial,) = found.results
    assert (trial.output, trial.nano) == (output, nano)
    assert (trial.error or "").startswith(error or "") and (error is None) is (trial.error is None)
    assert (found.prompt, found.model, found.target) == (None, None, f"own_targets:{name}")
    if output:
        assert trial.scores["equals"].value == 1.0 and trial.scores["findings"].value is None
