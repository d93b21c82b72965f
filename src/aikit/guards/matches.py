"""What the detectors of a guard speak: where something stands in a text, and from where on it is not decided yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from aikit.types.guards import Place


class Match(NamedTuple):
    """Something found at `text[start:end]`. `value` is its normal form, which is hashed; the text itself if empty."""

    start: int
    end: int
    kind: str
    value: str = ""


class CustomGuard(Protocol):
    """A guard of the application's own: a function of a text and its place.

    It may have an attribute `window`: the longest match in characters, with what it looks at around it. Then a stream
    is checked in blocks of at least that size, each seen with a window before and after it; without it the whole text
    is held until its end.
    """

    def __call__(self, text: str, place: Place, /) -> Iterable[Match]: ...


class Seeker(Protocol):
    """Looks for one sort of thing."""

    def seek(self, text: str, start: int) -> Match | None:
        """The first match that starts at `start` or later.

        Whether there is one at a position depends on at most `Eyes.behind` characters before it, and on nothing from
        the position on that `Eyes.undecided` would not hold.
        """
        ...


class Eyes(NamedTuple):
    """The detectors of a guard, and what has to be held back for them.

    `undecided(text, start)` is the first position, at least `start`, where more text could make a difference to a
    match that starts there. It may say too early a position, never too late a one. `behind` is how many characters
    before a position count.
    """

    seekers: Sequence[Seeker]
    undecided: Callable[[str, int], int]
    behind: int = 1


def grouped(matches: Iterable[Match]) -> Iterator[list[Match]]:
    """Matches by where they start, those that overlap together: what is done is done to all the text they cover."""
    group: list[Match] = []
    end = -1
    for match in sorted(matches):
        if group and match.start >= end:
            yield group
            group = []
        group.append(match)
        end = max(end, match.end) if len(group) > 1 else match.end
    if group:
        yield group


def covered(group: Sequence[Match]) -> tuple[int, int]:
    """From where to where a group reaches."""
    return group[0].start, max(match.end for match in group)
