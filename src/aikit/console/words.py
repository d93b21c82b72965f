"""Words of the console: amounts, counts, shares and times as short and honest texts. Pure; an unknown is a dash."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from aikit.console.table import Tone
from aikit.money import format_usd

EXACT = 10_000
"""Counts below this are written in full."""
NEARLY = Fraction(9, 10)
"""From this share of a cap on, all is red."""
HOUR, DAY = 3_600, 86_400


@dataclass(frozen=True, slots=True)
class Style:
    """What may be drawn: anything, or, with `ascii`, only what any terminal has. Texts of others stay as they are."""

    ascii: bool = False

    def of(self, glyph: str, plain: str) -> str:
        """The glyph, or what stands for it."""
        return plain if self.ascii else glyph

    @property
    def unknown(self) -> str:
        return self.of("—", "-")

    @property
    def dot(self) -> str:
        """Between the parts of one thing."""
        return self.of("·", "/")

    @property
    def arrow(self) -> str:
        return self.of("→", "->")


def visible(text: str) -> str:
    """`text` on one line, with U+FFFD in place of whatever can't be printed: controls, escapes, direction marks."""
    return text if text.isprintable() else "".join([c if c.isprintable() else "\ufffd" for c in text])


def cells(text: str) -> int:
    """How many cells of a terminal it takes."""
    if text.isascii():
        return len(text)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else not unicodedata.combining(c) for c in text)


def cut(text: str, width: int, style: Style) -> str:
    """At most so many cells of it; `…` stands for what does not fit."""
    if cells(text) <= width:
        return text
    mark = style.of("…", "~")
    while text and cells(text) + len(mark) > width:
        text = text[: min(len(text) - 1, width)]
    return f"{text}{mark}" if width > 0 else ""


