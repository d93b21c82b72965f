"""Draws what was measured in the drill of an outage: who served, who failed, and how the breaker stood. An SVG."""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING

Place = Callable[[float], float]

if TYPE_CHECKING:
    from faults.outage import Timeline

WIDTH, LEFT, TOP, TALL = 720, 46, 34, 130
STRIP = TOP + TALL + 26
HEIGHT = STRIP + 62
LABELS = {"closed": "closed", "open": "open", "half_open": "half-open"}
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #333 } .dim { fill: #777 } .axis { stroke: #999 }
  .a { fill: #2f6fb5 } .b { fill: #e09a2b } .fails { fill: #c0392b }
  .closed { fill: #3c9a5f } .open { fill: #c0392b } .half_open { fill: #e5c04b } .on { fill: #fff }
  .on.half_open { fill: #333 } .event { stroke: #777; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd } .dim { fill: #999 } .a { fill: #5b9be0 } .axis, .event { stroke: #777 }
  }
"""


def draw(timeline: Timeline) -> str:
    """The picture of a drill, a second of it at a time."""
    ends = timeline.times.ends
    scale = (WIDTH - LEFT - 12) / ends

    def x(seconds: float) -> float:
        return round(LEFT + seconds * scale, 1)

    size = f'viewBox="0 0 {WIDTH + 8} {HEIGHT}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{_told(timeline)}">',
        f"<style>{STYLE}</style>",
        *_legend(),
        *_bars(timeline, x, scale),
        *_strip(timeline, x),
        *_axis(ends, x),
    ]
    for at, what in ((timeline.times.fails, "A fails"), (timeline.times.recovers, "A is well again")):
        lines.append(f'<line class="event" x1="{x(at)}" x2="{x(at)}" y1="{TOP - 6}" y2="{STRIP + 22}"/>')
        lines.append(f'<text class="dim" x="{x(at) + 4}" y="{TOP + 4}">{what}</text>')
    return "\n".join([*lines, "</svg>\n"])


def counts(timeline: Timeline) -> list[tuple[int, int, int]]:
    """For each second: attempts that A served, that B served, and that failed at A."""
    found = [[0, 0, 0] for _ in range(int(timeline.times.ends))]
    for one in timeline.attempts:
        second = floor(one["began"] - timeline.start)
        if 0 <= second < len(found):
            served = one["ending"] == "settled"
            found[second][2 if not served else 0 if one["provider"] == "anthropic" else 1] += 1
    return [(a, b, failed) for a, b, failed in found]


def _bars(timeline: Timeline, x: Place, scale: float) -> list[str]:
    per_second = counts(timeline)
    most = max(sum(one) for one in per_second)
    lines = [f'<text class="dim" x="{LEFT - 6}" y="{TOP + 10}" text-anchor="end">{most}/s</text>']
    for second, (a, b, failed) in enumerate(per_second):
        bottom = float(TOP + TALL)
        for count, name in ((a, "a"), (b, "b"), (failed, "fails")):
            tall = max(3.0, round(count * (TALL - 14) / most, 1))
            if count:
                bottom -= tall
                left = LEFT + second * scale
                lines.append(
                    f'<rect class="{name}" x="{left:.1f}" y="{bottom:.1f}" width="{scale * 0.86:.1f}" height="{tall}"/>'
                )
    return lines


def _strip(timeline: Timeline, x: Place) -> list[str]:
    spans = [(0.0, "closed")] + [(move["at"] - timeline.start, move["state"]) for move in timeline.moves]
    ends = [start for start, _ in spans[1:]] + [timeline.times.ends]
    lines = [f'<text class="dim" x="{LEFT}" y="{STRIP - 5}">A’s breaker</text>']
    in_order = sorted(zip(spans, ends, strict=True), key=lambda span: span[0][1] == "half_open")  # short ones on top
    for (start, state), end in in_order:
        wide = max(4.0, x(end) - x(start))
        lines.append(f'<rect class="{state}" x="{x(start)}" y="{STRIP}" width="{wide:.1f}" height="22"/>')
        if state == "half_open":
            lines.append(f'<text class="dim" x="{x(start) + 4}" y="{STRIP - 5}">{_probes(timeline, start, end)}</text>')
        if wide > 60:
            middle = x(start) + wide / 2
            place = f'x="{middle:.1f}" y="{STRIP + 15}" text-anchor="middle"'
            lines.append(f'<text class="on {state}" {place}>{LABELS[state]}</text>')
    return lines


def _probes(timeline: Timeline, start: float, end: float) -> str:
    """`1 probe`."""
    found = timeline.of("anthropic", timeline.start + start - 0.05, timeline.start + end)
    return f"{len(found)} probe{'s' * (len(found) != 1)}"


def _axis(ends: float, x: Place) -> list[str]:
    lines = [f'<line class="axis" x1="{LEFT}" x2="{WIDTH - 12}" y1="{TOP + TALL}" y2="{TOP + TALL}"/>']
    lines += [
        f'<text class="dim" x="{x(second)}" y="{STRIP + 40}" text-anchor="middle">{second} s</text>'
        for second in range(0, int(ends) + 1, 15)
    ]
    return lines


def _legend() -> list[str]:
    lines, left = [], LEFT
    for name, what, wide in (("a", "served by A", 100), ("b", "served by B", 100), ("fails", "failed at A", 100)):
        lines.append(f'<rect class="{name}" x="{left}" y="6" width="11" height="11"/>')
        lines.append(f'<text x="{left + 16}" y="16">{what}</text>')
        left += wide
    return lines


def _told(timeline: Timeline) -> str:
    moves = [f"{LABELS[move['state']]} at {move['at'] - timeline.start:.1f} s" for move in timeline.moves]
    return "Calls a second by provider during an outage of A. Its breaker: " + ", ".join(moves)
