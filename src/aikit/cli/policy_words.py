"""Policies and their limits in words for people, and in fields for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aikit.cli.output import UNKNOWN, when
from aikit.money import usd_string
from aikit.types import Action, Limit, LimitState, LoopRule, Metric, VelocityRule, Window

if TYPE_CHECKING:
    from aikit.policy.changes import Change
    from aikit.policy.model import Policy, StatedLimit

AMOUNTS = ("cap", "soft_cap", "used", "held", "carried", "remaining")
"""The fields of a limit that are in the metric's unit."""
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
    from aikit.policy.file.writing import dollars

    whole, _, rest = dollars(value).partition(".")
    return f"${int(whole):,}.{rest}" if rest else f"${int(whole):,}"


def limit_title(limit: Limit | StatedLimit) -> str:
    """`credits/month`, `requests/minute each user`, `concurrency`."""
    from aikit.policy.changes import Counted, limit_name

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
        parts.append(f"resets {when(state.resets_at)[:16]} UTC" if state.resets_at else "never resets")
    return " · ".join(parts)


def field_words(name: str, value: Any) -> str:
    """The value of a field of a policy."""
    from aikit.policy.model import Loops, Velocity

    match value:
        case None:
            return NOTHING_STATED.get(name, "not stated")
        case Loops() | Velocity() | LoopRule() | VelocityRule():
            from aikit.policy.file.runaway import in_words

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


def policy_data(policy: Policy) -> dict[str, Any]:
    """A policy as JSON has it: what is stated, and of each limit everything."""
    from aikit.policy.file.runaway import as_stated
    from aikit.policy.record import to_body

    body = to_body(policy)
    body |= {name: as_stated(getattr(policy, name)) for name in RUNAWAY if isinstance(body.get(name), dict)}
    return {**body, "limits": [limit_data(limit) for limit in policy.limits]}


def limit_data(limit: StatedLimit) -> dict[str, Any]:
    """A limit as it is stated, with money in dollars; `anchor` as the policy file has it."""
    from aikit.policy.file.writing import start_of

    calendar = limit.window in (Window.DAY, Window.WEEK, Window.MONTH)
    return in_dollars(
        {
            "metric": str(limit.metric),
            "window": None if limit.metric is Metric.CONCURRENCY else str(limit.window),
            "cap": limit.cap,
            "soft_cap": limit.soft_cap,
            "action": str(limit.action),
            "each": limit.each,
            "time_zone": limit.zone if calendar else None,
            "anchor": start_of(limit) if calendar else None,
        }
    )


def in_dollars(limit: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a limit, with amounts of credits, which are nano-USD, as dollars in fields ending `_usd`."""
    if limit["metric"] != Metric.CREDITS:
        return dict(limit)
    return {
        f"{name}_usd" if name in AMOUNTS else name: usd_string(value)
        if name in AMOUNTS and value is not None
        else value
        for name, value in limit.items()
    }


def change_data(change: Change, nano_per_credit: int) -> dict[str, Any]:
    """A change as JSON has it; `words` is what people read."""
    from aikit.policy.changes import words

    loosens = [field.loosens for field in change.fields]
    return {
        "policy": change.name,
        "kind": change.kind,
        "before": change.before and policy_data(change.before),
        "after": change.after and policy_data(change.after),
        "loosens": True if True in loosens else None if None in loosens else False,
        "words": words(change, nano_per_credit),
    }


def _start(limit: Limit | StatedLimit) -> str:
    """When the window starts: `starts at 06:00 in Europe/Zurich`."""
    from aikit.policy.file.limits import DAYS

    start = {
        Window.DAY: f"at {limit.anchor:02d}:00",
        Window.WEEK: f"on {DAYS[limit.anchor % 7]}",
        Window.MONTH: f"on day {limit.anchor + 1}",
    }.get(limit.window, "")
    return f"starts {start}" + (f" in {limit.zone}" if limit.zone != "UTC" else "")
