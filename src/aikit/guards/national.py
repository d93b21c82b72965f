"""Finds the numbers of `authorities`, with the checksums of `python-stdnum`."""

from __future__ import annotations

import re
from collections.abc import Collection
from importlib import import_module

from aikit.guards.authorities import NUMBERS, Number
from aikit.guards.matches import Match, Seeker
from aikit.guards.seeking import Accept, Pattern, said_before

REACH = 48
"How many characters before a number a word counts that says what it is."


def seekers(kinds: Collection[str]) -> list[Seeker]:
    """The detectors of these kinds."""
    found: list[Seeker] = []
    for number in NUMBERS:
        if number.kind not in kinds:
            continue
        if number.pattern:
            found.append(Pattern(_bounded(number.pattern), _accept(number, None)))
        if number.loose:
            found.append(Pattern(_bounded(number.loose), _accept(number, re.compile(f"(?i){number.words}"))))
    return found


_FIRST = re.compile(r"(\[[^\]]+\])(?:\{([0-9]+)\})?")


def _bounded(pattern: str) -> str:
    """A number that is no part of another one. The look behind it stands after its first character, or `re` would try
    it everywhere instead of where that character is."""
    beginning = _FIRST.match(pattern)
    assert beginning is not None, pattern
    first, times = beginning.groups(default="1")
    rest = pattern[beginning.end() :] if times == "1" else f"{first}{{{int(times) - 1}}}{pattern[beginning.end() :]}"
    return rf"{first}(?<![\w.-]{first})(?<![0-9] {first}){rest}(?![\w-])(?![. ][0-9])"


def _accept(number: Number, words: re.Pattern[str] | None) -> Accept:
    def accept(text: str, candidate: re.Match[str]) -> Match | None:
        if words is not None and not said_before(text, candidate.start(), words, REACH):
            return None
        value = re.sub(r"[\W_]+", "", candidate.group()).upper()
        if number.module and not _valid(number.module, value):
            return None
        return Match(candidate.start(), candidate.end(), number.kind, value)

    return accept


def _valid(module: str, value: str) -> bool:
    return bool(import_module(f"stdnum.{module}").is_valid(value))
