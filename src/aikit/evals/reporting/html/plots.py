"""The plots of the page: means against baseline and gate, how cases are spread, how runs went."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

from markupsafe import Markup

from aikit.evals.figures import counted
from aikit.evals.model import GateResult
from aikit.evals.reporting.escaping import short
from aikit.evals.reporting.html.svg import drawing, element, text, title
from aikit.evals.reporting.words import digits, fall, value

LEFT, RIGHT, ROW = 170, 110, 46
WIDE, NARROW = 760, 340
TALL = 120
BINS = 10


class Scale(NamedTuple):
    """Where values are on a line of pixels."""

    low: float
    high: float
    begin: float
    end: float

    def at(self, number: float) -> float:
        share = (number - self.low) / (self.high - self.low)
        return self.begin + min(max(share, 0.0), 1.0) * (self.end - self.begin)


def means(results: Sequence[GateResult], units: dict[str, str], lower: frozenset[str]) -> Markup:
    """A row for each gate: its mean with the interval, the baseline's, and where the gate is.

    Shares have an axis in common; below them, each amount has a scale of its own.
    """
    shares = [result for result in results if not units.get(result.scorer)]
    amounts = [result for result in results if units.get(result.scorer)]
    share, y, parts = _share_scale(shares), ROW / 2, []
    for result in shares:
        parts.append(_row(result, "", share, y, lower=result.scorer in lower))
        y += ROW
    if shares:
        parts += _axis(share, y - ROW / 2 + 12)
        y += 20
    for result in amounts:
        parts.append(_row(result, units[result.scorer], _amount_scale(result), y, lower=result.scorer in lower))
        y += ROW
    names = ", ".join(f"{result.scorer} {value(result.mean, units.get(result.scorer, ''))}" for result in results)
    return drawing(WIDE, y - ROW / 2 + 2, f"Means: {names}", parts)


def _row(result: GateResult, unit: str, scale: Scale, y: float, *, lower: bool) -> str:
    asked = [bound for bound in (result.gate.min, result.gate.max) if bound is not None]
    parts = [text(short(result.scorer)[:24], LEFT - 14, y + 4, anchor="end")]
    parts.append(element("line", x1=scale.begin, x2=scale.end, y1=y, y2=y, class_="track"))
    if result.gate.min is not None:
        parts.append(_forbidden(scale.begin, scale.at(result.gate.min), y))
    if result.gate.max is not None:
        parts.append(_forbidden(scale.at(result.gate.max), scale.end, y))
    limit = _drop_limit(result, lower=lower)
    for bound, name, style in [(bound, "gate", "gate") for bound in asked] + (
        [] if limit is None else [(limit, f"largest {fall(lower)} allowed", "gate drop")]
    ):
        x = scale.at(bound)
        line = element("line", title(f"{name} {value(bound, unit)}"), x1=x, x2=x, y1=y - 13, y2=y + 13, class_=style)
        parts.append(line)
    parts += _points(result, unit, scale, y)
    parts.append(text(value(result.mean, unit), WIDE - RIGHT + 16, y + 4, class_="number"))
    return "".join(parts)


def _points(result: GateResult, unit: str, scale: Scale, y: float) -> list[str]:
    parts = []
    if result.interval is not None and result.baseline_mean is not None:
        low, high = (result.baseline_mean + bound for bound in result.interval)
        said = title(f"95 %: {value(low, unit)} to {value(high, unit)}")
        parts.append(
            element("line", said, x1=scale.at(low), x2=scale.at(high), y1=y, y2=y, class_=f"interval {result.status}")
        )
    if result.baseline_mean is not None:
        said = title(f"baseline {value(result.baseline_mean, unit)}")
        parts.append(element("circle", said, cx=scale.at(result.baseline_mean), cy=y, r=6, class_="baseline"))
    if result.mean is not None:
        said = title(f"{result.scorer} {value(result.mean, unit)}, {result.status}")
        parts.append(element("circle", said, cx=scale.at(result.mean), cy=y, r=6, class_=f"mean {result.status}"))
    return parts


def _forbidden(begin: float, end: float, y: float) -> str:
    return element("rect", x=begin, y=y - 13, width=max(end - begin, 0), height=26, class_="forbidden")


def _drop_limit(result: GateResult, *, lower: bool) -> float | None:
    if result.gate.max_drop is None or result.baseline_mean is None:
        return None
    return result.baseline_mean + (result.gate.max_drop if lower else -result.gate.max_drop)


def _share_scale(results: Sequence[GateResult]) -> Scale:
    """From the tenth below all that is shown to 1; scores that go beyond it widen it."""
    shown = [number for result in results for number in _shown(result)]
    low, high = min(shown, default=0.0), max([*shown, 1.0])
    return Scale(min(floor(low * 10 - 0.5) / 10, 0.9) if low > 0.1 else min(low, 0.0), high, LEFT, WIDE - RIGHT)


def _amount_scale(result: GateResult) -> Scale:
    return Scale(0.0, max(_shown(result), default=0.0) * 1.15 or 1.0, LEFT, WIDE - RIGHT)


def _shown(result: GateResult) -> list[float]:
    found = [result.mean, result.baseline_mean, result.gate.min, result.gate.max]
    if result.interval is not None and result.baseline_mean is not None:
        found += [result.baseline_mean + bound for bound in result.interval]
    if result.gate.max_drop is not None and result.baseline_mean is not None:
        found.append(result.baseline_mean - result.gate.max_drop)
    return [number for number in found if number is not None]


def _axis(scale: Scale, y: float) -> list[str]:
    step = (scale.high - scale.low) / 4
    ticks = [scale.low + step * number for number in range(5)]
    return [text(digits(tick), scale.at(tick), y, anchor="middle", class_="tick") for tick in ticks]


def spread(scorer: str, after: Sequence[float], before: Sequence[float], unit: str) -> Markup:
    """How many cases score how much: bars for the candidate, an outline for the baseline."""
    numbers = [*after, *before]
    top = max(1.0, *numbers) if not unit else max([*numbers, 0.0]) or 1.0
    low = min([0.0, *numbers])
    counts, then = _binned(after, low, top), _binned(before, low, top)
    most = max([*counts, *then, 1])
    across = Scale(low, top, 34, NARROW - 10)
    up = Scale(0, most, TALL - 22, 10)
    width = (across.end - across.begin) / BINS
    parts = [
        text(str(most), 28, 16, anchor="end", class_="tick"),
        text("0", 28, TALL - 20, anchor="end", class_="tick"),
    ]
    parts.append(element("line", x1=across.begin, x2=across.end, y1=up.begin, y2=up.begin, class_="track"))
    for number, count in enumerate(counts):
        x, y = across.begin + number * width, up.at(count)
        edges = (low + (top - low) * number / BINS, low + (top - low) * (number + 1) / BINS)
        said = title(f"{value(edges[0], unit)} to {value(edges[1], unit)}: {counted(count, 'case')}")
        if count:
            parts.append(element("rect", said, x=x + 1, y=y, width=width - 2, height=up.begin - y, class_="bar"))
    if before:
        parts.append(element("path", d=_steps(then, across.begin, width, up), class_="outline"))
    for edge in (low, (low + top) / 2, top):
        anchor = "start" if edge == low else "end" if edge == top else "middle"
        parts.append(text(value(edge, unit), across.at(edge), TALL - 6, anchor=anchor, class_="tick"))
    return drawing(NARROW, TALL, f"Scores of {short(scorer)}, {counted(len(after), 'case')}", parts)


def _binned(numbers: Sequence[float], low: float, top: float) -> list[int]:
    counts = [0] * BINS
    for number in numbers:
        counts[min(int((number - low) / (top - low) * BINS + 1e-9), BINS - 1)] += 1
    return counts


def _steps(counts: Sequence[int], begin: float, width: float, up: Scale) -> str:
    path = [f"M{begin:g} {up.begin:g}"]
    for number, count in enumerate(counts):
        path.append(f"V{up.at(count):.1f}H{begin + (number + 1) * width:.1f}")
    return "".join(path) + f"V{up.begin:g}"


class Point(NamedTuple):
    """A stored run of the suite: when and of what, and its mean."""

    label: str
    mean: float
    current: bool


def course(scorer: str, points: Sequence[Point], bound: float | None, unit: str) -> Markup:
    """How the mean went from run to run, with the gate's absolute bound."""
    numbers = [point.mean for point in points] + ([] if bound is None else [bound])
    low, high = min(numbers), max(numbers)
    margin = (high - low) * 0.15 or abs(high) * 0.1 or 0.1
    up = Scale(low - margin, high + margin, TALL - 12, 8)
    across = Scale(0, max(len(points) - 1, 1), 54, NARROW - 14)
    parts = [
        text(value(edge, unit), 46, up.at(edge) + 4, anchor="end", class_="tick") for edge in dict.fromkeys((low, high))
    ]
    if bound is not None:
        y = up.at(bound)
        said = title(f"gate {value(bound, unit)}")
        parts.append(element("line", said, x1=across.begin, x2=across.end, y1=y, y2=y, class_="gate"))
    places = [(across.at(number), up.at(point.mean)) for number, point in enumerate(points)]
    parts.append(element("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in places), class_="course"))
    for (x, y), point in zip(places, points, strict=True):
        said = title(f"{point.label}: {value(point.mean, unit)}")
        style = "point current" if point.current else "point"
        parts.append(element("circle", said, cx=x, cy=y, r=5 if point.current else 3.5, class_=style))
    return drawing(NARROW, TALL, f"{short(scorer)} over {counted(len(points), 'run')}", parts)
