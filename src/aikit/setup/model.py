"""A step of the set-up: it can be looked at, described, done and looked at again; what it finds is never kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from aikit.config import Settings
from aikit.errors import Exit


class State(StrEnum):
    """How a step stands. What is `broken` is there, but does not work; a `warning` works, but not as it should."""

    OK = "ok"
    MISSING = "missing"
    BROKEN = "broken"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Check:
    """What looking at a step found. `why` and `facts` have no secret in them; `remedy` is the exact command or action
    that mends it. `exit` is the exit code of a run that stops here.
    """

    state: State
    why: str
    remedy: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    exit: Exit = Exit.NO

    @property
    def ok(self) -> bool:
        return self.state in (State.OK, State.WARNING)


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the plan: `what: value (source)`, and what will be done about it; no secret in any of them."""

    what: str
    value: str
    source: str = ""
    will: str = ""


@dataclass(slots=True)
class Choices:
    """What the person has chosen so far, or the agent has proposed and the person has confirmed. None: nothing."""

    provider: str | None = None
    model: str | None = None
    database_url: str | None = field(default=None, repr=False)
    tenant: str = "default"
    cap_usd: str = "5.00"
    """A day, for the tenant."""
    cap_stated: bool = False
    """The cap was asked for: it replaces one that is there."""
    per_user_per_minute: int = 10
    settings: dict[str, str] = field(default_factory=dict)
    """Settings of aikit.toml that are no secret, by dotted name."""
    files: bool = True
    simulator: bool = False
    """No key is there, and the simulated provider stands in, by name."""
    keys: dict[str, str] = field(default_factory=dict, repr=False)
    """Keys that were typed, by the name of their variable; the step `keys` writes them to .env. Never shown."""
    gitignore: bool = False
    """The person agreed that .env is added to .gitignore."""


Progress = Callable[[str], None]
"""Hears what a step is doing, in a few words."""


@dataclass(slots=True)
class Place:
    """Where it is set up: the folder of the project, the environment, and what was chosen.

    `settings` are read again by `reload`, after a step has written something.
    """

    folder: Path
    environ: dict[str, str]
    choices: Choices
    load: Callable[[Path, Mapping[str, str]], Settings]
    _settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """As they are now. Raises ConfigError."""
        if self._settings is None:
            self._settings = self.load(self.folder, self.environ | self._typed())
        return self._settings

    def reload(self) -> None:
        """Something that settings are read from has changed."""
        self._settings = None

    def _typed(self) -> dict[str, str]:
        """What was chosen counts from then on, as it will once it is in .env."""
        url = self.choices.database_url
        return self.choices.keys | ({} if url is None else {"DATABASE_URL": url})


class Step(Protocol):
    """One step. It keeps nothing: `check` looks again each time, so that a run can be stopped and begun anew.

    `needs` are the names of the steps that must be all right before it. `name` is what the agent and the command line
    call it.
    """

    name: str
    title: str
    needs: tuple[str, ...]

    def check(self, place: Place) -> Check:
        """How it stands. Writes nothing, and takes 10 s at most. Never raises: what goes wrong is what it found."""

    def describe(self, place: Place) -> list[Row]:
        """What there is and what `apply` will do, for the plan."""

    def apply(self, place: Place, progress: Progress) -> None:
        """Do it. Safe to do twice. Raises AIKitError."""

    def verify(self, place: Place) -> Check:
        """Whether it has been done: usually `check` once more."""
