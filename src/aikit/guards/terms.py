"""The guard `banned_terms`: words and phrases of a list, whatever their case."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from aikit.guards.matches import Eyes, Match, Seeker
from aikit.guards.seeking import Undecided, joined

_SPACE = re.compile(r"\s+")
_SPACES = r"\s{1,4}"
_STEP = 512
"Characters that are folded at once: a text full of terms is not folded anew for each of them."


def eyes(options: Mapping[str, Any]) -> Eyes:
    terms = sorted({term for raw in options["terms"] if (term := _SPACE.sub(" ", _folded(raw)).strip())})
    seekers: list[Seeker] = [_Term(term) for term in terms]
    return Eyes(seekers, _undecided(terms))


def _folded(text: str) -> str:
    """A text without case. Both Turkish letters count as an i, as they do for `re.IGNORECASE`."""
    return text.replace("\u0130", "i").replace("\u0131", "i").casefold()


class _Term:
    def __init__(self, term: str) -> None:
        self._term = term
        self._needs = max(term.split(" "), key=len)
        before = r"(?<!\w)" if _of_a_word(term[0]) else ""
        after = r"(?!\w)" if _of_a_word(term[-1]) else ""
        words = _SPACES.join(map(_unfolded, term.split(" ")))
        self._pattern = re.compile(before + words + after, re.IGNORECASE)

    def seek(self, text: str, start: int) -> Match | None:
        for step in range(start, len(text), _STEP):
            if self._needs in _folded(text[step : step + _STEP + 2 * len(self._term) + 8]):
                found = self._pattern.search(text, step)
                return Match(found.start(), found.end(), "term", self._term) if found else None
        return None


def _of_a_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _unfolded(word: str) -> str:
    """The pattern of a word with each way to write its letters: `ss` may be one letter in the text."""
    pattern = ""
    at = 0
    while at < len(word):
        for folded, ways in _expanding().items():
            if word.startswith(folded, at):
                pattern += f"(?:{re.escape(folded)}|{joined(ways)})"
                at += len(folded)
                break
        else:
            pattern += re.escape(word[at])
            at += 1
    return pattern


@cache
def _expanding() -> Mapping[str, list[str]]:
    """Letters that are more than one when their case is folded, by what they become; the longest first."""
    ways: dict[str, list[str]] = {}
    for code in range(0x80, 0xFFFF):
        letter = chr(code)
        folded = letter.casefold()
        if len(folded) > 1 and letter != "\u0130":
            ways.setdefault(folded, []).append(letter)
    return dict(sorted(ways.items(), key=lambda way: -len(way[0])))


def _undecided(terms: Sequence[str]) -> Undecided:
    beginnings = {term[:length] for term in terms for length in range(1, len(term) + 1)}
    longest = max((len(term) + 3 * term.count(" ") for term in terms), default=0) + 1

    def undecided(text: str, start: int) -> int:
        for position in range(max(start, len(text) - longest), len(text)):
            if _SPACE.sub(" ", _folded(text[position:])) in beginnings:
                return position
        return len(text)

    return undecided
