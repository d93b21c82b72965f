"""From a look at everything to a plan, and from the plan to what was done: in order, verified, until one fails.

Nothing is remembered between two runs: each looks again, and does what is not done yet.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from aikit.errors import AIKitError
from aikit.setup.model import Check, Place, Progress, Row, State, Step
from aikit.setup.steps import steps_of
from aikit.setup.steps.base import broken

LONGEST = 20.0
"""Seconds that a look may take, its rows for the plan included; each is asked to be done in 10."""
REACH = "reach:"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Planned:
    """A step as it was found, and what it says for the plan."""

    step: Step
    check: Check
    rows: tuple[Row, ...]

    @property
    def todo(self) -> bool:
        """Whether there is something to do: what is not there, or is odd and can be put right."""
        if self.check.state is State.WARNING:
            return any(row.will for row in self.rows)
        return self.check.state is not State.OK


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a step. `seconds` None: it was all right before."""

    step: Step
    check: Check
    seconds: float | None = None
    minor: bool = False
    """It failed, and nothing that is wanted depends on it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps in their order."""

    steps: tuple[Planned, ...]

    @property
    def to_apply(self) -> list[Planned]:
        """Those that there is something to do for, up to the first that can't be applied."""
        stop = self.stop
        before = self.steps[: self.steps.index(stop)] if stop else self.steps
        return [planned for planned in before if planned.todo and not self.is_minor(planned.step)]

    @property
    def stop(self) -> Planned | None:
        """The first that is broken, so that nothing after it can be done."""
        return next(
            (one for one in self.steps if one.check.state is State.BROKEN and not self.is_minor(one.step)), None
        )

    def is_minor(self, step: Step) -> bool:
        """A provider that is not the one the metered call goes to: it is told how it is, and no more."""
        needed = {need for planned in self.steps for need in planned.step.needs}
        return step.name.startswith(REACH) and step.name not in needed

    def found(self, name: str) -> Check | None:
        return next((planned.check for planned in self.steps if planned.step.name == name), None)


def detect(place: Place) -> Plan:
    """Look at everything, at the same time. Writes nothing, starts nothing, never raises."""
    steps = steps_of(place)
    found = at_once([lambda step=step: _look(step, place) for step in steps])  # type: ignore[misc]
    unanswered = broken(f"It did not answer within {LONGEST:.0f} s.", "Check the network, then run it again.")
    return Plan(
        tuple(
            Planned(step, *(one if one is not None else (unanswered, ())))
            for step, one in zip(steps, found, strict=True)
        )
    )


def settle_on_provider(place: Place, plan: Plan) -> bool:
    """Choose the first provider that works, if none was chosen. True: that is another one than the plan is for."""
    if place.choices.provider is not None or place.choices.simulator:
        return False
    working = [one.step.name.removeprefix(REACH) for one in plan.steps if _works(one)]
    if not working or any(f"{REACH}{working[0]}" in one.step.needs for one in plan.steps):
        return False
    place.choices.provider = working[0]
    return True


def apply(plan: Plan, place: Place, progress: Progress = lambda _: None) -> Iterator[Done]:
    """Do it, step by step; what each comes to is yielded when it is known. The last one has failed, or all are done."""
    for planned in plan.steps:
        step = planned.step
        if not planned.todo or plan.is_minor(step):
            yield Done(step, planned.check, minor=not planned.check.ok)
            continue
        start = time.monotonic()
        check = _applied(planned, place, progress)
        yield Done(step, check, time.monotonic() - start)
        if not check.ok:
            return


def at_once(jobs: Sequence[Callable[[], T]]) -> list[T | None]:
    """Run them beside one another; None for one that is not done in time. An interrupt does not wait for them."""
    found: list[T | None] = [None] * len(jobs)

    def run(index: int) -> None:
        found[index] = jobs[index]()

    threads = [threading.Thread(target=run, args=(index,), daemon=True) for index in range(len(jobs))]
    deadline = time.monotonic() + LONGEST
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return list(found)


def _look(step: Step, place: Place) -> tuple[Check, tuple[Row, ...]]:
    check = step.check(place)
    try:
        return check, tuple(step.describe(place))
    except AIKitError as error:
        return check, (Row(step.title, error.message),)
    except Exception as error:
        return check, (Row(step.title, f"can't be described ({type(error).__name__})"),)


def _applied(planned: Planned, place: Place, progress: Progress) -> Check:
    step = planned.step
    try:
        if planned.check.state is State.BROKEN and (again := step.verify(place)).state is State.BROKEN:
            return again  # what came before it has not mended it, and applying it would not
        step.apply(place, progress)
    except AIKitError as error:
        return broken(error.message, error.remedy, error.exit, **error.facts)
    place.reload()
    return step.verify(place)


def _works(planned: Planned) -> bool:
    return planned.step.name.startswith(REACH) and planned.check.ok
