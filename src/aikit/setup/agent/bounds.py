"""How far a session with the agent may go: turns, calls, words, tokens, money, time. Pure but for the clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from aikit.money import format_usd


class Exhausted(Exception):
    """A bound is reached; the message says which."""


@dataclass(slots=True)
class Bounds:
    """What there is, and what of it is used. Time is that of the agent: the person may think as long as they like."""

    money_nano: int
    turns: int = 40
    calls: int = 60
    refusals: int = 8
    strikes: int = 2
    same: int = 2
    waits: int = 5
    tokens: int = 300_000
    characters: int = 80_000
    seconds: float = 600
    clock: Callable[[], float] = time.monotonic
    spent_nano: int = 0
    _turns: int = 0
    _calls: int = 0
    _refusals: int = 0
    _strikes: int = 0
    _waits: int = 0
    _tokens: int = 0
    _characters: int = 0
    _since: float | None = None
    _waited: float = 0
    _seen: dict[str, int] = field(default_factory=dict)

    def begin_turn(self) -> None:
        """Raises Exhausted if no turn is left, or nothing to pay it with."""
        self._since = self.clock() if self._since is None else self._since
        self._turns += 1
        for used, most, what in (
            (self._turns, self.turns, "turns"),
            (self._tokens, self.tokens, "tokens"),
            (self._characters, self.characters, "characters of conversation"),
        ):
            if used > most:
                raise Exhausted(f"the agent has used its {most:,} {what}")
        if self.spent_nano >= self.money_nano:
            raise Exhausted(f"the agent has spent its {format_usd(self.money_nano)}")
        if self.clock() - self._since - self._waited > self.seconds:
            raise Exhausted(f"the agent has used its {self.seconds:.0f} seconds")

    def spend(self, nano: int, tokens: int) -> None:
        self.spent_nano += nano
        self._tokens += tokens

    def grow(self, characters: int) -> None:
        """The conversation has become so much longer."""
        self._characters += characters

    def call(self, signature: str) -> bool:
        """A tool is called: whether it may be. False: the same call has been made, and nothing has changed since."""
        self._calls += 1
        if self._calls > self.calls:
            raise Exhausted(f"the agent has used its {self.calls} tool calls")
        self._seen[signature] = self._seen.get(signature, 0) + 1
        return self._seen[signature] <= self.same

    def changed(self) -> None:
        """Something is different now: looking again makes sense."""
        self._seen.clear()

    def good(self) -> None:
        """The turn led somewhere."""
        self._strikes = 0

    def strike(self, why: str) -> None:
        """The turn led nowhere. Raises Exhausted when it was so twice in a row, or too often in all."""
        self._strikes += 1
        self._refusals += 1
        if self._strikes >= self.strikes:
            raise Exhausted(f"the agent made no sense twice in a row ({why})")
        if self._refusals >= self.refusals:
            raise Exhausted(f"the agent made no sense {self._refusals} times ({why})")

    def wait(self) -> bool:
        """Whether the agent may wait once more for a provider or a limit."""
        self._waits += 1
        return self._waits <= self.waits

    def waiting(self, waits: bool) -> None:
        """The person is waited for from now on, or no longer."""
        self._waited += -self.clock() if waits else self.clock()
