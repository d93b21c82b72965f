"""The person at the terminal: what is said to them, and what they answer. Only a yes of theirs is a yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from aikit.money import format_usd
from aikit.setup.agent.redacting import Redactor
from aikit.setup.agent.wording import asks_for_a_key, looks_like_a_key, plain

LONGEST_SAID = 2_000
LONGEST_SHOWN = 4_000
LONGEST_KEY = 8_192
TRIES = 3
LEAVE = "q"
NO_KEYS_HERE = (
    "Don't type a key or a password here, whatever is asked: aikit takes keys only at its own hidden prompt, "
    "and the agent never needs to see one."
)
NOT_PASSED_ON = "That looks like a key or a password. It was not passed on, and is kept nowhere."


class Left(Exception):
    """The person has left the agent."""


class Ui(Protocol):
    """A terminal, or what stands for one. Texts that come in are plain: no markup, no control characters."""

    interactive: bool
    """Somebody can answer."""

    def say(self, text: str) -> None:
        """What the agent says; it must be told apart from what aikit says."""

    def note(self, text: str) -> None:
        """What aikit itself says."""

    def read(self, prompt: str) -> str:
        """A line that the person types. Raises EOFError if nothing more can come."""

    def read_hidden(self, prompt: str) -> str:
        """A line that is not shown. Raises EOFError if nothing more can come."""


class Verdict(NamedTuple):
    """What a person says to a proposal; `said` are their words, if they used some, as they may be passed on."""

    yes: bool
    said: str = ""


class Person:
    """Everything that goes to the person, and everything that comes from them, cleaned before it is passed on.

    `yes`: proposals are agreed to in advance. `waiting` is told when somebody is waited for, and when no longer.
    """

    def __init__(
        self,
        ui: Ui,
        redactor: Redactor,
        *,
        yes: bool = False,
        waiting: Callable[[bool], None] = lambda waits: None,
    ) -> None:
        self._ui = ui
        self._redactor = redactor
        self._yes = yes
        self._waiting = waiting
        self._asked_for_a_key = False

    @property
    def there(self) -> bool:
        """Whether somebody can answer."""
        return self._ui.interactive

    def hear(self, text: str) -> None:
        """What the agent says."""
        if shown := plain(self._redactor.known(text), LONGEST_SHOWN):
            self._asked_for_a_key = self._asked_for_a_key or asks_for_a_key(shown)
            self._ui.say(shown)

    def note(self, text: str) -> None:
        """What aikit says."""
        self._ui.note(plain(self._redactor.known(text), LONGEST_SHOWN))

    def detail(self, text: str) -> None:
        """What belongs to the line before or after it, set in."""
        self._ui.note(f"  {plain(self._redactor.known(text), LONGEST_SHOWN)}")

    def spent(self, nano: int, cap: int) -> None:
        self.note(f"{format_usd(nano)} of {format_usd(cap)}")

    def turn(self) -> str:
        """What the person says of their own accord; empty to go on."""
        return self._words(">") if self.there else ""

    def answer(self, question: str) -> str | None:
        """The answer to a question of the agent; None: nobody is there, or what was typed can't be passed on."""
        self.hear(question)
        if not self.there:
            return None
        return self._words("answer>") or None

    def agrees(self, question: str, rows: Sequence[str] = ()) -> Verdict:
        """Whether a change may be made. The words of the question are aikit's, never the agent's."""
        for row in rows:
            self.detail(row)
        if self._yes:
            self.note(f"{question} yes (--yes)")
            return Verdict(True)
        if not self.there:
            return Verdict(False)
        asked = self._was_asked_for_a_key()
        typed = self._read(f"{plain(self._redactor.known(question), LONGEST_SHOWN)} [Y/n]").strip()
        if typed.lower() in ("", "y", "yes"):
            return Verdict(True)
        if typed.lower() in ("n", "no"):
            return Verdict(False)
        if self._is_key(typed, asked=asked):
            self.note(NOT_PASSED_ON)
            return Verdict(False)
        return Verdict(False, self._passed_on(typed))

    def types(self, question: str, expected: str) -> bool:
        """Whether the person types exactly this: for what a yes, or `--yes`, is too little."""
        if not self.there:
            return False
        return self._read(f"{plain(self._redactor.known(question), LONGEST_SHOWN)}").strip() == expected

    def key(self, name: str) -> str | None:
        """A key, typed at the hidden prompt; None: none was given. Nobody but its caller learns it."""
        if not self.there:
            return None
        self._was_asked_for_a_key()
        self._waiting(True)
        try:
            typed = self._ui.read_hidden(f"{name} (it is not shown; Enter for none):").strip()
        except EOFError:
            raise Left from None
        finally:
            self._waiting(False)
        if typed == LEAVE:
            raise Left
        if not typed:
            return None
        self._redactor.learn(name, typed)
        if len(typed) > LONGEST_KEY or not typed.isascii() or not typed.isprintable() or " " in typed:
            self.note("That can't be a key: it has spaces or other characters that no key has.")
            return None
        return typed

    def _words(self, prompt: str) -> str:
        """What is typed, after a warning if anything that the agent has said since the last time may ask for a key."""
        asked = self._was_asked_for_a_key()
        if asked:
            self.note(NO_KEYS_HERE)
        for _ in range(TRIES):
            typed = self._read(prompt).strip()
            if not self._is_key(typed, asked=asked):
                return self._passed_on(typed)
            self.note(NOT_PASSED_ON)
        return ""

    def _was_asked_for_a_key(self) -> bool:
        asked, self._asked_for_a_key = self._asked_for_a_key, False
        return asked

    def _read(self, prompt: str) -> str:
        self._waiting(True)
        try:
            typed = self._ui.read(prompt)
        except EOFError:
            raise Left from None
        finally:
            self._waiting(False)
        if typed.strip().lower() == LEAVE:
            raise Left
        return typed

    def _is_key(self, typed: str, *, asked: bool) -> bool:
        return self._redactor.knows(typed) or looks_like_a_key(typed, asked=asked)

    def _passed_on(self, typed: str) -> str:
        return plain(self._redactor.clean(typed), LONGEST_SAID)
