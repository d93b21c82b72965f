"""The header of the console: how current it is, what is spent, and what is wrong; lines of texts with tones. Pure."""

from __future__ import annotations

from datetime import timedelta
from fractions import Fraction
from typing import NamedTuple

from aikit.console import words
from aikit.console.model import Budget, Header, Snapshot
from aikit.console.status import Status
from aikit.console.table import Tone
from aikit.console.words import Style

GAP = "   "
BAR = 21
NAME = 24
"""Cells that the name of a database has anyway."""
TODAY = "day"
"""The window that begins when today does."""
TIMES = {"hour": "this hour", "day": "today", "week": "this week", "month": "this month", "total": "in total"}


class Part(NamedTuple):
    """A text of one tone."""

    text: str
    tone: Tone = ""


Line = tuple[Part, ...]


class _Group(NamedTuple):
    """What stands or goes together; the highest `drop` goes first where there is no room, and 0 never."""

    parts: tuple[Part, ...]
    drop: int = 0


def header_lines(snapshot: Snapshot | None, status: Status, style: Style, width: int) -> tuple[Line, ...]:
    """Three lines of at most so many cells. `snapshot` None: nothing has been read yet, and nothing is known."""
    header = snapshot.header if snapshot else None
    return (
        _first(snapshot, status, style, width),
        _fitted(_spending(snapshot, header, style, width), width, style),
        _fitted(_counts(header, style), width, style),
    )


def _first(snapshot: Snapshot | None, status: Status, style: Style, width: int) -> Line:
    """Which database, how current, what may be done; and the database's clock at the right."""
    groups = [
        _group("aikit top", "strong", drop=5),
        _group(_database(snapshot, style, width), drop=1),
        *_environment(snapshot),
        *_currency(snapshot, status, style),
    ]
    if snapshot is None:
        return _fitted(groups, width, style)
    if status.interval is None:
        return _fitted([*groups, _group(f"{snapshot.at:%Y-%m-%d %H:%M:%S} UTC", "dim", drop=4)], width, style)
    clock = snapshot.at + timedelta(seconds=status.age or 0)
    last = _group(f"UTC {clock:%H:%M:%S}", "dim", drop=4)
    line = _fitted([*groups, last], width, style)
    room = width - sum(words.cells(part.text) for part in line)
    if line[-1:] != last.parts or room <= 0:
        return line
    return (*line[:-1], Part(" " * room), *last.parts)


