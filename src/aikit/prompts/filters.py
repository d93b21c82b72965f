"""The filters and tests that templates have. There are no others, and all are ours: none reaches an attribute."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from jinja2 import Undefined

from aikit.prompts.budget import CHARACTERS, Budget, Exceeded
from aikit.prompts.values import (
    Misused,
    concatenated,
    given,
    is_number,
    kind,
    list_of,
    number,
    text_of,
    whole,
    written,
)

WIDEST = 100
"""Columns of an indent."""
LONGEST_NUMBER = 40
"""Characters of a text that is read as a number."""


def lower(budget: Budget, value: Any) -> str:
    budget.text(len(text_of(value, "lower")))
    return str(value).lower()


def upper(budget: Budget, value: Any) -> str:
    budget.text(len(text_of(value, "upper")))
    return str(value).upper()


def trim(budget: Budget, value: Any) -> str:
    budget.text(len(text_of(value, "trim")))
    return str(value).strip()


def replace(budget: Budget, value: Any, old: Any, new: Any) -> str:
    text, before, after = text_of(value, "replace"), text_of(old, "replace"), text_of(new, "replace")
    if not before:
        raise Misused("replace needs a text to look for")
    budget.text(len(text))
    budget.text(len(text) + text.count(before) * max(len(after) - len(before), 0))
    return text.replace(before, after)


def indent(budget: Budget, value: Any, width: Any = 4, first: Any = False) -> str:
    text, columns = text_of(value, "indent"), whole(width, "indent")
    if not 0 <= columns <= WIDEST:
        raise Misused(f"indent takes a width from 0 to {WIDEST}")
    budget.text(len(text) + (text.count("\n") + 1) * columns)
    space = " " * columns
    lines = [space + line if line else line for line in text.split("\n")]
    return "\n".join(lines)[0 if first is True or not text or text[0] == "\n" else columns :]


def join(budget: Budget, value: Any, d: Any = "") -> str:
    return concatenated(budget, list_of(value, "join"), text_of(d, "join"))


def tojson(budget: Budget, value: Any, indent: Any = None) -> str:
    """As JSON, with the characters of all scripts as they are."""
    width = None if indent is None else whole(indent, "tojson")
    if width is not None and not 0 <= width <= 8:
        raise Misused("tojson takes an indent from 0 to 8")
    budget.walk(given(value))
    parts, size = [], 0
    for part in json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=width).iterencode(value):
        size += len(part)
        if size > CHARACTERS:
            raise Exceeded(f"JSON of more than {CHARACTERS:,} characters")
        budget.text(len(part))
        parts.append(part)
    return "".join(parts)


def default(budget: Budget, value: Any, default_value: Any = "", boolean: Any = False) -> Any:
    """The value, or another one where there is none; with `boolean`, also for what is empty or false."""
    return default_value if isinstance(value, Undefined) or (boolean is True and not value) else value


def length(budget: Budget, value: Any) -> int:
    if type(given(value)) not in (str, list, dict):
        raise Misused(f"length takes a text, a list or a mapping, and this is {kind(value)}")
    return len(value)


def first(budget: Budget, value: Any) -> Any:
    return _at(value, 0, "first")


def last(budget: Budget, value: Any) -> Any:
    return _at(value, -1, "last")


def _at(value: Any, index: int, what: str) -> Any:
    if not list_of(value, what):
        raise Misused(f"{what} of an empty list")
    return value[index]


def items(budget: Budget, value: Any) -> list[Any]:
    """The pairs of a mapping: `{% for key, value in scores|items %}`."""
    if type(given(value)) is not dict:
        raise Misused(f"items takes a mapping, and this is {kind(value)}")
    budget.spend(len(value))
    return [[key, found] for key, found in value.items()]


def reverse(budget: Budget, value: Any) -> list[Any]:
    budget.spend(len(list_of(value, "reverse")))
    return list(value)[::-1]


def sort(budget: Budget, value: Any, reverse: Any = False) -> list[Any]:
    return sorted(_orderly(budget, value, "sort"), reverse=reverse is True)


def unique(budget: Budget, value: Any) -> list[Any]:
    return list(dict.fromkeys(_orderly(budget, value, "unique")))


def smallest(budget: Budget, value: Any) -> Any:
    return min(_filled(_orderly(budget, value, "min"), "min"))


def largest(budget: Budget, value: Any) -> Any:
    return max(_filled(_orderly(budget, value, "max"), "max"))


def total(budget: Budget, value: Any) -> Any:
    numbers = _orderly(budget, value, "sum")
    if numbers and not is_number(numbers[0]):
        raise Misused("sum takes a list of numbers")
    return number(sum(numbers))


def _filled(found: list[Any], what: str) -> list[Any]:
    if not found:
        raise Misused(f"{what} of an empty list")
    return found


def _orderly(budget: Budget, value: Any, what: str) -> list[Any]:
    """A list that is all numbers or all texts."""
    found = list_of(value, what)
    budget.walk(found)
    budget.spend(len(found) * max(len(found).bit_length(), 1))
    if not (all(map(is_number, found)) or all(type(item) is str for item in found)):
        raise Misused(f"{what} takes a list of numbers, or one of texts")
    return found


def absolute(budget: Budget, value: Any) -> Any:
    return abs(_number(value, "abs"))


def rounded(budget: Budget, value: Any, precision: Any = 0) -> Any:
    """Half to even, as Python does; a whole number if no digits are asked for."""
    digits = whole(precision, "round")
    if not 0 <= digits <= 15:
        raise Misused("round takes 0 to 15 digits")
    return number(round(_number(value, "round"), digits or None))


def to_int(budget: Budget, value: Any) -> int:
    """A number without its fraction, or a text that is a whole number."""
    return int(number(_read(int, value, "int")))


def to_float(budget: Budget, value: Any) -> float:
    return float(number(_read(float, value, "float")))


def _read(kind: type[int] | type[float], value: Any, what: str) -> Any:
    found = value if type(given(value)) is str else _number(value, what)
    try:
        if type(found) is not str or len(found) <= LONGEST_NUMBER:
            return kind(found)
    except ValueError:
        pass
    raise Misused(f"{what} takes a number, or a text that is one, and this text is none")


def _number(value: Any, what: str) -> Any:
    if not is_number(given(value)):
        raise Misused(f"{what} takes a number, and this is {kind(value)}")
    return value


def string(budget: Budget, value: Any) -> str:
    return written(value)


Filter = Callable[..., Any]

FILTERS: dict[str, Filter] = {
    "abs": absolute,
    "count": length,
    "d": default,
    "default": default,
    "first": first,
    "float": to_float,
    "indent": indent,
    "int": to_int,
    "items": items,
    "join": join,
    "last": last,
    "length": length,
    "lower": lower,
    "max": largest,
    "min": smallest,
    "replace": replace,
    "reverse": reverse,
    "round": rounded,
    "sort": sort,
    "string": string,
    "sum": total,
    "tojson": tojson,
    "trim": trim,
    "unique": unique,
    "upper": upper,
}


def _divisible(value: Any, by: Any) -> bool:
    if whole(by, "divisibleby") == 0:
        raise Misused("nothing is divisible by 0")
    return whole(value, "divisibleby") % int(by) == 0


TESTS: dict[str, Filter] = {
    "boolean": lambda value: type(given(value)) is bool,
    "defined": lambda value: not isinstance(value, Undefined),
    "divisibleby": _divisible,
    "even": lambda value: _divisible(value, 2),
    "false": lambda value: given(value) is False,
    "float": lambda value: type(given(value)) is float,
    "integer": lambda value: type(given(value)) is int,
    "list": lambda value: type(given(value)) is list,
    "mapping": lambda value: type(given(value)) is dict,
    "none": lambda value: given(value) is None,
    "number": lambda value: is_number(given(value)),
    "odd": lambda value: not _divisible(value, 2),
    "string": lambda value: type(given(value)) is str,
    "true": lambda value: given(value) is True,
    "undefined": lambda value: isinstance(value, Undefined),
}
