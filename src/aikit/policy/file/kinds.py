"""What a field of the policy file can be: each kind of value has its JSON Schema and its reader side by side."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from aikit.money import parse_usd
from aikit.policy.file.lines import Path
from aikit.policy.model import Policy
from aikit.types import TAG_LENGTH, check_tag

Schema = dict[str, Any]

MONEY = re.compile(r"^\$?[0-9][0-9,]*(\.[0-9]{1,9})?$")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


class Wrong(Exception):
    """A value that can't be used: what is wrong with it, and the remedy; `key` if it is only a part of the value."""

    def __init__(self, what: str, remedy: str, key: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.key = key


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file, and where."""

    path: Path
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is, and what it has found so far."""

    nano_per_credit: int
    problems: list[Problem] = field(default_factory=list)
    policies: dict[str, tuple[Path, Policy]] = field(default_factory=dict)
    """The good ones so far, by name, and where each was found."""
    path: Path = ()

    def at(self, key: str | int) -> Place:
        """The place of a part."""
        return replace(self, path=(*self.path, key))

    def report(self, wrong: Wrong) -> None:
        """Note a problem here, or in the part that it names."""
        path = self.path if wrong.key is None else (*self.path, wrong.key)
        self.problems.append(Problem(path, wrong.what, wrong.remedy))

    @property
    def clean(self) -> bool:
        """Nothing has been found wrong here."""
        return not any(problem.path[: len(self.path)] == self.path for problem in self.problems)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `read` turns what TOML says into what is meant; it raises Wrong, or reports at the place."""

    schema: Schema
    read: Callable[[Any, Place], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a table: what it can be, and what it is for."""

    kind: Kind
    about: str

    @property
    def schema(self) -> Schema:
        return {"description": self.about, **self.kind.schema}


def whole(low: int, high: int) -> Kind:
    """A whole number."""

    def read(value: Any, _: Place) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"is {shown(value)}", f"Write a whole number from {low:,} to {high:,}, without quotes.")
        if not low <= value <= high:
            raise Wrong(f"is {shown(value)}", f"It must be from {low:,} to {high:,}.")
        return value

    return Kind({"type": "integer", "minimum": low, "maximum": high}, read)


def words(words: Iterable[str]) -> Kind:
    """One of some words; `read` returns it as it is among `words`."""
    known = tuple(words)

    def read(value: Any, _: Place) -> str:
        if not isinstance(value, str) or value not in known:
            raise Wrong(f"is {shown(value)}", suggestion(value, known))
        return known[known.index(value)]

    return Kind({"type": "string", "enum": [str(word) for word in known]}, read)


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


def _read_flag(value: Any, _: Place) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"is {shown(value)}", "Write true or false, without quotes.")
    return value


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


FLAG = Kind({"type": "boolean"}, _read_flag)
USD = Kind({"type": "string", "pattern": MONEY.pattern, "examples": ["5.00"]}, _read_usd)
"""Read as nano-USD."""


def many(item: Kind, *, of: str) -> Kind:
    """An array; read as a tuple of what is good in it."""

    def read(values: Any, place: Place) -> tuple[Any, ...]:
        if not isinstance(values, list):
            raise Wrong(f"is {shown(values)}", f"Write an array of {of}, in square brackets.")
        found = []
        for index, value in enumerate(values):
            try:
                found.append(item.read(value, place.at(index)))
            except Wrong as wrong:
                place.at(index).report(wrong)
        return tuple(found)

    return Kind({"type": "array", "items": item.schema}, read)


def table(
    fields: Mapping[str, Field],
    *,
    required: Sequence[str] = (),
    elsewhere: Mapping[str, str] | None = None,
    references: bool = False,
) -> Kind:
    """A table with these fields; read as a dict of what is good in it.

    `elsewhere` has remedies for fields that belong elsewhere. With `references` the schema names the fields of a
    policy in `$defs` instead of repeating them.
    """

    def read(value: Any, place: Place) -> dict[str, Any]:
        found = {}
        for name, stated in as_table(value).items():
            if name not in fields:
                remedy = (elsewhere or {}).get(name) or suggestion(name, tuple(fields))
                place.at(name).report(Wrong("is not a field here", remedy))
                continue
            try:
                found[name] = fields[name].kind.read(stated, place.at(name))
            except Wrong as wrong:
                place.at(name).report(wrong)
        for name in required:
            if name not in value:
                place.at(name).report(Wrong("is missing", fields[name].about))
        return found

    schema: Schema = {
        "type": "object",
        "properties": {n: {"$ref": f"#/$defs/{n}"} if references else f.schema for n, f in fields.items()},
        "additionalProperties": False,
    }
    return Kind({**schema, "required": list(required)} if required else schema, read)


def as_table(value: Any) -> dict[str, Any]:
    """The value, if it is a table. Raises Wrong if not."""
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", "Write a table: its fields below a heading in square brackets, or in { }.")
    return value


def check_name(name: str, value: Any) -> None:
    """Raises Wrong for what `aikit.types.check_tag` does not take."""
    try:
        check_tag(name, value)
    except ValueError as error:
        raise Wrong(
            f"can't be used: {error}", "Write a short name in quotes, such as those that calls carry."
        ) from None


def suggestion(value: Any, known: Sequence[str]) -> str:
    """The nearest known word, or all of them."""
    close = get_close_matches(value, known, n=1, cutoff=0.5) if isinstance(value, str) else []
    return f"Did you mean {close[0]}?" if close else f"Known: {', '.join(known)}."


def key_text(key: str) -> str:
    """A key as TOML writes it."""
    return key if BARE_KEY.fullmatch(key) else quoted(key)


def quoted(value: str) -> str:
    """A text as TOML writes it on one line."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def path_text(path: Path) -> str:
    """A path for people: `plans.free.limits[1].cap`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{key_text(part)}" for part in path]
    return "".join(parts).removeprefix(".")


def shown(value: Any) -> str:
    """A value for a message, never a long one."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value) if len(value) <= 60 else f"a text of {len(value):,} characters"
        case int():
            return f"{value:,}" if abs(value) < 10**30 else "a very large number"
        case float():
            return f"the float {value}, which is not exact"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"
