"""What a field of the policy file can be, beyond what `aikit.kinds` has for all files; in the words of TOML."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from aikit import kinds
from aikit.kinds import Field, Kind, Path, Problem, Schema, Wrong, quoted
from aikit.money import parse_usd
from aikit.policy.model import Policy
from aikit.types import TAG_LENGTH, check_tag

__all__ = ["Field", "Kind", "Path", "Problem", "Schema", "Wrong", "quoted"]

TOML = kinds.Language(
    array="an array",
    table="a table",
    nothing="null",
    floating="the float {}, which is not exact",
    write_array="Write an array of {}, in square brackets.",
    write_table="Write a table: its fields below a heading in square brackets, or in { }.",
    names_all=False,
)
shown, suggestion, as_table = TOML.shown, TOML.suggestion, TOML.as_table
words, many, table = TOML.words, TOML.many, TOML.fields
FLAG = TOML.flag()

MONEY = re.compile(r"^\$?[0-9][0-9,]*(\.[0-9]{1,9})?$")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place(kinds.Place):
    """Where the reader is, and what it has found so far."""

    nano_per_credit: int
    policies: dict[str, tuple[Path, Policy]] = field(default_factory=dict)
    """The good ones so far, by name, and where each was found."""


def whole(low: int, high: int) -> Kind:
    """A whole number."""

    def read(value: Any, _: Place) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"is {shown(value)}", f"Write a whole number from {low:,} to {high:,}, without quotes.")
        if not low <= value <= high:
            raise Wrong(f"is {shown(value)}", f"It must be from {low:,} to {high:,}.")
        return value

    return Kind({"type": "integer", "minimum": low, "maximum": high}, read)


def tag(name: str) -> Kind:
    """A tenant, a user, a name: what `aikit.types.check_tag` takes."""

    def read(value: Any, _: Place) -> str:
        check_name(name, value)
        return str(value)

    return Kind({"type": "string", "minLength": 1, "maxLength": TAG_LENGTH, "pattern": r"\S"}, read)


def text(longest: int) -> Kind:
    """Text for people."""

    def read(value: Any, _: Place) -> str:
        if not isinstance(value, str):
            raise Wrong(f"is {shown(value)}", "Write text in quotes.")
        if len(value) > longest or not value.strip():
            raise Wrong(f"has {len(value):,} characters", f"It must have 1 to {longest:,}.")
        if not all(character.isprintable() or character in "\n\t" for character in value):
            raise Wrong("has characters that can't be printed", "Remove them.")
        return value

    return Kind({"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"\S"}, read)


def _read_usd(value: Any, _: Place) -> int:
    if not isinstance(value, str):
        number = isinstance(value, int | float) and not isinstance(value, bool)
        raise Wrong(f"is {shown(value)}", f'Put it in quotes: "{value}".' if number else 'Write it like "5.00".')
    if not MONEY.search(value):
        raise Wrong(f"is {shown(value)}", 'Write dollars as digits, with up to 9 decimal places, like "5.00".')
    try:
        return parse_usd(value)
    except ValueError as error:
        raise Wrong(f"can't be used: {error}", 'Write dollars like "5.00".') from None


USD = Kind({"type": "string", "pattern": MONEY.pattern, "examples": ["5.00"]}, _read_usd)
"""Read as nano-USD."""


def check_name(name: str, value: Any) -> None:
    """Raises Wrong for what `aikit.types.check_tag` does not take."""
    try:
        check_tag(name, value)
    except ValueError as error:
        raise Wrong(
            f"can't be used: {error}", "Write a short name in quotes, such as those that calls carry."
        ) from None


def key_text(key: str) -> str:
    """A key as TOML writes it."""
    return key if BARE_KEY.fullmatch(key) else quoted(key)


def path_text(path: Path) -> str:
    """A path for people: `plans.free.limits[1].cap`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{key_text(part)}" for part in path]
    return "".join(parts).removeprefix(".")
