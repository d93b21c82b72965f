"""The means of detectors: patterns that are tried where a letter sequence stands, and what text is held for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from aikit.guards.matches import Match

Accept = Callable[[str, "re.Match[str]"], Match | None]
Undecided = Callable[[str, int], int]


class Pattern:
    """A pattern, tried at every position; `accept` says whether a candidate is one, and what of it.

    A match must start where its candidate does.
    """

    def __init__(self, pattern: str, accept: Accept, needs: str = "", flags: int = 0) -> None:
        self._search = re.compile(pattern, flags).search
        self._accept = accept
        self._needs = needs

    def seek(self, text: str, start: int) -> Match | None:
        if self._needs and self._needs not in text:
            return None
        while candidate := self._search(text, start):
            match = self._accept(text, candidate)
            if match is not None:
                return match
            start = candidate.start() + 1
        return None


class Literal:
    """A pattern that begins with a fixed sequence of letters, or has it `offset` characters after its beginning."""

    def __init__(self, literal: str, pattern: str, accept: Accept, offset: int = 0) -> None:
        self._literal = literal
        self._match = re.compile(pattern).match
        self._accept = accept
        self._offset = offset

    def seek(self, text: str, start: int) -> Match | None:
        at = start + self._offset
        while (at := text.find(self._literal, at)) >= 0:
            candidate = self._match(text, at - self._offset)
            match = self._accept(text, candidate) if candidate else None
            if match is not None:
                return match
            at += 1
        return None


def as_kind(kind: str) -> Accept:
    """Accepts every candidate."""
    return lambda text, candidate: Match(candidate.start(), candidate.end(), kind)


def run_at_end(characters: str, longest: int, not_first: str = "") -> Undecided:
    """Holds the characters of a class at the end of the text, at most the last `longest`, from the first one on with
    which a match can begin."""
    run = re.compile(f"{characters}{{0,{longest}}}")

    def undecided(text: str, start: int) -> int:
        tail = text[-1 : -longest - 1 : -1]
        matched = run.match(tail)
        held = matched.end() if matched else 0
        if not_first and held:
            held = len(tail[:held].rstrip(not_first))
        return max(start, len(text) - held)

    return undecided


def last_characters(number: int) -> Undecided:
    """Holds so many characters at the end of the text."""
    return lambda text, start: max(start, len(text) - number)


def earliest(*each: Undecided) -> Undecided:
    def undecided(text: str, start: int) -> int:
        return min(one(text, start) for one in each)

    return undecided


def partial(atoms: Sequence[str], flags: int = 0, gap: str = "") -> re.Pattern[str]:
    """What matches the beginning of a sequence of atoms that the end of the text cuts off, `gap` between them."""
    nested = ""
    for atom in reversed(atoms):
        nested = f"(?:{atom}{gap}{nested})?" if nested else f"(?:{atom})?"
    return re.compile(nested.removesuffix("?") + gap + r"\Z", flags)


def said_before(text: str, at: int, words: re.Pattern[str], reach: int) -> bool:
    """Whether one of these words stands in the `reach` characters before a position."""
    return words.search(text, max(0, at - reach), at) is not None


def digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def joined(words: Iterable[str]) -> str:
    """An alternation of words, the longest first."""
    return "|".join(sorted(map(re.escape, words), key=lambda word: (-len(word), word)))
