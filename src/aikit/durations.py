"""How long something lasts, as people type it."""

from __future__ import annotations

import re
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LASTING = re.compile(r"([0-9]{1,8})\s*(s|m|h|d|w)")


def duration(text: str) -> timedelta:
    """How long `30s`, `10m`, `2h` or `1d` is. Raises ValueError for anything else."""
    found = _LASTING.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r} is not a duration; write 30s, 10m, 2h or 1d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})
