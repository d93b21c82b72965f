"""Token counts as providers report them: whole numbers from zero up, or the report can't be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_TOKENS = 10**12
"""More tokens than this in one response is no count but an error."""


class Unreadable(ValueError):
    """The usage that was reported can't be read, so it is unknown."""


def count(report: Mapping[str, Any], name: str, *, required: bool = False) -> int:
    """A count, 0 if it is absent or null and not `required`. Raises Unreadable for anything but a count."""
    value = report.get(name)
    if value is None and not required:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_TOKENS:
        return value
    raise Unreadable(name)


def details(report: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A breakdown inside a report, empty if it is absent. Raises Unreadable if it is no object."""
    value = report.get(name)
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise Unreadable(name)


def rest(total: int, *parts: int) -> int:
    """What of `total` is left beside its parts; never negative, so that an inconsistent report counts upward."""
    return max(0, total - sum(parts))
