"""Placeholders for what is redacted, and what they stand for where that is to be put back."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aikit.guards.flow import Buffer, Flow, Out
from aikit.guards.matches import Match
from aikit.types.guards import GuardRule

LONGEST = 80
_PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]{0,68}_[0-9]{1,7}\]")
_OPEN = re.compile(r"\[[A-Z0-9_]{0,78}\Z")
_NOT_IN_A_LABEL = re.compile(r"[^A-Z0-9]+")


class Original(NamedTuple):
    """What a placeholder stands for, and who put it there."""

    text: str
    kind: str
    rule: GuardRule


class Placeholders:
    """The placeholders of one attempt: the same for the same text, and none that the request has in it already."""

    def __init__(self, keyed: Callable[[str], str], taken: Callable[[str], bool]) -> None:
        self._keyed = keyed
        self._taken = taken
        self._numbers: dict[str, int] = {}
        self._given: dict[tuple[str, str], str] = {}
        self.originals: dict[str, Original] = {}

    def instead(self, text: str, label: str) -> str:
        """The placeholder for a text, `[LABEL_1]`. Only a keyed hash of the text is kept."""
        key = (label, self._keyed(text))
        given = self._given.get(key)
        if given is None:
            given = self._given[key] = self._new(label)
        return given

    def remember(self, placeholder: str, original: Original) -> None:
        self.originals.setdefault(placeholder, original)

    def _new(self, label: str) -> str:
        while True:
            number = self._numbers[label] = self._numbers.get(label, 0) + 1
            placeholder = f"[{label}_{number}]"
            if not self._taken(placeholder):
                return placeholder


def label(kind: str) -> str:
    """What a placeholder for this kind is called: `de.idnr` is `DE_IDNR`."""
    name = _NOT_IN_A_LABEL.sub("_", kind.upper()).strip("_")[:60]
    return name if name[:1].isalpha() else f"X_{name}".rstrip("_")


class Restoring:
    """The last stage: puts back what placeholders stand for, as far as `original` says so."""

    def __init__(self, original: Callable[[str], str | None]) -> None:
        self._original = original
        self._buffer = Buffer(0)

    def feed(self, flow: Flow) -> Flow:
        self._buffer.add(flow)
        text = self._buffer.text
        decided = len(text) if flow.ending else self._undecided(text)
        out = Out()
        for match in _PLACEHOLDER.finditer(text, self._buffer.start):
            if match.start() >= decided:
                break
            original = self._original(match.group())
            if original is not None:
                self._buffer.release(match.start(), out)
                self._buffer.release(match.end(), out, original)
        self._buffer.release(decided, out)
        self._buffer.forget()
        return out.flow(flow.ending)

    @staticmethod
    def _undecided(text: str) -> int:
        last = text.rfind("[", max(0, len(text) - LONGEST))
        return last if last >= 0 and _OPEN.match(text, last) else len(text)


def redacted_kind(group: Sequence[Match]) -> str:
    """The kind a placeholder is named after: that of the longest match, the first one of that length."""
    return max(group, key=lambda match: match.end - match.start).kind
