"""Steps, places and persons for tests of the set-up agent: all of them pretend, and remember what was done to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aikit.config import Settings, load
from aikit.errors import AIKitError
from aikit.setup.model import Check, Choices, Place, Progress, Row, State

CANARY_KEY = "sk-canary-Zq83hT0mXw52LdVb9Yc4"
CANARY_PASSWORD = "Pf7-canary-9xRt2"
CANARIES = (CANARY_KEY, CANARY_PASSWORD)


@dataclass
class PretendStep:
    """A step that stands as it is told to, and is in order once it was applied, unless `failure` comes in between."""

    name: str
    title: str = ""
    needs: tuple[str, ...] = ()
    found: Check = field(default_factory=lambda: Check(State.MISSING, "not there yet", "aikit init"))
    failure: AIKitError | None = None
    applied: int = 0
    checked: int = 0

    def check(self, place: Place) -> Check:
        self.checked += 1
        return self.found

    def describe(self, place: Place) -> list[Row]:
        return [Row(self.name, "pretend", "test", "will be done")]

    def apply(self, place: Place, progress: Progress) -> None:
        self.applied += 1
        progress("doing it")
        if self.failure is not None:
            raise self.failure
        self.found = Check(State.OK, "in order")

    def verify(self, place: Place) -> Check:
        return self.found


class Typist:
    """A person who types these lines, and nothing after them. `seen` is all that was shown, `agents` what it said."""

    def __init__(self, *lines: str, hidden: Iterable[str] = (), interactive: bool = True) -> None:
        self.interactive = interactive
        self._lines, self._hidden = list(lines), list(hidden)
        self.notes: list[str] = []
        self.agents: list[str] = []
        self.prompts: list[str] = []

    @property
    def seen(self) -> str:
        return "\n".join([*self.notes, *self.agents, *self.prompts])

    def say(self, text: str) -> None:
        self.agents.append(text)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def read(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self._next(self._lines)

    def read_hidden(self, prompt: str) -> str:
        self.prompts.append(prompt)
        return self._next(self._hidden)

    @staticmethod
    def _next(lines: list[str]) -> str:
        if not lines:
            raise EOFError
        return lines.pop(0)


class PretendCaps:
    """Caps in a dictionary; None as the caps: the ledger is away."""

    def __init__(self, caps: Mapping[tuple[str, str], int] | None = None) -> None:
        self.caps = None if caps is None else dict(caps)
        self.stated: list[tuple[str, str, int]] = []

    def current(self, tenant: str, window: str) -> int | None:
        if self.caps is None:
            raise AIKitError("The ledger is away.", code="DATABASE_UNAVAILABLE")
        return self.caps.get((tenant, str(window)))

    def state(self, tenant: str, window: str, nano: int) -> None:
        self.stated.append((tenant, str(window), nano))


def place_at(folder: Path, environ: Mapping[str, str] | None = None, choices: Choices | None = None) -> Place:
    """A place in that folder whose settings come from its aikit.toml and these variables, and from nowhere else."""
    (folder / "aikit.toml").touch()

    def settings(at: Path, variables: Mapping[str, str]) -> Settings:
        return load(at / "aikit.toml", variables)

    return Place(folder, dict(environ or {}), choices or Choices(), settings)