def _database(snapshot: Snapshot | None, style: Style, width: int) -> str:
    """By its ends, where its name is long: they say on which machine it is, and which one of those there."""
    if snapshot is None:
        return style.unknown
    return words.ends(words.visible(snapshot.header.database), max(NAME, width // 3), style)


def _environment(snapshot: Snapshot | None) -> list[_Group]:
    """That of the one who looks; the calls may be of others."""
    environment = snapshot and snapshot.header.environment
    return [_group(f"env {words.visible(environment)}", drop=6)] if environment else []


def _currency(snapshot: Snapshot | None, status: Status, style: Style) -> list[_Group]:
    """`● live 2s   data 0.4s old   read-only`, or that it is not; nothing for what is read once."""
    if status.interval is None:
        return []
    aged = words.age(status.age, style)
    may = _group("actions" if status.actions else "read-only", "warn" if status.actions else "", drop=2)
    if status.retry is not None:
        old = f"STALE {aged}" if snapshot else "NO DATA"
        retry = f"{style.unknown} {'paused' if status.paused else f'retry in {max(0, round(status.retry))}s'}"
        return [_group(f"! {old} {retry}", "bad"), may]
    if status.paused:
        found = _group(f"{style.of('‖', '=')} paused", "warn")
    else:
        found = _group(f"{style.of('●', '*')} live {words.seconds(status.interval)}", "good")
    return [found, _group(f"data {aged} old" if snapshot else "reading", drop=3), may]


def _spending(snapshot: Snapshot | None, header: Header | None, style: Style, width: int) -> list[_Group]:
    if snapshot is None or header is None:
        return [_group(f"SPEND today {style.unknown}")]
    budget = header.budget
    groups = [_group(_spend(header, style), "strong")]
    if budget is None:
        groups.append(_group("no cap" if header.caps_read == 1 else f"cap {style.unknown}"))
    else:
        groups = _capped(header, budget, style, width)
    groups.append(_group(*_burning(snapshot, budget, style), drop=2))
    flying = f"in flight {words.count(header.in_flight, style)}"
    held = f" ({words.usd(header.held, style)})" if header.in_flight else ""
    groups.append(_group(flying + held, drop=3))
    if budget is not None and budget.uncapped:
        whose = "tenant" if budget.uncapped == 1 else "tenants"
        groups.append(_group(f"{words.count(budget.uncapped, style)} {whose} without a cap", "warn", drop=4))
    return groups


def _spend(header: Header, style: Style) -> str:
    """Calls without a price cost something that nobody knows."""
    known = None if header.unpriced and not header.spent else header.spent
    return f"SPEND today {words.usd(known, style)}"


def _capped(header: Header, budget: Budget, style: Style, width: int) -> list[_Group]:
    """`SPEND today $41.20 of $60.00 ████░░ 69%`; what is capped beside it, if that is not all of today.

    `!` says that it is above the soft cap.
    """
    soft = None if budget.soft_cap is None or not budget.cap else Fraction(budget.soft_cap, budget.cap)
    tone = words.tone_of(budget.share, soft)
    size = max(6, min(BAR, (width - 70) // 3))
    bar = words.bar(budget.share, size, style, rest=style.of("░", "-"))
    above = "!" if soft is not None and budget.share >= soft else ""
    share = Part(f" {words.percent(budget.share, style)}{above}", tone)
    if budget.window == TODAY and budget.spent == header.spent:
        spend = Part(f"{_spend(header, style)} of {words.usd(budget.cap, style)} ", "strong")
        return [_Group((spend, Part(bar, tone), share))]
    time = TIMES.get(budget.window, budget.window)
    capped = Part(f"capped {time} {words.usd(budget.spent, style)} of {words.usd(budget.cap, style)} ")
    return [_group(_spend(header, style), "strong"), _Group((capped, Part(bar, tone), share))]


def _burning(snapshot: Snapshot, budget: Budget | None, style: Style) -> tuple[str, Tone]:
    """How much an hour, and when that reaches a cap."""
    rate = f"{words.usd(snapshot.header.rate, style)}/h"
    if budget is None or snapshot.header.rate is None:
        return rate, ""
    if budget.reached_at is None:
        return (rate, "") if budget.share >= 1 else (f"{rate} {style.arrow} below the cap", "")
    by = f" ({words.visible(budget.by)})" if budget.by else ""
    if budget.reached_at <= snapshot.at:
        return f"{rate} {style.arrow} cap reached{by}", "bad"
    if budget.reached_at - snapshot.at < timedelta(minutes=1):
        return f"{rate} {style.arrow} cap within a minute{by}", "bad"
    at = words.clock(budget.reached_at, snapshot.at, style)
    return f"{rate} {style.arrow} cap at ~{at}{by}", "warn"


def _counts(header: Header | None, style: Style) -> list[_Group]:
    if header is None:
        return [_group(f"calls {style.unknown}")]
    spooled, shut = header.spooled, header.open_breakers
    errors = words.rate(header.failed, header.calls, style)
    partly = [_group(f"{words.percent(header.read, style)} of today read", "warn")] if header.read < 1 else []
    if header.caps_read < 1:
        partly.append(_group(f"{words.percent(header.caps_read, style)} of caps read", "warn"))
    return [
        *partly,
        _group(f"calls {words.count(header.calls, style)}"),
        _group(f"refused {words.count(header.refused, style)}", drop=1),
        _group(f"err {errors}", drop=2),
        _group(f"unpriced {words.count(header.unpriced, style)}", "warn" if header.unpriced else "", drop=3),
        _group(f"estimated {words.count(header.estimated, style)}", drop=6),
        _group(f"spool {words.count(spooled, style)}", "warn" if spooled else "", drop=5),
        _group(f"breakers {shut:,} open" if shut else "breakers closed", "bad" if shut else "", drop=4),
    ]


def _group(text: str, tone: Tone = "", *, drop: int = 0) -> _Group:
    return _Group((Part(text, tone),), drop)


def _fitted(groups: list[_Group], width: int, style: Style) -> Line:
    """As much of it as there is room for; what may not go is cut at the end."""
    kept = list(groups)
    while _size(kept) > width and any(group.drop for group in kept):
        kept.remove(max(kept, key=lambda group: group.drop))
    line: list[Part] = []
    for number, group in enumerate(kept):
        line += [Part(GAP)] if number else []
        line += group.parts
    return _cut(line, width, style)


def _size(groups: list[_Group]) -> int:
    texts = sum(words.cells(part.text) for group in groups for part in group.parts)
    return texts + len(GAP) * (len(groups) - 1)


def _cut(line: list[Part], width: int, style: Style) -> Line:
    found, room = [], width
    for part in line:
        shown = words.cut(part.text, room, style)
        found += [Part(shown, part.tone)] if shown else []
        room -= words.cells(shown)
        if shown != part.text:
            break
    return tuple(found)
