"""Has guards look at the texts of one request or one response, each text once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from aikit.guards.screening import Blocked, Channel, Screening
from aikit.types.guards import Finding, GuardAction, GuardRule, Place
from aikit.wire.texts.model import Sort, Stopped

UNREADABLE = "unreadable"
TOO_LONG = "too_long"
_ACTING = (GuardAction.BLOCK, GuardAction.REDACT)


class Counting(Screening):
    """A screening that counts how often it found something."""

    def __init__(self, rules: Sequence[GuardRule], **facts: Any) -> None:
        super().__init__(rules, **facts)
        self.rules = tuple(rules)
        self.recorded = 0

    def record(self, finding: Finding) -> None:
        self.recorded += 1
        super().record(finding)


class Checker:
    """`repeats`: a text that comes again is the same one told again, as streams do; else it is one more, and what was
    found in it counts again. `places` are those that there can be.
    """

    def __init__(self, screening: Counting, *, repeats: bool = False, places: Iterable[Place] = tuple(Place)) -> None:
        self._screening = screening
        self._repeats = repeats
        self._known: dict[tuple[Place, Sort, str], str] = {}
        self.places = frozenset(place for place in places if screening.applies(place))
        self.altered = 0

    def applies(self, place: Place) -> bool:
        return place in self.places

    def check(self, place: Place, at: str, text: str, sort: Sort = Sort.ANSWER) -> str:
        if not text or place not in self.places:
            return text
        key = (place, sort, text)
        checked = self._known.get(key)
        if checked is None:
            before = self._screening.recorded
            checked = _asking(lambda: self._channel(place, at, sort).finish(text))
            if self._repeats or self._screening.recorded == before:
                self._known[key] = checked
        self.altered += checked != text
        return checked

    def channel(self, place: Place, at: str, sort: Sort = Sort.ANSWER) -> Piecewise:
        return Piecewise(self._channel(place, at, sort))

    def known(self, place: Place, text: str, checked: str, sort: Sort = Sort.ANSWER) -> None:
        if self._repeats:
            self._known[place, sort, text] = checked

    def oversize(self, place: Place, at: str) -> None:
        self._refuse(TOO_LONG, at, (place,))

    def unreadable(self) -> None:
        """Something can't be read, and so not be checked. Raises Stopped if any guard blocks or redacts."""
        self._refuse(UNREADABLE, "", [place for place in Place if place in self.places])

    def _refuse(self, kind: str, at: str, places: Iterable[Place]) -> None:
        for rule in self._screening.rules:
            place = next((place for place in places if place in rule.places), None)
            if place is not None and rule.action in _ACTING:
                found = Finding(rule.guard, kind, place, GuardAction.BLOCK, at)
                self._screening.record(found)
                raise Stopped((found,))

    def _channel(self, place: Place, at: str, sort: Sort) -> Channel:
        return self._screening.channel(place, at, answer=sort is Sort.ANSWER, restores=sort is not Sort.SIGNED)


class Piecewise:
    """A text in pieces."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def feed(self, piece: str) -> str:
        return _asking(lambda: self._channel.feed(piece)) if piece else ""

    def flush(self) -> str:
        return _asking(self._channel.flush)


def _asking(step: Callable[[], str]) -> str:
    try:
        return step()
    except Blocked as block:
        raise Stopped(block.findings, block.released) from None
