"""What is recorded, by what it is found again, and what is told of a file that can't be used."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from aikit.errors import RecordingInvalid
from aikit.evals.keys import key_of
from aikit.evals.model import ModelAnswer, ModelCall, Role
from aikit.evals.recordings import SIMULATOR, Recordings, read_recordings
from aikit.prompts.model import RenderedMessage
from aikit.types import PromptId

SECRET = "sk-ant-api03-" + "aB3dE5gH7jK9mN1pQ2rS" * 3
ANSWER = ModelAnswer(
    'Half.\u2028 é \ud83d "q"\n', "openai/gpt-4o-mini", 12, 3, nano=4_200, latency_ms=310, findings=("email",)
)


def call_of(text: str = "Sum up: one, two", **changed: Any) -> ModelCall:
    stated: dict[str, Any] = {
        "role": Role.CANDIDATE,
        "model": "openai/gpt-4o-mini",
        "messages": (RenderedMessage("system", "Sum it up."), RenderedMessage("user", text)),
        "parameters": {"max_tokens": 50},
        "prompt": PromptId("sum@v1", "1" * 64),
    }
    return ModelCall(**{**stated, **changed})


def recorded(path: Path, *calls: ModelCall, answer: ModelAnswer = ANSWER) -> Recordings:
    found = Recordings(path, "sums")
    found.made_with = SIMULATOR
    for call in calls:
        found.put(call, answer)
    found.write("0.1.0")
    return found


def test_what_was_recorded_is_read_back_to_the_letter(tmp_path: Path) -> None:
    path = tmp_path / "recordings" / "sums.jsonl"
    nothing_known = ModelAnswer("", "openai/gpt-4o-mini")
    recorded(path, call_of()).put(call_of("other"), nothing_known)
    again = recorded(path, call_of())
    again.put(call_of("other"), nothing_known)
    again.write("0.1.0")
    found = read_recordings(path, "sums")
    assert found.find(key_of(call_of())) == ModelAnswer(*_fields(ANSWER), replayed=True)
    assert found.find(key_of(call_of("other"))) == ModelAnswer(*_fields(nothing_known), replayed=True)
    assert (len(found), found.made_with, found.made_by) == (2, "simulator", "0.1.0")


def _fields(answer: ModelAnswer) -> list[Any]:
    names = ("text", "model", "input_tokens", "output_tokens", "nano", "latency_ms", "findings")
    return [getattr(answer, name) for name in names]


def test_the_same_calls_in_any_order_make_the_same_file(tmp_path: Path) -> None:
    calls = [call_of(f"text {n}", trial=t, role=role) for n in range(5) for t in range(2) for role in Role]
    recorded(tmp_path / "one.jsonl", *calls)
    random.Random(7).shuffle(calls)
    recorded(tmp_path / "two.jsonl", *calls)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_a_file_in_which_nothing_has_changed_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "sums.jsonl"
    recorded(path, call_of())
    path.chmod(0o444)
    before = path.stat()
    found = read_recordings(path, "sums")
    found.put(call_of(), ANSWER)
    assert found.write("0.9.0") is False
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_without_a_call_there_is_no_file(tmp_path: Path) -> None:
    assert read_recordings(tmp_path / "sums.jsonl", "sums").write("0.1.0") is False
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"role": Role.JUDGE},
        {"model": "openai/gpt-4o"},
        {"messages": (RenderedMessage("user", "Sum it up."), RenderedMessage("user", "Sum up: one, two"))},
        {"messages": (RenderedMessage("user", "Sum it up.Sum up: one, two"),)},
        {"parameters": {"max_tokens": 51}},
        {"parameters": {"max_tokens": 50, "extra": {"tools": [{"type": "function"}]}}},
        {"trial": 1},
        {"schema": {"type": "object"}},
    ],
)
def test_whatever_can_change_an_answer_changes_its_key(changed: dict[str, Any]) -> None:
    assert key_of(call_of(**changed)) != key_of(call_of())


def test_a_prompt_of_another_name_with_the_same_text_has_the_same_key() -> None:
    assert key_of(call_of(prompt=PromptId("other@v9", "2" * 64))) == key_of(call_of(prompt=None)) == key_of(call_of())


def test_a_number_is_the_same_however_it_is_written() -> None:
    one, other = {"temperature": 0, "extra": {"top_p": (1, 2)}}, {"extra": {"top_p": [1.0, 2.0]}, "temperature": 0.0}
    assert key_of(call_of(parameters=one)) == key_of(call_of(parameters=other))


def test_what_is_not_used_can_be_dropped(tmp_path: Path) -> None:
    found = recorded(tmp_path / "sums.jsonl", call_of("old"), call_of("new"))
    assert found.prune({key_of(call_of("new"))}) == 1
    found.write("0.1.0")
    assert [row["asked"] for row in rows(tmp_path / "sums.jsonl")[1:]] == ["new"]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_no_secret_of_what_was_asked_is_written_down(tmp_path: Path) -> None:
    recorded(tmp_path / "sums.jsonl", call_of(f"My key is {SECRET}, sum it up"))
    assert SECRET[:20] not in (tmp_path / "sums.jsonl").read_text()
    assert rows(tmp_path / "sums.jsonl")[1]["asked"] == "My key is [ANTHROPIC_KEY_1], sum it up"


HEAD = '{"schema":"aikit.eval-recordings/1","suite":"sums","made_with":"live","aikit":"0.1.0"}'


def line(**changed: Any) -> str:
    row = {
        "role": "candidate", "prompt": "", "model": "a/b", "trial": 0, "asked": "", "text": "t", "served": "a/b",
        "input_tokens": 1, "output_tokens": 1, "nano": 1, "latency_ms": 1, "findings": [], "key": "0" * 64,
    }  # fmt: skip
    return json.dumps({name: value for name, value in {**row, **changed}.items() if value != "gone"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ":1: this is no JSON"),
        (f"{HEAD}\n{line()}\n\n{line(key='1' * 64)}\n", ":3: this is no JSON"),
        (f"<<<<<<< HEAD\n{HEAD}\n", ":1: this is no JSON"),
        (f"{HEAD}\n{line()}\n=======\n", ":3: this is no JSON"),
        (f"{HEAD}\n[1]\n", ":2: this is no JSON object"),
        (f"{HEAD}\n{line()}\n{line(text='other')}\n", ":3: this call is also in line 2"),
        (f"{HEAD}\n{line(text=None)}\n", ":2: `text` is not a text"),
        (f"{HEAD}\n{line(nano='gone')}\n", ":2: `nano` is missing"),
        (f"{HEAD}\n{line(nano=1.5)}\n", ":2: `nano` is not a whole number"),
        (f"{HEAD}\n{line(more=1)}\n", ":2: `more` is a field"),
        (f"{HEAD}\n{line(key='xyz')}\n", ":2: `key` is no SHA-256"),
        (f"{HEAD}\n{line(role='critic')}\n", ":2: `role` is 'critic', and none of candidate, judge"),
        (HEAD.replace("/1", "/2") + "\n", ":1: `schema` is 'aikit.eval-recordings/2'"),
        (HEAD.replace("sums", "other") + "\n", ":1: `suite` is not 'sums'"),
        (HEAD.replace("live", "hand") + "\n", ":1: `made_with` is 'hand'"),
        (line() + "\n", ":1: `schema` is missing"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_by_line_and_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "sums.jsonl"
    path.write_text(text)
    with pytest.raises(RecordingInvalid) as told:
        read_recordings(path, "sums")
    assert f"sums.jsonl{said}" in told.value.message
    assert "aikit eval sums --refresh" in told.value.remedy


def test_a_file_that_is_no_text_is_an_error_and_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "sums.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(RecordingInvalid, match="it is not UTF-8"):
        read_recordings(tmp_path / "sums.jsonl", "sums")
