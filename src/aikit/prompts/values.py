"""What a template works with: texts, numbers, true and false, none, lists and mappings, and what is done with them.

Nothing here reads an attribute of a value or calls it, and nothing is made before the budget has paid for it.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import Undefined

from aikit.prompts.budget import Budget

BITS = 128
"""Whole numbers have at most so many."""
LONGEST_RANGE = 10_000


class Misused(Exception):
    """A template does with a value what can't be done with it. Its text has no value in it."""


def kind(value: Any) -> str:
    """What to call it in a message."""
    if isinstance(value, bool):
        return "true or false"
    if value is None:
        return "none"
    names = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), "something that can't be used like this")


def given(value: Any) -> Any:
    """The value as it is; raises jinja2's UndefinedError if there is none."""
    if isinstance(value, Undefined):
        value._fail_with_undefined_error()
    return value


def is_number(value: Any) -> bool:
    return type(value) in (int, float)


def text_of(value: Any, what: str) -> str:
    if type(given(value)) is not str:
        raise Misused(f"{what} takes a text, and this is {kind(value)}")
    return str(value)


def list_of(value: Any, what: str) -> list[Any]:
    if type(given(value)) is not list:
        raise Misused(f"{what} takes a list, and this is {kind(value)}")
    return list(value)


def whole(value: Any, what: str) -> int:
    if type(given(value)) is not int:
        raise Misused(f"{what} takes a whole number, and this is {kind(value)}")
    return int(value)


def number(value: Any) -> Any:
    """A number that was worked out, if it is one that can be used."""
    if type(value) is int and value.bit_length() <= BITS:
        return value
    if type(value) is float and math.isfinite(value):
        return value
    raise Misused("the number that comes out is too large, or none")


def written(value: Any) -> str:
    """The value as it is written into a message. Raises Misused for what has no one way to be written."""
    if type(given(value)) is str:
        return str(value)
    if is_number(value):
        return str(value)
    raise Misused(f"{kind(value)} can't be written as it is: use |tojson, |join or an if")


def concatenated(budget: Budget, values: Sequence[Any], between: str = "") -> str:
    budget.spend(len(values))
    parts = [written(value) for value in values]
    budget.text(sum(map(len, parts)) + len(between) * max(len(parts) - 1, 0))
    return between.join(parts)


def added(budget: Budget, left: Any, right: Any) -> Any:
    if type(left) is str and type(right) is str:
        return concatenated(budget, [left, right])
    if type(left) is list and type(right) is list:
        budget.spend(len(left) + len(right))
        return [*left, *right]
    return calculated("+", operator.add, left, right)


def calculated(sign: str, work: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    if not (is_number(given(left)) and is_number(given(right))):
        raise Misused(f"{sign} takes numbers, and this is {kind(left)} and {kind(right)}")
    return number(work(left, right))


def power(left: Any, right: Any) -> Any:
    if type(left) is int and type(right) is int and left.bit_length() * abs(right) > BITS:
        raise Misused("the number that comes out is too large, or none")
    return calculated("**", operator.pow, left, right)


def compared(budget: Budget, left: Any, sign: str, right: Any) -> bool:
    """One comparison, by the name that Jinja has for it."""
    given(left), given(right)
    budget.walk(left)
    budget.walk(right)
    if sign in ("eq", "ne"):
        return bool(left == right) is (sign == "eq")
    if sign in ("in", "notin"):
        return _contains(right, left) is (sign == "in")
    if not ((is_number(left) and is_number(right)) or (type(left) is str and type(right) is str)):
        raise Misused(f"only two numbers or two texts have an order, and this is {kind(left)} and {kind(right)}")
    orders = {"lt": operator.lt, "lteq": operator.le, "gt": operator.gt, "gteq": operator.ge}
    return bool(orders[sign](left, right))


def _contains(whole: Any, part: Any) -> bool:
    if type(whole) is list or (type(whole) in (str, dict) and type(part) is str):
        return part in whole
    raise Misused(f"{kind(part)} can't be in {kind(whole)}")


def sliced(budget: Budget, value: Any, start: Any, stop: Any, step: Any) -> Any:
    if type(given(value)) not in (str, list):
        raise Misused(f"[:] takes a text or a list, and this is {kind(value)}")
    bounds = [None if bound is None else whole(bound, "[:]") for bound in (start, stop, step)]
    if bounds[2] == 0:
        raise Misused("a step of 0 never ends")
    budget.text(len(value))
    return value[slice(*bounds)]


def ranged(budget: Budget, bounds: Sequence[Any]) -> list[int]:
    if not 1 <= len(bounds) <= 3:
        raise Misused("range takes one, two or three numbers")
    wanted = [whole(bound, "range") for bound in bounds]
    if wanted[2:] == [0]:
        raise Misused("a step of 0 never ends")
    if any(number.bit_length() > 62 for number in wanted) or len(range(*wanted)) > LONGEST_RANGE:
        raise Misused(f"a range has at most {LONGEST_RANGE:,} numbers")
    budget.spend(len(range(*wanted)))
    return list(range(*wanted))


def each(budget: Budget, value: Any) -> list[Any]:
    """What a loop goes through: the items of a list, or the keys of a mapping."""
    if type(given(value)) not in (list, dict):
        raise Misused(f"for goes through a list or a mapping, and this is {kind(value)}")
    budget.spend(len(value))
    return list(value)
