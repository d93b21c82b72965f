"""How scores are written: two decimals where that says enough, and more where two figures would look the same."""

from __future__ import annotations

from collections.abc import Iterable
from math import isclose


def figure(value: float) -> str:
    """`0.71`; three significant digits for what is small, as dollars are."""
    return f"{value:.2f}" if value == 0 or abs(value) >= 0.1 else f"{value:.3g}"


def apart(one: float, other: float) -> tuple[str, str]:
    """Both with as many decimals, two at least, as it takes to see that they differ (if they do)."""
    decimals = 2
    while decimals < 12 and one != other and f"{one:.{decimals}f}" == f"{other:.{decimals}f}":
        decimals += 1
    return f"{one:.{decimals}f}", f"{other:.{decimals}f}"


def above(value: float, bound: float) -> bool:
    """Above it by more than adding up floats can err."""
    return value > bound and not isclose(value, bound, rel_tol=1e-9, abs_tol=1e-12)


def counted(number: int, noun: str, plural: str = "") -> str:
    """`1 case`, `2 cases`."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Iterable[str], most: int = 3) -> str:
    """`a, b, c and 7 more`."""
    every = list(names)
    more = len(every) - most
    return ", ".join(every) if more <= 0 else f"{', '.join(every[:most])} and {more} more"
