"""The plan: in order, verified, and no further than the first step that fails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from aikit.config import Settings
from aikit.errors import ConfigError
from aikit.setup import planning
from aikit.setup.model import Check, Choices, Place, Progress, Row, State
from aikit.setup.planning import Plan, Planned, apply, detect


class Fake:
    """A step that is what it is told to be, and notes what is done to it."""

    def __init__(self, name: str, *states: State, needs: Sequence[str] = (), error: Exception | None = None) -> None:
        self.name, self.title, self.needs = name, name, tuple(needs)
        self.states, self.error, self.applied = list(states), error, 0

    def check(self, place: Place) -> Check:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return Check(state, f"{self.name} is {state}", "do it")

    def describe(self, place: Place) -> list[Row]:
        return [Row(self.name, "there")]

    def apply(self, place: Place, progress: Progress) -> None:
        self.applied += 1
        if self.error:
            raise self.error

    def verify(self, place: Place) -> Check:
        return self.check(place)


def a_place() -> Place:
    def load(*_: object) -> Settings:
        raise ConfigError("there are none")

    return Place(Path("/"), {}, Choices(), load)


def planned(monkeypatch: pytest.MonkeyPatch, *steps: Fake) -> Plan:
    monkeypatch.setattr(planning, "steps_of", lambda place: steps)
    return detect(a_place())


def test_what_is_there_is_left_alone_and_the_rest_is_done_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    there, first, second = (Fake("there", State.OK), Fake("first", State.MISSING, State.OK),
                            Fake("second", State.MISSING, State.OK))  # fmt: skip
    plan = planned(monkeypatch, there, first, second)
    assert [one.step.name for one in plan.to_apply] == ["first", "second"]
    done = list(apply(plan, a_place()))
    assert [(one.step.name, one.check.state, one.seconds is None) for one in done] == [
        ("there", "ok", True),
        ("first", "ok", False),
        ("second", "ok", False),
    ]
    assert (there.applied, first.applied, second.applied) == (0, 1, 1)


def test_nothing_comes_after_a_step_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = ConfigError("It went wrong.", remedy="Mend it.")
    failing, after = Fake("failing", State.MISSING, error=wrong), Fake("after", State.MISSING, State.OK)
    done = list(apply(planned(monkeypatch, failing, after), a_place()))
    assert [(one.step.name, one.check.why, one.check.remedy) for one in done] == [
        ("failing", "It went wrong.", "Mend it.")
    ]
    assert after.applied == 0


def test_a_step_that_says_it_did_it_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    lying, after = Fake("lying", State.MISSING), Fake("after", State.MISSING)
    done = list(apply(planned(monkeypatch, lying, after), a_place()))
    assert [one.check.ok for one in done] == [False]


def test_a_broken_step_is_not_applied_but_what_is_before_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before, wrong, after = (
        Fake("before", State.MISSING, State.OK),
        Fake("wrong", State.BROKEN),
        Fake("z", State.MISSING),
    )
    plan = planned(monkeypatch, before, wrong, after)
    assert [one.step.name for one in plan.to_apply] == ["before"]
    assert plan.stop is not None and plan.stop.step is wrong
    assert [one.step.name for one in apply(plan, a_place())] == ["before", "wrong"]
    assert (before.applied, wrong.applied, after.applied) == (1, 0, 0)


def test_a_broken_step_that_an_earlier_one_mended_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    before, mended = Fake("before", State.MISSING, State.OK), Fake("mended", State.BROKEN, State.OK)
    plan = planned(monkeypatch, before, mended)
    assert [one.check.ok for one in apply(plan, a_place())] == [True, True]


def test_a_provider_that_nothing_needs_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bad, good = Fake("reach:bad", State.BROKEN), Fake("reach:good", State.OK)
    call = Fake("call", State.MISSING, State.OK, needs=["reach:good"])
    plan = planned(monkeypatch, bad, good, call)
    assert plan.stop is None
    assert [(one.step.name, one.check.ok, one.minor) for one in apply(plan, a_place())] == [
        ("reach:bad", False, True),
        ("reach:good", True, False),
        ("call", True, False),
    ]


def test_a_warning_is_something_to_do_only_if_something_will_be_done() -> None:
    check = Check(State.WARNING, "odd")
    assert not Planned(Fake("a", State.OK), check, (Row("a", "odd"),)).todo
    assert Planned(Fake("a", State.OK), check, (Row("a", "odd", will="will do it"),)).todo


def test_looks_are_taken_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    together = threading.Barrier(3, timeout=10)
    assert planning.at_once([together.wait] * 3) != [None] * 3


def test_a_look_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(planning, "LONGEST", 0.05)
    assert planning.at_once([lambda: 1, lambda: threading.Event().wait(20)]) == [1, None]
