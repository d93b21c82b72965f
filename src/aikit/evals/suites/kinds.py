"""What a field of a suite or a case can be, beyond what `aikit.kinds` has for all files; in the words of YAML."""

from __future__ import annotations

import math
import re
from typing import Any

from aikit.kinds import Field, Kind, Language, Path, Place, Problem, Schema, Wrong, read_parts

__all__ = ["Field", "Kind", "Place", "Problem", "Schema", "Wrong", "read_parts"]

YAML = Language(
    array="a list",
    table="a mapping",
    nothing="empty",
    floating="{}",
    write_array="Write a list of {}, in square brackets.",
    write_table="Write its fields under it, indented.",
    names_all=True,
)
shown, suggestion, as_mapping = YAML.shown, YAML.suggestion, YAML.as_table
many, mapping = YAML.many, YAML.fields
FLAG = YAML.flag()
ANYTHING = Kind({}, lambda value, _: value)
OBJECT = Kind({"type": "object"}, lambda value, _: as_mapping(value))


def words(*known: str) -> Kind:
    """One of some words."""
    return YAML.words(known)


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


def is_number(value: Any) -> bool:
    """A finite number, and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def path_text(path: Path) -> str:
    """A path for people: `scorers.judge.rubric[1].weight`."""
    parts = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in path]
    return "".join(parts).removeprefix(".")[:200]


def _length(longest: int) -> str:
    return f"It must have 1 to {longest:,} characters."
