"""Policies, their limits and fields in words for people. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from aikit.page import Item
from aikit.policy.changes import Counted, limit_name
from aikit.policy.file.limits import DAYS
from aikit.policy.file.runaway import in_words
from aikit.policy.file.writing import dollars
from aikit.policy.model import Loops, StatedLimit, Velocity
from aikit.types import Action, Limit, LimitState, LoopRule, Metric, VelocityRule, Window

if TYPE_CHECKING:
    from aikit.policy.trace import Trace

UNKNOWN = "—"
RUNAWAY = ("loops", "velocity")
"""The fields that are rules against runaways."""
NOTHING_STATED = {
    "allow": "any model",
    "deny": "none",
    "unpriced": "refused",
    "requires": "nothing",
    **dict.fromkeys(RUNAWAY, "off"),
}


def amount(value: int | None, metric: Metric) -> str:
    """An amount of a metric: exact dollars with cents, or a number."""
    if value is None:
        return UNKNOWN
    if metric is not Metric.CREDITS:
        return f"{value:,}"
    whole, _, rest = dollars(value).partition(".")
    return f"${int(whole):,}.{rest}" if rest else f"${int(whole):,}"


def limit_title(limit: Limit | StatedLimit) -> str:
    """`credits/month`, `requests/minute each user`, `concurrency`."""
    return limit_name(Counted(limit.metric, limit.window, Action.BLOCK, getattr(limit, "each", None)))


def cap_words(limit: Limit | StatedLimit) -> str:
    """`$5.00, soft cap $4.00, only warns, starts on day 15 in Europe/Zurich`."""
    parts = [amount(limit.cap, limit.metric)]
    if limit.soft_cap is not None:
        parts.append(f"soft cap {amount(limit.soft_cap, limit.metric)}")
    if limit.action is Action.WARN:
        parts.append("only warns")
    if limit.anchor or limit.zone != "UTC":
        parts.append(_start(limit))
    return ", ".join(parts)


def standing_words(state: LimitState) -> str:
    """`used $1.20 · held $0.00 · left $3.80 · resets 2026-12-01 00:00 UTC`; nothing for a limit on each call."""
    metric, window = state.metric, state.window
    if window is Window.CALL:
        return ""
    parts = [] if metric is Metric.CONCURRENCY else [f"used {amount(state.used, metric)}"]
    if state.carried:
        parts.append(f"carried over {amount(state.carried, metric)}")
    parts += [f"held {amount(state.held, metric)}", f"left {amount(state.remaining, metric)}"]
    if metric is not Metric.CONCURRENCY:
        parts.append(
            f"resets {state.resets_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if state.resets_at else "never resets"
        )
    return " · ".join(parts)


def field_words(name: str, value: Any) -> str:
    """The value of a field of a policy."""
    match value:
        case None:
            return NOTHING_STATED.get(name, "not stated")
        case Loops() | Velocity() | LoopRule() | VelocityRule():
            return in_words(value)
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case Mapping():
            return ", ".join([f"{kind} ${rate}" for kind, rate in value.items()]) or "refused"
        case tuple() | list():
            return ", ".join(value) or NOTHING_STATED.get(name if name != "allow" else "deny", "none")
        case _:
            return str(value)


def field_items(trace: Trace) -> list[Item]:
    """The fields, each with the policy that decided it and those that it overruled."""
    items = []
    for field in trace.fields:
        whence = f" ({field.note})" if field.note else ""
        overruled = [
            f"not {field_words(field.name, lost.value)} of {lost.policy}: {lost.reason}" for lost in field.overruled
        ]
        text = f"{field_words(field.name, field.value)} · {field.policy}{whence}"
        items.append(Item(field.name, text, tuple(overruled)))
    return items


def _start(limit: Limit | StatedLimit) -> str:
    """When the window starts: `starts at 06:00 in Europe/Zurich`."""
    start = {
        Window.DAY: f"at {limit.anchor:02d}:00",
        Window.WEEK: f"on {DAYS[limit.anchor % 7]}",
        Window.MONTH: f"on day {limit.anchor + 1}",
    }.get(limit.window, "")
    return f"starts {start}" + (f" in {limit.zone}" if limit.zone != "UTC" else "")
