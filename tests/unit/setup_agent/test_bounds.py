"""Every bound is an end, and says which it was."""

from __future__ import annotations

import pytest

from aikit.setup.agent.bounds import Bounds, Exhausted


def test_turns_tokens_words_and_money_are_bounded() -> None:
    for bounds, reason in (
        (Bounds(1, turns=0), "0 turns"),
        (Bounds(1, _tokens=10, tokens=9), "9 tokens"),
        (Bounds(1, _characters=10, characters=9), "9 characters"),
        (Bounds(250_000_000, spent_nano=250_000_000), r"spent its \$0.25"),
    ):
        with pytest.raises(Exhausted, match=reason):
            bounds.begin_turn()


def test_calls_are_bounded() -> None:
    bounds = Bounds(1, calls=2)
    bounds.call("a")
    bounds.call("b")
    with pytest.raises(Exhausted, match="2 tool calls"):
        bounds.call("c")


def test_the_same_call_is_made_twice_at_most_until_something_has_changed() -> None:
    bounds = Bounds(1)
    assert [bounds.call("check files") for _ in range(3)] == [True, True, False]
    bounds.changed()
    assert bounds.call("check files")


def test_two_turns_in_a_row_that_lead_nowhere_are_an_end_and_one_in_between_is_none() -> None:
    bounds = Bounds(1)
    bounds.strike("x")
    bounds.good()
    bounds.strike("x")
    with pytest.raises(Exhausted, match="twice in a row"):
        bounds.strike("y")


def test_so_are_eight_in_all() -> None:
    bounds = Bounds(1)
    for _ in range(7):
        bounds.strike("x")
        bounds.good()
    with pytest.raises(Exhausted, match="8 times"):
        bounds.strike("x")


def test_the_persons_time_is_not_the_agents() -> None:
    now = [0.0]
    bounds = Bounds(1, seconds=10, clock=lambda: now[0])
    bounds.begin_turn()
    bounds.waiting(True)
    now[0] = 1_000
    bounds.waiting(False)
    bounds.begin_turn()
    now[0] = 1_011
    with pytest.raises(Exhausted, match="10 seconds"):
        bounds.begin_turn()
