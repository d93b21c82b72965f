"""Cells that many tables have: each knows what it says, what it is sorted by and what its colour means."""

from __future__ import annotations

from datetime import datetime
from fractions import Fraction

from aikit.console import words
from aikit.console.table import Cell, Tone
from aikit.console.words import Style

BAR = 7
"""Cells of a full bar."""
SHARE = BAR + 1 + len("100%!")
"""Cells of a bar and its share of the cap."""
ERRORS = Fraction(5, 100), Fraction(25, 100)
"""From these shares of failed calls on it is amber, and red."""


def text(shown: str, tone: Tone = "") -> Cell:
    """Words of ours, sorted as such."""
    return Cell(shown, shown.casefold(), tone)


def name(given: str | None, style: Style, tone: Tone = "") -> Cell:
    """What somebody else named; nothing comes last."""
    return Cell(words.named(given, style), given.casefold() if given else None, tone if given else "dim")


def count(number: int | None, style: Style) -> Cell:
    return Cell(words.count(number, style), number, "dim" if not number else "")


def usd(nano: int | None, style: Style) -> Cell:
    return Cell(words.usd(nano, style), nano, "dim" if nano is None else "")


def took(milliseconds: int | None, style: Style) -> Cell:
    return Cell(words.took(milliseconds, style), milliseconds, "dim" if milliseconds is None else "")


def at(moment: datetime | None, now: datetime, style: Style, *, exact: bool = False) -> Cell:
    return Cell(words.clock(moment, now, style, exact=exact), moment, "dim" if moment is None else "")


def errors(failed: int, calls: int, style: Style) -> Cell:
    """The share of calls that failed."""
    share = Fraction(failed, calls) if calls > 0 else None
    amber, red = ERRORS
    tone: Tone = "dim" if not share else "bad" if share >= red else "warn" if share >= amber else ""
    return Cell(words.rate(failed, calls, style), share, tone)


def of_cap(share: Fraction | None, soft_share: Fraction | None, style: Style) -> Cell:
    """A bar and how much of the cap that is; `!` says that it is above the soft cap."""
    bar, tone = words.bar(share, BAR, style), words.tone_of(share, soft_share)
    if share is None:
        return Cell(bar.rstrip(), None, tone)
    above = soft_share is not None and share >= soft_share
    return Cell(f"{bar} {words.percent(share, style):>4}{'!' if above else ''}", share, tone)
