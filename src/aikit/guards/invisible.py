"""The guard `unicode`: characters that are not seen but read, and where they have their proper use."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aikit.guards.matches import Eyes, Match

LONGEST_RUN = 256
BEHIND = 32

_JOINERS = "\u200c\u200d"
_MARKS = "\u200e\u200f\u061c"
_BIDI = _MARKS + "\u202a-\u202e\u2066-\u2069"
_INVISIBLE = (
    "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200d\u2060-\u2065\u206a-\u206f\u2800\u3164\ufeff\uffa0"
    "\ufff9-\ufffb\U0001d173-\U0001d17a"
)
_TAGS = "\U000e0000-\U000e007f"
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_CONTROLS = "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f"
_CLASSES = {"invisible": _INVISIBLE, "bidi": _BIDI, "tags": _TAGS, "variation": _SELECTORS, "control": _CONTROLS}

_JOINING_SCRIPTS = re.compile(
    "[\u0600-\u08ff\u0900-\u0dff\u0f00-\u109f\u1780-\u18af\u1b00-\u1bff\ua840-\ua87f\ua8e0-\ua8ff\ufb50-\ufdff\ufe70-\ufefe]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe]")
_FLAG = re.compile("[\U000e0030-\U000e0039\U000e0061-\U000e007a]{2,6}\U000e007f")
_BLACK_FLAG = "\U0001f3f4"
_KEYCAPS = "0123456789#*"


def eyes(options: Mapping[str, Any]) -> Eyes:
    kinds = tuple(kind for kind in _CLASSES if kind in options["kinds"])
    return Eyes([_Hidden(kinds)], _undecided(kinds), BEHIND)


def _undecided(kinds: Iterable[str]) -> Callable[[str, int], int]:
    ascii_can_match = "control" in kinds
    run = re.compile("[" + "".join(_CLASSES.values()) + f"]{{0,{LONGEST_RUN}}}")

    def undecided(text: str, start: int) -> int:
        if not ascii_can_match and text.isascii():
            return len(text)
        matched = run.match(text[: max(0, len(text) - LONGEST_RUN - 1) : -1] if len(text) > LONGEST_RUN else text[::-1])
        return max(start, len(text) - matched.end()) if matched else len(text)

    return undecided


class _Hidden:
    """One character at a time, and a whole run where nothing in it has a proper use."""

    def __init__(self, kinds: tuple[str, ...]) -> None:
        self._ascii = "control" in kinds
        self._kinds = [(kind, re.compile(f"[{_CLASSES[kind]}]{{1,{LONGEST_RUN}}}")) for kind in kinds]
        self._any = re.compile("[" + "".join(_CLASSES[kind] for kind in kinds) + "]")

    def seek(self, text: str, start: int) -> Match | None:
        if not self._ascii and text.isascii():
            return None
        while found := self._any.search(text, start):
            at = found.start()
            proper = _proper(text, at)
            if not proper:
                return self._match(text, at)
            start = at + proper
        return None

    def _match(self, text: str, at: int) -> Match:
        for kind, run in self._kinds:
            found = run.match(text, at)
            if found:
                return Match(at, found.end(), kind, _spelled(found.group()) if kind == "tags" else "")
        raise AssertionError("a character of no kind")


def _spelled(tags: str) -> str:
    """What tag characters say, for the hash."""
    return "".join(chr(ord(tag) - 0xE0000) for tag in tags)


def _proper(text: str, at: int) -> int:
    """How many characters from a position on have a proper use there; 0 if the first one has none."""
    character = text[at]
    before = text[at - 1] if at else ""
    after = text[at + 1 : at + 2]
    if character in _JOINERS:
        if _JOINING_SCRIPTS.match(before):
            return 1
        return int(character == "\u200d" and _pictures(before) and _pictures(after))
    if character in _MARKS:
        return int(bool(_RIGHT_TO_LEFT.search(text[max(0, at - 16) : at] + after)))
    if character in "\u115f\u1160" and (_hangul(before) or _hangul(after)):
        return 1
    if "\U000e0000" <= character <= "\U000e007f":
        flag = _FLAG.match(text, at)
        return flag.end() - at if flag and before == _BLACK_FLAG else 0
    if character in "\ufe0e\ufe0f":
        return int(before in _KEYCAPS if before and before.isascii() else bool(before) and _symbol(before))
    if "\ufe00" <= character <= "\ufe0d" or "\U000e0100" <= character <= "\U000e01ef":
        return int(bool(before) and _takes_selector(before))
    if "\u180b" <= character <= "\u180f" and character != "\u180e":
        return int("\u1820" <= before <= "\u18aa")
    return 0


def _symbol(character: str) -> bool:
    return unicodedata.category(character) in ("So", "Sm", "Po", "Pd", "No", "Sk")


def _pictures(character: str) -> bool:
    """Whether it is a part of an emoji."""
    return character != "" and (
        character in "\ufe0f\u2640\u2642\u2695\u2696\u2708\u2764"
        or "\U0001f1e6" <= character <= "\U0001faff"
        or "\u2190" <= character <= "\u2bff"
    )


def _takes_selector(character: str) -> bool:
    """Whether variants of it are told apart by selectors: ideographs, mathematical signs, Myanmar and Phags-pa."""
    return (
        "\u2e80" <= character <= "\u9fff"
        or "\uf900" <= character <= "\ufaff"
        or "\U00020000" <= character <= "\U0003ffff"
        or "\u2200" <= character <= "\u2aff"
        or "\u1000" <= character <= "\u109f"
        or "\ua840" <= character <= "\ua87f"
    )


def _hangul(character: str) -> bool:
    return "\u1100" <= character <= "\u11ff"
