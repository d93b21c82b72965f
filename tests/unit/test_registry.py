"""Which prompt a reference means: from files, or where its label points; what is read again, when, and what holds."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from aikit.asking import ask_of
from aikit.errors import DatabaseUnavailable, PromptChanged, PromptError, PromptInvalid, PromptNotFound
from aikit.ledger import following
from aikit.ledger.following import Follower
from aikit.ledger.prompt_labels import way
from aikit.ledger.prompt_line import Content, Labels, Pointer
from aikit.prompts.model import Block, Prompt, Rendered, RenderedMessage
from aikit.prompts.reading import hash_of, read_prompt
from aikit.registry import Registry


def source(version: int, text: str = "way") -> str:
    return f'---\ndescription: Sums up.\n---\n{{% role "user" %}}Summarize, the {version}. {text}.\n'


def a_prompt(version: int, text: str = "way") -> Prompt:
    return read_prompt(source(version, text), "summarize", version)


@dataclass
class Folder:
    """Files in memory."""

    prompts: dict[int, Prompt | PromptError] = field(default_factory=dict)
    asked: int = 0
    own: dict[str, Prompt] = field(default_factory=dict)

    def find(self, name: str, version: int) -> Prompt | None:
        self.asked += 1
        found = self.prompts.get(version) if name == "summarize" else None
        if isinstance(found, PromptError):
            raise found
        return found

    def shipped(self, name: str, version: int) -> Prompt | None:
        return self.own.get(name) if version == 1 else None

    def newest(self, name: str) -> Prompt | None:
        return self.find(name, max(self.prompts, default=0))


@dataclass
class Ledger:
    """A ledger in memory, which may be away."""

    moves: list[tuple[str, int]] = field(default_factory=list)
    sources: dict[int, str] = field(default_factory=dict)
    away: bool = False
    asked: list[str] = field(default_factory=list)
    answers: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    def labels(self, seen: int | None) -> Labels | None:
        self._ask("labels")
        assert self.answers.wait(10)
        if seen == len(self.moves):
            return None
        pointers = {("summarize", label): Pointer(version, hash_of(source(version))) for label, version in self.moves}
        return Labels(len(self.moves), pointers)

    def published(self, name: str, version: int) -> Content | None:
        self._ask(f"v{version}")
        text = self.sources.get(version, source(version))
        return Content(hash_of(source(version)), text) if version in (1, 2, 3) else None

    def close(self) -> None:
        self.asked.append("close")

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise DatabaseUnavailable("The database is away.")


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(following, "monotonic", clock.monotonic)
    return clock


def settled(registry: Registry) -> None:
    """Wait until nothing is read in the background."""
    attempt = registry._follower._under_way
    if attempt is not None:
        assert attempt.done.wait(10)


def test_a_version_is_read_from_its_file_and_only_once() -> None:
    folder, ledger = Folder({1: a_prompt(1)}), Ledger()
    registry = Registry(ledger, folder)
    assert registry.at_hand("summarize@v1") is None
    assert [registry.get("summarize@v1") for _ in range(3)] == [a_prompt(1)] * 3
    assert (folder.asked, ledger.asked) == (1, [])
    assert registry.at_hand("summarize@v1") == a_prompt(1)


def test_a_version_without_a_file_is_the_published_one() -> None:
    registry = Registry(Ledger(), Folder())
    assert registry.get("summarize@v3") == a_prompt(3)
    with pytest.raises(PromptNotFound, match="no summarize@v4, neither as a file nor published"):
        registry.get("summarize@v4")


def test_a_prompt_of_the_kit_s_own_gives_way_to_a_published_one_of_that_name() -> None:
    ledger, folder = Ledger(), Folder(own={"summarize": a_prompt(1, "ours")})
    registry = Registry(ledger, folder)
    assert registry.get("summarize@v1") == a_prompt(1)
    ledger.away = True
    assert Registry(ledger, folder).get("summarize@v1") == a_prompt(1, "ours")
    with pytest.raises(DatabaseUnavailable):
        Registry(ledger, folder).get("summarize@v2")


def test_what_the_ledger_could_not_be_asked_about_is_asked_again() -> None:
    ledger = Ledger(away=True)
    registry = Registry(ledger, Folder(own={"summarize": a_prompt(1, "ours")}))
    assert registry.get("summarize@v1") == a_prompt(1, "ours")
    ledger.away = False
    assert registry.get("summarize@v1") == a_prompt(1)


def test_a_file_that_was_changed_is_told_not_passed_over() -> None:
    registry = Registry(Ledger(), Folder({1: PromptChanged("It was changed.")}))
    with pytest.raises(PromptChanged):
        registry.get("summarize@v1")


@pytest.mark.parametrize("ref", ["summarize", "summarize@latest", "summarize@3", "@v1", "Summarize@v1", 1, ["x"]])
def test_what_is_no_reference_is_refused(ref: str) -> None:
    registry = Registry(Ledger(), Folder({1: a_prompt(1)}))
    for way_in in (registry.get, registry.at_hand):
        with pytest.raises(PromptInvalid):
            way_in(ref)


def test_the_candidate_is_the_newest_file_where_that_is_allowed() -> None:
    folder = Folder({1: a_prompt(1)})
    registry = Registry(Ledger(), folder, candidates=True)
    assert registry.get("summarize@candidate").version == 1
    folder.prompts[2] = a_prompt(2)
    assert registry.at_hand("summarize@candidate") is None
    assert registry.get("summarize@candidate").version == 2
    with pytest.raises(PromptNotFound, match="no file of a prompt translate"):
        registry.get("translate@candidate")


def test_elsewhere_a_candidate_is_refused_with_what_to_name_instead() -> None:
    with pytest.raises(PromptError) as refused:
        Registry(Ledger(), Folder({1: a_prompt(1)})).get("summarize@candidate")
    assert refused.value.code == "CANDIDATE_NOT_ALLOWED"
    assert "summarize@production" in refused.value.remedy


def test_a_label_is_what_it_points_to_from_a_file_with_that_content() -> None:
    folder, ledger = Folder({1: a_prompt(1)}), Ledger([("production", 1)])
    registry = Registry(ledger, folder)
    assert registry.get("summarize@production") is folder.prompts[1]
    assert ledger.asked == ["labels"]


@pytest.mark.parametrize("file", [a_prompt(1, "edited"), PromptChanged("It was changed.")])
def test_a_file_with_another_content_than_the_published_one_is_not_used_for_a_label(file: Any) -> None:
    registry = Registry(Ledger([("production", 1)]), Folder({1: file}))
    assert registry.get("summarize@production") == a_prompt(1)


def test_a_published_text_that_does_not_have_its_hash_is_refused() -> None:
    registry = Registry(Ledger([("production", 1)], sources={1: source(1, "tampered")}), Folder())
    for ref in ("summarize@production", "summarize@v1"):
        with pytest.raises(PromptChanged, match="in the ledger is not the one that was published"):
            registry.get(ref)


def test_a_label_that_there_is_not_is_told_with_those_that_there_are() -> None:
    registry = Registry(Ledger([("production", 1), ("staging", 2)]), Folder())
    with pytest.raises(
        PromptNotFound, match=r"summarize has no label prodution\. Did you mean production\?"
    ) as missing:
        registry.get("summarize@prodution")
    assert missing.value.facts["labels"] == ["production", "staging"]
    with pytest.raises(PromptNotFound, match="translate has no labels"):
        registry.get("translate@production")


def test_within_two_seconds_nothing_is_read_again(clock: Clock) -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder({1: a_prompt(1)}))
    registry.get("summarize@production")
    clock.now += 1.9
    assert registry.get("summarize@production").version == 1
    assert ledger.asked == ["labels"]


def test_after_two_seconds_it_is_read_behind_the_caller_s_back(clock: Clock) -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder())
    registry.get("summarize@production")
    ledger.moves.append(("production", 2))
    ledger.answers.clear()
    clock.now += 2.1
    assert registry.get("summarize@production").version == 1
    ledger.answers.set()
    settled(registry)
    assert registry.at_hand("summarize@production") == a_prompt(2)
    assert ledger.asked == ["labels", "v1", "labels", "v2"]


def test_after_four_seconds_the_caller_waits_for_what_is_true_now(clock: Clock) -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder())
    registry.get("summarize@production")
    ledger.moves.append(("production", 2))
    clock.now += 4.1
    assert registry.at_hand("summarize@production") is None
    assert registry.get("summarize@production").version == 2


def test_with_the_ledger_away_the_last_known_holds_and_the_log_says_so_once(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder())
    registry.get("summarize@production")
    ledger.away = True
    with caplog.at_level(logging.INFO, "aikit.prompts"):
        for _ in range(5):
            clock.now += 4.1
            assert registry.get("summarize@production").version == 1
        assert [record.message for record in caplog.records] == [
            "labels of prompts stay as they were last read: The database is away."
        ]
        ledger.away = False
        ledger.moves.append(("production", 2))
        clock.now += 4.1
        assert registry.get("summarize@production").version == 2
        assert [record.message for record in caplog.records][1:] == [
            "labels of prompts are followed again: the ledger answers"
        ]


def test_an_outage_is_not_asked_about_more_often_than_a_ledger_that_answers(clock: Clock) -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder())
    registry.get("summarize@production")
    ledger.away = True
    asked = len(ledger.asked)
    for _ in range(100):
        clock.now += 0.1
        registry.get("summarize@production")
        settled(registry)
    assert len(ledger.asked) - asked <= 5


def test_a_label_that_was_never_known_can_t_be_had_while_the_ledger_is_away(clock: Clock) -> None:
    ledger = Ledger([("production", 1)], away=True)
    registry = Registry(ledger, Folder())
    with pytest.raises(DatabaseUnavailable, match="summarize@production points to is not known") as away:
        registry.get("summarize@production")
    assert away.value.remedy
    assert registry.at_hand("summarize@production") is None
    ledger.away = False
    clock.now += 2.1
    assert registry.get("summarize@production").version == 1


def test_content_that_can_t_be_read_does_not_replace_what_can(clock: Clock) -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder())
    registry.get("summarize@production")
    ledger.moves.append(("production", 2))
    ledger.sources[2] = source(2, "tampered")
    clock.now += 4.1
    with pytest.raises(PromptChanged):
        registry.get("summarize@production")


def test_a_ledger_that_does_not_answer_is_waited_for_a_second_and_not_by_everybody(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "PATIENCE", 0.2)
    monkeypatch.setattr(following, "SOON", 0.0)
    monkeypatch.setattr(following, "LATEST", 0.0)
    stalled, first = threading.Event(), True

    def read() -> None:
        nonlocal first
        if not first:
            assert stalled.wait(10)
        first = False

    follower = Follower(read, "labels")
    assert follower.follow()
    assert _seconds(follower.follow) > 0.15
    assert _seconds(follower.follow) < 0.1
    assert not follower.follow(wait=False)
    assert [record.message for record in caplog.records] == [
        "labels stay as they were last read: no answer within 0.2 s"
    ]
    attempt = follower._under_way
    stalled.set()
    assert attempt is not None and attempt.done.wait(10)


def test_of_many_who_ask_at_once_one_reads() -> None:
    ledger = Ledger([("production", 1)])
    registry = Registry(ledger, Folder({1: a_prompt(1)}))
    together = threading.Barrier(8)
    found: list[Prompt] = []

    def ask() -> None:
        together.wait()
        found.append(registry.get("summarize@production"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [a_prompt(1)] * 8
    assert ledger.asked == ["labels"]


def test_a_label_at_hand_costs_next_to_nothing() -> None:
    registry = Registry(Ledger([("production", 1)]), Folder())
    registry.get("summarize@production")
    best = min(_seconds(lambda: [registry.get("summarize@production") for _ in range(1000)]) for _ in range(5))
    assert best / 1000 < 20e-6


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


@pytest.mark.parametrize(
    ("moves", "came_by"),
    [
        ([], []),
        ([("promote", 1), ("promote", 2)], [1, 2]),
        ([("promote", 1), ("promote", 2), ("rollback", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("promote", 3)], [1, 3]),
        ([("promote", 1), ("promote", 2), ("promote", 1), ("rollback", 2)], [1, 2]),
        ([("promote", 1), ("promote", 2), ("promote", 3), ("rollback", 1)], [1]),
        ([("promote", 1), ("promote", 2), ("rollback", 1), ("rollback", 2)], [1, 2]),
    ],
)
def test_the_way_of_a_label_is_what_a_rollback_goes_back(moves: list[tuple[str, int]], came_by: list[int]) -> None:
    assert way(moves) == came_by


RENDERED = Rendered(
    Prompt(
        "summarize", 1, "0" * 64, "", "", (Block("user", "x", 1),), model="openai/gpt-5-mini",
        parameters={"max_tokens": 64, "temperature": 0.2, "extra": {"seed": 7, "user": "x"}},
    ),
    (RenderedMessage("user", "x"),),
)  # fmt: skip


def test_a_prompt_s_model_and_parameters_hold_where_the_call_says_nothing() -> None:
    assert ask_of(RENDERED, {"tenant": "acme", "model": None}) == {
        "tenant": "acme",
        "model": "openai/gpt-5-mini",
        "max_tokens": 64,
        "temperature": 0.2,
        "extra": {"seed": 7, "user": "x"},
    }


def test_what_the_call_says_holds_before_what_the_prompt_says() -> None:
    ask = ask_of(RENDERED, {"model": "routes.chat", "temperature": 0.0, "extra": {"user": "y"}})
    assert (ask["model"], ask["max_tokens"], ask["temperature"]) == ("routes.chat", 64, 0.0)
    assert ask["extra"] == {"seed": 7, "user": "y"}
    assert ask_of("a text", {"tenant": "acme"}) == {"tenant": "acme"}
