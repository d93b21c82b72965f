"""An exam looks at one thing; what it found is a finding, with how long that took."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aikit.errors import Exit
from aikit.setup.model import Check, State

if TYPE_CHECKING:
    from aikit.setup.doctor.patient import Patient

Look = Callable[["Patient"], Check]
"""Looks, and writes nothing that stays. What it raises is what it found."""


@dataclass(frozen=True, slots=True)
class Exam:
    """`needs` are the ids of exams that must not fail before it. `thorough`: only when everything is wanted."""

    group: str
    name: str
    look: Look
    needs: tuple[str, ...] = ()
    thorough: bool = False

    @property
    def id(self) -> str:
        """`database/schema`."""
        return f"{self.group}/{self.name}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What an exam found, and after how many seconds. `check` None: it was not made, for `waits_for` failed."""

    exam: Exam
    check: Check | None
    seconds: float = 0.0
    waits_for: str | None = None

    @property
    def failed(self) -> bool:
        """It does not work, or is missing."""
        return self.check is not None and not self.check.ok

    @property
    def warns(self) -> bool:
        """It works, but not as it should."""
        return self.check is not None and self.check.state is State.WARNING


def fine(why: str, **facts: object) -> Check:
    """It is as it should be; `why` says what it is."""
    return Check(State.OK, why, facts=facts, exit=Exit.OK)


def warning(why: str, remedy: str, **facts: object) -> Check:
    """It works, but not as it should; a run with nothing worse exits 0."""
    return Check(State.WARNING, why, remedy, facts, exit=Exit.OK)


def broken(why: str, remedy: str, exit: Exit = Exit.NO, **facts: object) -> Check:
    """It does not work."""
    return Check(State.BROKEN, why, remedy, facts, exit)


def missing(why: str, remedy: str, exit: Exit = Exit.NO, **facts: object) -> Check:
    """It is not there."""
    return Check(State.MISSING, why, remedy, facts, exit)
