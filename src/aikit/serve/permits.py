"""How often keys may be used in a minute, by the ledger's clock: a process takes some of it from the ledger in advance.

What processes take is never more than there is, so all of them together never let more through. What a process has
taken and not used when the minute is over is lost: the less is left of a minute, the less is taken in advance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Use(NamedTuple):
    """Requests that want to be made with a key in a minute, counted from the epoch; `most` is how many may be."""

    key: str
    wanted: int
    most: int
    minute: int


class Taken(NamedTuple):
    """What the ledger gave out; `seconds_left` is how long the minute lasts."""

    key: str
    granted: int
    minute: int
    seconds_left: float


class Allowed(NamedTuple):
    """How many of the wanted may go ahead, and in how many seconds the others may try again."""

    requests: int
    retry_after: float


@dataclass(slots=True)
class _Left:
    minute: int
    requests: int = 0
    no_more: bool = False


MOST_KEYS = 10_000


class Permits:
    """What this process has taken and not used."""

    def __init__(self) -> None:
        self._left: dict[str, _Left] = {}

    def lacking(self, uses: Iterable[Use]) -> list[Use]:
        """What has to be taken from the ledger, sorted by key: all processes lock in one order."""
        lacking = []
        for use in uses:
            left = self._of(use)
            if use.wanted > left.requests and not left.no_more:
                lacking.append(use._replace(wanted=use.wanted - left.requests))
        return sorted(lacking)

    def use(self, uses: Iterable[Use], taken: Mapping[str, Taken], second: float) -> dict[str, Allowed]:
        """Let through what can be; `second` is how far the minute is, in seconds."""
        allowed = {}
        for use in uses:
            left = self._of(use)
            available = left.requests
            retry_after = 60 - second
            if given := taken.get(use.key):
                available += given.granted
                retry_after = given.seconds_left
                left.minute = max(left.minute, given.minute)
                left.no_more = available < use.wanted
            through = min(use.wanted, available)
            left.requests = available - through
            allowed[use.key] = Allowed(through, max(0.1, retry_after))
        self._forget()
        return allowed

    def _of(self, use: Use) -> _Left:
        left = self._left.get(use.key)
        if left is None or left.minute < use.minute:
            left = self._left[use.key] = _Left(use.minute)
        return left

    def _forget(self) -> None:
        """Keys of minutes that are over need not be remembered."""
        if len(self._left) > MOST_KEYS:
            newest = max(left.minute for left in self._left.values())
            self._left = {key: left for key, left in self._left.items() if left.minute == newest}
