"""What a field of a suite or a case can be: each kind of value has its JSON Schema and its reader side by side."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Any

from aikit.prompts.plain_yaml import Path

Schema = dict[str, Any]


class Wrong(Exception):
    """A value that can't be used: what is wrong with it, and the remedy."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong in a file, and where."""

    path: Path
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where the reader is, and what it has found wrong so far."""

    problems: list[Problem] = field(default_factory=list)
    path: Path = ()

    def at(self, key: str | int) -> Place:
        """The place of a part."""
        return replace(self, path=(*self.path, key))

    def report(self, wrong: Wrong) -> None:
        self.problems.append(Problem(self.path, wrong.what, wrong.remedy))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value. `read` turns what is stated into what is meant; it raises Wrong, or reports at the place."""

    schema: Schema
    read: Callable[[Any, Place], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a mapping: what it can be, and what it is for."""

    kind: Kind
    about: str

    @property
    def schema(self) -> Schema:
        return {"description": self.about, **self.kind.schema}


def whole(low: int, high: int) -> Kind:
    """A whole number; 3.0 is one."""

    def read(value: Any, _: Place) -> int:
        if not is_number(value) or value != int(value):
            raise Wrong(f"is {shown(value)}", f"Write a whole number from {low:,} to {high:,}, without quotes.")
        if not low <= value <= high:
            raise Wrong(f"is {shown(value)}", f"It must be from {low:,} to {high:,}.")
        return int(value)

    return Kind({"type": "integer", "minimum": low, "maximum": high}, read)


def number(low: float | None, high: float | None = None) -> Kind:
    """A number, as a float; with no bounds, any that is finite."""
    reach = "" if low is None else f" from {low:g}" if high is None else f" from {low:g} to {high:g}"

    def read(value: Any, _: Place) -> float:
        if not is_number(value):
            raise Wrong(f"is {shown(value)}", f"Write a number{reach}, without quotes.")
        if (low is not None and value < low) or (high is not None and value > high):
            raise Wrong(f"is {shown(value)}", f"It must be{reach}.")
        return float(value)

    bounds = {"minimum": low, "maximum": high}
    return Kind({"type": "number", **{name: bound for name, bound in bounds.items() if bound is not None}}, read)


def words(*known: str) -> Kind:
    """One of some words."""

    def read(value: Any, _: Place) -> str:
        if not isinstance(value, str) or value not in known:
            raise Wrong(f"is {shown(value)}", suggestion(value, known))
        return value

    return Kind({"type": "string", "enum": list(known)}, read)


def text(longest: int) -> Kind:
    """Text that is not empty."""

    def read(value: Any, _: Place) -> str:
        if not isinstance(value, str):
            raise Wrong(f"is {shown(value)}", "Write a text, in quotes if need be.")
        if not 1 <= len(value) <= longest or not re.search(r"\S", value):
            raise Wrong(f"has {len(value):,} characters" if value.strip() else "is empty", _length(longest))
        return value

    return Kind({"type": "string", "minLength": 1, "maxLength": longest, "pattern": r"\S"}, read)


def patterned(pattern: str, remedy: str) -> Kind:
    """Text that a pattern describes."""
    compiled = re.compile(pattern)

    def read(value: Any, _: Place) -> str:
        if not isinstance(value, str) or not compiled.search(value) or value.endswith("\n"):
            raise Wrong(f"is {shown(value)}", remedy)
        return value

    return Kind({"type": "string", "pattern": pattern}, read)


def many(item: Kind, *, of: str, least: int = 0) -> Kind:
    """A list; read as a tuple of what is good in it."""

    def read(values: Any, place: Place) -> tuple[Any, ...]:
        if not isinstance(values, list):
            raise Wrong(f"is {shown(values)}", f"Write a list of {of}, in square brackets.")
        if len(values) < least:
            raise Wrong("is empty", f"Write a list of {of}, in square brackets.")
        return tuple(read_parts(item, enumerate(values), place))

    return Kind({"type": "array", "items": item.schema, **({"minItems": least} if least else {})}, read)


def read_parts(item: Kind, values: Iterable[tuple[str | int, Any]], place: Place) -> list[Any]:
    """What is good among the parts of a value; what is not is reported where it stands."""
    found = []
    for key, value in values:
        try:
            found.append(item.read(value, place.at(key)))
        except Wrong as wrong:
            place.at(key).report(wrong)
    return found


def mapping(fields: Mapping[str, Field], *, required: Sequence[str] = (), least: int = 0) -> Kind:
    """A mapping with these fields; read as a dict of what is good in it. `least`: how many fields it has to state."""

    def read(value: Any, place: Place) -> dict[str, Any]:
        stated = as_mapping(value)
        found = {}
        for name, inner in stated.items():
            if name not in fields:
                place.at(name).report(Wrong("is not a field here", suggestion(name, tuple(fields))))
                continue
            try:
                found[name] = fields[name].kind.read(inner, place.at(name))
            except Wrong as wrong:
                place.at(name).report(wrong)
        for name in required:
            if name not in stated:
                place.at(name).report(Wrong("is missing", fields[name].about))
        if len(stated) < least:
            raise Wrong("states nothing", f"State at least one of {', '.join(fields)}.")
        return found

    schema: Schema = {
        "type": "object",
        "properties": {name: inner.schema for name, inner in fields.items()},
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
        **({"minProperties": least} if least else {}),
    }
    return Kind(schema, read)


def as_mapping(value: Any) -> dict[str, Any]:
    """The value, if it is a mapping. Raises Wrong if not."""
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", "Write its fields under it, indented.")
    return value


def _read_flag(value: Any, _: Place) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"is {shown(value)}", "Write true or false, without quotes.")
    return value


ANYTHING = Kind({}, lambda value, _: value)
FLAG = Kind({"type": "boolean"}, _read_flag)
OBJECT = Kind({"type": "object"}, lambda value, _: as_mapping(value))


def is_number(value: Any) -> bool:
    """A finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def suggestion(value: Any, known: Sequence[str]) -> str:
    """The nearest known word, and what may be written."""
    close = get_close_matches(value, known, n=1, cutoff=0.5) if isinstance(value, str) else []
    return (f"Did you mean {close[0]}? " if close else "") + f"Known: {', '.join(known)}."


def path_text(path: Path) -> str:
    """A path for people: `scorers.judge.rubric[1].weight`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")[:200]


def shown(value: Any) -> str:
    """A value for a message, never a long one."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return "empty"
        case str():
            return json.dumps(value, ensure_ascii=False) if len(value) <= 60 else f"a text of {len(value):,} characters"
        case int():
            return f"{value:,}" if abs(value) < 10**30 else "a very large number"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return str(value)


def _length(longest: int) -> str:
    return f"It must have 1 to {longest:,} characters."
