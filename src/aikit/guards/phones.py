"""Telephone numbers: candidates by their shape, then the numbering plans of `phonenumbers`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from aikit.guards.matches import Match, Seeker
from aikit.guards.seeking import Pattern, digits, said_before

_GAP = "[ .()/\u00a0\u2010-\u2015-]"
_SHAPE = (
    r"[0-9(+](?<![\w./#$€£@%+-][0-9(+])(?<![0-9],[0-9(+])"
    rf"(?:{_GAP}{{0,2}}[0-9]){{6,15}}(?![\w])(?!-[0-9])"
)
MOST_GROUPS = 8
FEWEST_DIGITS = 7
_SAYS_PHONE = re.compile(
    r"(?i)\b(?:tel|phone|telephone|call|mobile|cell|fax|sms|whatsapp|text|dial|reach|ring|telefon|tél|móvil|handy|"
    r"telefono|teléfono|telefone|celular)"
)
_A_DATE = re.compile(r"(?:[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4})(?![0-9])")
_GAPS = re.compile(r"[^0-9+]+")


def seekers(regions: tuple[str, ...]) -> list[Seeker]:
    plans = [region.upper() for region in regions]

    def accept(text: str, candidate: re.Match[str]) -> Match | None:
        found = candidate.group()
        if (found[0] == "(" and ")" not in found) or _A_DATE.match(found):
            return None
        said: bool | None = None
        for part in _beginnings(found):
            if part[0] == "+":
                number = _international(part)
            else:
                if said is None:
                    said = said_before(text, candidate.start(), _SAYS_PHONE, 32)
                number = _national(part, plans, said)
            if number:
                return Match(candidate.start(), candidate.start() + len(part), "phone", number)
        return None

    return [Pattern(_SHAPE, accept)]


def _beginnings(found: str) -> Iterator[str]:
    """The candidate, and what remains of it with groups of digits taken from its end."""
    ends = [gap.start() for gap in _GAPS.finditer(found, 1)] + [len(found)]
    for end in reversed(ends[:MOST_GROUPS]):
        part = found[:end]
        if len(digits(part)) < FEWEST_DIGITS:
            return
        if part.count("(") == part.count(")"):
            yield part


def _international(part: str) -> str | None:
    import phonenumbers

    try:
        number = phonenumbers.parse(part)
    except phonenumbers.NumberParseException:
        return None
    return _normal(number) if phonenumbers.is_valid_number(number) else None


def _national(part: str, regions: list[str], said: bool) -> str | None:
    """A number without its country: it must be grouped as people do it, or announced as a phone number."""
    groups = [group for group in _GAPS.split(part) if group]
    in_groups = len(groups) >= 3 or part[0] == "(" or (len(groups) == 2 and (part[0] == "0" or "-" in part))
    if not said and (not in_groups or len(groups) > 6 or (len(groups) == 2 and "." in part)):
        return None
    number = digits(part)
    sizes = tuple(map(len, groups))
    for region in regions:
        lengths, trunk, general = _plan(region)
        significant = number.removeprefix(trunk) if trunk else number
        if len(significant) in lengths and general.fullmatch(significant):
            if not said and not _as_at_home(trunk, sizes, part):
                continue
            if (valid := _valid_in(number, region)) is not None:
                return valid
    return None


def _as_at_home(trunk: str, sizes: tuple[int, ...], part: str) -> bool:
    """Whether people of a region with this prefix write its numbers so: North Americans in threes and a four."""
    if trunk == "1":
        return sizes in ((3, 3, 4), (1, 3, 3, 4))
    return trunk != "0" or part[0] in "0("


def _valid_in(number: str, region: str) -> str | None:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return None
    return _normal(parsed) if phonenumbers.is_valid_number(parsed) else None


@lru_cache(maxsize=300)
def _plan(region: str) -> tuple[frozenset[int], str, re.Pattern[str]]:
    """The lengths of a region's numbers, the prefix they are written with at home, and their pattern."""
    from phonenumbers import PhoneMetadata

    data: Any = PhoneMetadata.metadata_for_region(region, None)
    if data is None:
        return frozenset(), "", re.compile("(?!)")
    lengths = frozenset(length for length in data.general_desc.possible_length if length >= 7)
    return lengths, data.national_prefix or "", re.compile(data.general_desc.national_number_pattern)


def _normal(number: Any) -> str:
    return f"{number.country_code}{number.national_number}"