def ends(text: str, width: int, style: Style) -> str:
    """At most so many cells of it; `…` stands for the middle of what does not fit."""
    if cells(text) <= width:
        return text
    mark, size = style.of("…", "~"), len(text)
    while size and cells(text[: size // 2] + text[len(text) - (size - size // 2) :]) + len(mark) > width:
        size -= 1
    return f"{text[: size // 2]}{mark}{text[len(text) - (size - size // 2) :]}" if width > 0 else ""


def named(text: str | None, style: Style) -> str:
    """A name that somebody gave; none is a dash."""
    return visible(text) if text else style.unknown


def who(tenant: str, part: str | None, style: Style) -> str:
    """`acme·summarize`: a tenant, and a feature or whatever else of it."""
    return f"{named(tenant, style)}{style.dot}{visible(part)}" if part else named(tenant, style)


def usd(nano: int | None, style: Style, *, floor: bool = False) -> str:
    return style.unknown if nano is None else format_usd(nano, floor=floor)


def count(number: int | None, style: Style) -> str:
    """`812`, `1,204`, `310k`, `9.1M`: from 10,000 on two digits or more, and never more than there are."""
    if number is None:
        return style.unknown
    if abs(number) < EXACT:
        return f"{number:,}"
    sign, size = ("-", -number) if number < 0 else ("", number)
    for unit, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if size >= unit:
            whole, tenths = size // unit, size % unit * 10 // unit
            return f"{sign}{whole}.{tenths}{letter}" if whole < 10 else f"{sign}{whole:,}{letter}"
    raise AssertionError("10,000 is more than a thousand")


def amount(number: int | None, metric: str, style: Style, *, floor: bool = False) -> str:
    """Dollars for credits, a count for whatever else a limit counts."""
    return usd(number, style, floor=floor) if metric == "credits" else count(number, style)


def percent(share: Fraction | None, style: Style) -> str:
    """`99%`, rounded down: never all before it is all. `<1%` is not nothing."""
    if share is None:
        return style.unknown
    if share > 99:
        return ">9999%"
    return "<1%" if 0 < share < Fraction(1, 100) else f"{int(share * 100)}%"


def rate(part: int, whole: int, style: Style) -> str:
    """How many of so many, such as errors of calls: `1.2%`, and never all or none where it is not; of none, unknown."""
    if whole <= 0:
        return style.unknown
    permille, percent = [(2 * part * parts + whole) // (2 * whole) for parts in (1_000, 100)]
    if part > 0 and permille == 0:
        return "<0.1%"
    if part < whole and percent >= 100:
        return "99%"
    return f"{permille // 10}.{permille % 10}%" if 0 < permille < 100 else f"{percent}%"


def age(seconds: float | None, style: Style) -> str:
    """`0.4s`, `14s`, `3m`, `2h`, `5d`."""
    if seconds is None:
        return style.unknown
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f}s"
    whole = int(seconds)
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (60, "m")):
        if whole >= unit:
            return f"{whole // unit}{letter}"
    return f"{whole}s"


def seconds(number: float) -> str:
    """`2s`, `0.5s`: an interval as it was asked for."""
    return f"{number:g}s"


def took(milliseconds: int | None, style: Style) -> str:
    """`412ms`, `2.4s`, `14s`, `1m 35s`."""
    if milliseconds is None:
        return style.unknown
    if milliseconds < 1_000:
        return f"{milliseconds}ms"
    if milliseconds < 10_000:
        return f"{milliseconds // 1_000}.{milliseconds % 1_000 // 100}s"
    return lasting(timedelta(seconds=milliseconds // 1_000))


def lasting(time: timedelta) -> str:
    """`41s`, `9m 41s`, `1h 5m`, `2d 3h`; what is over is `0s`."""
    left = max(0, round(time.total_seconds()))
    for unit, letter, below, lower in ((DAY, "d", HOUR, "h"), (HOUR, "h", 60, "m"), (60, "m", 1, "s")):
        if left >= unit:
            rest = left % unit // below
            return f"{left // unit}{letter} {rest}{lower}" if rest else f"{left // unit}{letter}"
    return f"{left}s"


def clock(at: datetime | None, now: datetime, style: Style, *, exact: bool = False) -> str:
    """`05:06`, or `exact` to the second; with its date if that is not today's. UTC, as the column or the line says."""
    if at is None:
        return style.unknown
    at, today = at.astimezone(UTC), now.astimezone(UTC).date()
    if at.date() == today:
        return f"{at:%H:%M:%S}" if exact else f"{at:%H:%M}"
    return f"{at:%m-%d %H:%M}" if at.year == today.year else f"{at:%Y-%m-%d}"


def bar(share: Fraction | None, width: int, style: Style, rest: str = " ") -> str:
    """`██████▉` in so many cells, or `######-`: full only when the cap is reached, and empty only at nothing."""
    if share is None:
        return f"{style.of('·', '.')}{' ' * (width - 1)}"[:width]
    if style.ascii:
        full = min(width, int(share * width))
        return "#" * full + "-" * (width - full)
    eighths = min(8 * width, max(int(share * 8 * width), int(share > 0)))
    full, part = divmod(eighths, 8)
    blocks = "█" * full + (" ▏▎▍▌▋▊▉"[part] if part else "")
    return blocks + rest * (width - len(blocks))


def sparkline(values: Sequence[int | None], style: Style) -> str:
    """`▁▂▅█`, a cell a value, the largest the highest; what is unknown is left blank."""
    levels = style.of("▁▂▃▄▅▆▇█", "_.:-=+*#")
    most = max([value for value in values if value is not None], default=0)
    return "".join([" " if value is None else levels[_level(value, most, len(levels))] for value in values])


def _level(value: int, most: int, levels: int) -> int:
    if value <= 0 or most <= 0:
        return 0
    return max(1, value * (levels - 1) // most)


def tone_of(share: Fraction | None, soft_share: Fraction | None = None) -> Tone:
    """Amber from the soft cap on, red from 90 % of the cap on."""
    if share is None:
        return "dim"
    if share >= NEARLY:
        return "bad"
    return "warn" if soft_share is not None and share >= soft_share else ""
