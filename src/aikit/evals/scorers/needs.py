"""What a scorer needs of a case: looked at when the suite is read, so that no run ends in what a file already shows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aikit.evals.model import Case

Options = Mapping[str, Any]


class Need(NamedTuple):
    """A part of a case that has to be there: how it is called, and whether a case has it."""

    what: str
    met: Callable[[Case], bool]


def nothing(options: Options) -> tuple[Need, ...]:
    return ()


def expected_text(options: Options) -> tuple[Need, ...]:
    """A text to compare with, stated for the scorer or by each case."""
    if "value" in options:
        return ()
    return (Need("`expected` as a text", lambda case: isinstance(case.expected, str)),)


def expected_value(options: Options) -> tuple[Need, ...]:
    """A text, or any value where the answer is compared as JSON."""
    if not options.get("json"):
        return expected_text(options)
    return () if "value" in options else (Need("`expected`", lambda case: case.expected is not None),)


def terms(options: Options) -> tuple[Need, ...]:
    if "terms" in options:
        return ()
    return (Need("`expected` as a text or a list of texts", lambda case: bool(terms_of(case.expected))),)


def pattern(options: Options) -> tuple[Need, ...]:
    if "pattern" in options:
        return ()
    return (Need("`expected` as a regular expression", lambda case: _compiles(case.expected)),)


def source(options: Options) -> tuple[Need, ...]:
    """The text that an answer must be faithful to."""
    where = options.get("source", "context")
    what = f"`{where}`" if where == "context" else f"`{where}` as a text"
    return (Need(what, lambda case: bool((source_of(case, where) or "").strip())),)


def source_of(case: Case, where: str) -> str | None:
    """The context of a case, or one of its vars; None if that is no text."""
    if where == "context":
        return case.context
    found = case.vars.get(where.removeprefix("vars."))
    return found if isinstance(found, str) else None


def terms_of(expected: Any) -> tuple[str, ...]:
    """The terms that a case expects; none if that is not what it expects."""
    listed = expected if isinstance(expected, list) else [expected]
    return tuple(listed) if all(isinstance(term, str) and term for term in listed) else ()


def _compiles(expected: Any) -> bool:
    try:
        return isinstance(expected, str) and bool(expected) and bool(re.compile(expected))
    except (re.error, RecursionError, OverflowError):
        return False
