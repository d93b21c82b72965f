"""A model that makes no sense is stopped soon, and the plan takes over: over each of the three APIs."""

from __future__ import annotations

import pytest

from aikit.money import parse_usd
from aikit.setup.agent.bounds import Bounds
from aikit.setup.agent.model import End
from support.agent_runs import Run
from support.kits import Books
from support.scripted_models import KINDS, Call, Raw, of

pytestmark = pytest.mark.parametrize("kind", KINDS)
CENT = 10_000_000
SMALL = {"openai": "0.015", "anthropic": "0.04", "gemini": "0.016"}
"""What some answers of the kind's model fit into, but not forty."""


def test_wrong_tools_twice_in_a_row_end_it(kind: str, run: Run) -> None:
    ran = run(kind, of([Call("install", {"package": "aikit"})]))
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) == 2
    assert "no such tool; there are check, apply" in ran.models.requests[1].decode()
    assert ran.person.notes[-1].endswith("The plan without an agent goes on from here.")


def test_a_wrong_argument_is_explained_and_a_right_one_then_goes_on(kind: str, run: Run) -> None:
    script = of(
        [Call("apply", {"name": "files"})],
        [Call("apply", {"step": "files"})],
        [Call("check", {"step": "Files"})],
        [Call("done", {"summary": "."})],
    )
    ran = run(kind, script, "")
    assert ran.outcome.end is End.DONE and ran.steps[0].applied == 1
    assert "it takes step" in ran.models.requests[1].decode()
    assert "step must be one of files, database, metered_call" in ran.models.requests[3].decode()


def test_prose_instead_of_calls_ends_it_when_nobody_is_there(kind: str, run: Run) -> None:
    ran = run(kind, of(["You should run aikit init."]), interactive=False)
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) == 2


def test_empty_answers_end_it(kind: str, run: Run) -> None:
    ran = run(kind, of([]))
    assert ran.outcome.end is End.FELL_BACK and "no sense twice" in ran.outcome.why


def test_the_same_call_over_and_over_is_stopped(kind: str, run: Run) -> None:
    ran = run(kind, of([Call("check", {"step": "files"})]))
    assert ran.outcome.end is End.FELL_BACK and "nothing has changed since" in ran.outcome.why
    assert len(ran.models.requests) == 4


def test_two_calls_in_turn_for_ever_are_stopped(kind: str, run: Run) -> None:
    def script(number: int, told: str) -> list[Call]:
        return [Call("check", {"step": ("files", "database")[number % 2]})]

    ran = run(kind, script)
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) <= 6


def test_talk_without_an_end_is_stopped(kind: str, run: Run) -> None:
    def script(number: int, told: str) -> list[Call]:
        return [Call("explain", {"text": f"Reason {number}."})]

    ran = run(kind, script)
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) == 40
    assert "40 turns" in ran.outcome.why


def test_a_huge_answer_ends_it_and_is_shown_in_part(kind: str, run: Run) -> None:
    ran = run(kind, of(["word " * 50_000]), "")
    assert ran.outcome.end is End.FELL_BACK and "too long" in ran.outcome.why
    assert len(ran.person.seen) < 10_000 and len(ran.transcript) < 10_000


@pytest.mark.parametrize(
    "body", [b"not JSON", b"[]", b"{}", b'{"choices": 3, "content": "x", "candidates": [[]]}', b"[" * 5_000]
)
def test_what_is_no_answer_at_all_ends_it(kind: str, run: Run, body: bytes) -> None:
    ran = run(kind, of(Raw(200, body)))
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) <= 2


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_an_error_of_the_provider_ends_it_at_once(kind: str, run: Run, status: int) -> None:
    ran = run(kind, of(Raw(status, b'{"error": {"message": "Go away."}}')))
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) == 1
    assert ran.person.notes[-1].endswith("The plan without an agent goes on from here.")


def test_a_wait_that_the_provider_asks_for_is_kept_if_it_is_short(
    kind: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("aikit.setup.agent.loop.sleep", slept.append)
    busy = b'{"error": {"message": "Slow down."}}'
    done = [Call("done", {"summary": "."})]
    ran = run(kind, of(Raw(429, busy, (("retry-after", "7"),)), done))
    assert ran.outcome.end is End.DONE and slept == [7]
    ran = run(kind, of(Raw(429, busy, (("retry-after", "700"),)), done))
    assert ran.outcome.end is End.FELL_BACK and slept == [7]


def test_a_limit_on_requests_in_a_minute_is_waited_for_a_few_times(
    kind: str, run: Run, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("aikit.setup.agent.loop.sleep", slept.append)
    books.policy('[default]\nlimits = [{metric = "requests", window = "minute", cap = 1, each = "user"}]\n')
    ran = run(kind, of([Call("explain", {"text": "One."})]))
    assert ran.outcome.end is End.FELL_BACK and len(ran.models.requests) == 1
    assert len(slept) == 5 and all(0 < seconds <= 125 for seconds in slept)
    assert any("1 of 1 requests this minute are used. Waiting " in note for note in ran.person.notes)


def test_its_money_is_an_end(kind: str, run: Run, books: Books) -> None:
    def script(number: int, told: str) -> list[Call]:
        return [Call("explain", {"text": f"Reason {number}."})]

    ran = run(kind, script, cap_usd=SMALL[kind])
    assert ran.outcome.end is End.FELL_BACK
    assert 0 < ran.outcome.spent_nano <= parse_usd(SMALL[kind])
    assert sum(entry["nano"] for entry in books.entries()) == ran.outcome.spent_nano
    assert len(ran.models.requests) < 40


def test_a_second_session_of_the_day_has_what_the_first_left(kind: str, run: Run, books: Books) -> None:
    script = of([Call("done", {"summary": "."})])
    run(kind, script, cap_usd="0.05")
    books.limit("setup", usd="0.0001", window="day")
    ran = run(kind, script)
    assert ran.outcome.end is End.FELL_BACK and ran.models.requests == []
    assert "setup" in ran.outcome.why


def test_q_leaves_at_any_prompt(kind: str, run: Run) -> None:
    for script in (
        of(["Hello."]),
        of([Call("apply", {"step": "files"})]),
        of([Call("ask", {"question": "Where?"})]),
    ):
        ran = run(kind, script, "q")
        assert ran.outcome.end is End.LEFT and [step.applied for step in ran.steps] == [0, 0, 0]


def test_time_is_an_end_and_the_persons_time_does_not_count(kind: str, run: Run) -> None:
    now = [0.0]

    def script(number: int, told: str) -> list[Call]:
        now[0] += 100
        return [Call("explain", {"text": f"Reason {number}."})]

    ran = run(kind, script, bounds=Bounds(CENT, clock=lambda: now[0]))
    assert ran.outcome.end is End.FELL_BACK and "600 seconds" in ran.outcome.why
    assert len(ran.models.requests) == 7
