"""Where answers come from: replay asks nobody, a recorder asks for what is missing and writes it down."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from aikit.errors import AIError, MissingRecording, RecordingInvalid
from aikit.evals.keys import key_of
from aikit.evals.model import ModelAnswer, ModelCall, Role
from aikit.evals.models import Recorder, Replay
from aikit.evals.recordings import LIVE, SIMULATOR, Recordings, read_recordings
from aikit.prompts.model import RenderedMessage
from support.eval_models import Answers, text_of

SECRET = "sk-ant-api03-" + "aB3dE5gH7jK9mN1pQ2rS" * 3


def call_of(text: str, trial: int = 0) -> ModelCall:
    return ModelCall(Role.CANDIDATE, "openai/gpt-4o-mini", (RenderedMessage("user", text),), trial=trial)


def recorder(path: Path, live: Answers, *, refresh: bool = False) -> Recorder:
    return Recorder(read_recordings(path, "sums"), live, refresh=refresh, version="0.1.0")


async def record(path: Path, *texts: str, live: Answers | None = None, refresh: bool = False) -> Recorder:
    found = recorder(path, live or Answers(lambda call: f"of {text_of(call)}"), refresh=refresh)
    for text in texts:
        await found.ask(call_of(text))
    found.close()
    return found


async def test_replay_says_what_was_recorded(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    await record(path, "a", live=Answers(lambda call: ModelAnswer("A", "openai/x", 1, 2, nano=3, latency_ms=4)))
    replay = Replay(read_recordings(path, "sums"), "aikit eval sums --record")
    assert await replay.ask(call_of("a")) == ModelAnswer("A", "openai/x", 1, 2, 3, 4, replayed=True)
    assert (replay.spent_nano, replay.simulated) == (0, False)


async def test_what_is_not_recorded_is_told_with_the_command_that_records_it(tmp_path: Path) -> None:
    replay = Replay(Recordings(tmp_path / "sums.jsonl", "sums"), "aikit eval sums --prompt sum@v2 --record")
    with pytest.raises(MissingRecording) as told:
        await replay.ask(call_of("a", trial=2))
    assert "`aikit eval sums --prompt sum@v2 --record`" in told.value.remedy
    assert (told.value.exit, told.value.facts["key"]) == (3, key_of(call_of("a", trial=2)))


async def test_recording_asks_for_what_is_missing_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    await record(path, "a", "b")
    live = Answers(lambda call: "new")
    found = recorder(path, live)
    assert [(await found.ask(call_of(text))).text for text in ("a", "b", "c")] == ["of a", "of b", "new"]
    assert [text_of(call) for call in live.calls] == ["c"]


async def test_refreshing_asks_for_everything_and_leaves_what_it_does_not_use(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    await record(path, "a", "b")
    await record(path, "a", live=Answers(lambda call: "new"), refresh=True)
    found = read_recordings(path, "sums")
    assert [found.find(key_of(call_of(text))).text for text in ("a", "b")] == ["new", "of b"]  # type: ignore[union-attr]


@pytest.mark.parametrize("refresh", [False, True])
async def test_the_same_call_is_asked_once_in_a_run(tmp_path: Path, refresh: bool) -> None:
    said = iter(["first", "second"])
    live = Answers(lambda call: next(said), later=lambda call: 3)
    found = recorder(tmp_path / "sums.jsonl", live, refresh=refresh)
    answers = await asyncio.gather(*[found.ask(call_of("a")) for _ in range(5)])
    assert {answer.text for answer in answers} == {"first"} and len(live.calls) == 1


async def test_a_call_that_failed_is_asked_again(tmp_path: Path) -> None:
    said: list[Any] = [AIError(provider="openai", code="TIMEOUT"), "there"]
    found = recorder(tmp_path / "sums.jsonl", Answers(lambda call: said.pop(0)))
    with pytest.raises(AIError):
        await found.ask(call_of("a"))
    assert (await found.ask(call_of("a"))).text == "there"


async def test_asked_anew_the_last_answer_is_the_one_that_is_recorded(tmp_path: Path) -> None:
    said = iter(["nonsense", "sense"])
    path = tmp_path / "sums.jsonl"
    found = recorder(path, Answers(lambda call: next(said)))
    await found.ask(call_of("a"))
    assert (await found.anew().ask(call_of("a"))).text == "sense"
    assert (await found.ask(call_of("a"))).text == "sense"
    found.close()
    assert [json.loads(line).get("text") for line in path.read_text().splitlines()] == [None, "sense"]


async def test_what_is_handed_on_is_what_is_recorded_without_secrets(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    found = recorder(path, Answers(lambda call: f"The key is {SECRET}."))
    answer = await found.ask(call_of("a"))
    found.close()
    assert answer.text == "The key is [ANTHROPIC_KEY_1]."
    assert SECRET not in path.read_text()
    assert found.notes == ("Secrets were taken out of what is recorded: anthropic_key.",)
    assert (await Replay(read_recordings(path, "sums"), "").ask(call_of("a"))).text == answer.text


async def test_live_answers_are_not_put_beside_simulated_ones(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    simulated = Answers(lambda call: "simulated")
    simulated.simulated = True
    await record(path, "a", "b", live=simulated)
    assert read_recordings(path, "sums").made_with == SIMULATOR
    with pytest.raises(RecordingInvalid, match="recorded with the simulator") as told:
        recorder(path, Answers(lambda call: "live"))
    assert "--refresh" in told.value.remedy
    found = await record(path, "a", live=Answers(lambda call: "live"), refresh=True)
    assert found.notes == ("Gone: 2 recordings made with the simulator.",)
    again = read_recordings(path, "sums")
    assert (len(again), again.made_with) == (1, LIVE)


async def test_with_prune_the_unused_are_dropped_and_told(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    await record(path, "a", "b")
    found = recorder(path, Answers(lambda call: "new"))
    await found.ask(call_of("a"))
    found.close(prune=True)
    assert len(read_recordings(path, "sums")) == 1
    assert found.notes == ("1 recording that this run did not use dropped.",)


async def test_an_interrupted_call_leaves_no_line_and_ends_what_it_asked(tmp_path: Path) -> None:
    ended = []

    class Hanging(Answers):
        async def ask(self, call: ModelCall) -> ModelAnswer:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append(call)
                raise
            raise AssertionError

    found = recorder(tmp_path / "sums.jsonl", Hanging(lambda call: ""))
    asking = asyncio.ensure_future(found.ask(call_of("a")))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await asyncio.sleep(0)
    found.close()
    assert len(ended) == 1 and not (tmp_path / "sums.jsonl").exists()


async def test_one_who_leaves_does_not_end_a_call_that_another_waits_for(tmp_path: Path) -> None:
    found = recorder(tmp_path / "sums.jsonl", Answers(lambda call: "there", later=lambda call: 10))
    leaving, staying = [asyncio.ensure_future(found.ask(call_of("a"))) for _ in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).text == "there"
    assert leaving.cancelled()


async def test_what_was_paid_for_is_on_disk_before_the_run_has_ended(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    found = recorder(path, Answers(lambda call: "there"))
    for number in range(250):
        await found.ask(call_of(f"text {number}"))
    assert len(read_recordings(path, "sums")) == 200
    found.close()
    assert len(read_recordings(path, "sums")) == 250
