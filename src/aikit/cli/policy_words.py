"""Policies and their limits in words for people, and in fields for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aikit.money import usd_string
from aikit.policy.words import RUNAWAY
from aikit.policy.words import amount as amount
from aikit.policy.words import cap_words as cap_words
from aikit.policy.words import field_words as field_words
from aikit.policy.words import limit_title as limit_title
from aikit.policy.words import standing_words as standing_words
from aikit.types import Metric, Window

if TYPE_CHECKING:
    from aikit.policy.changes import Change
    from aikit.policy.model import Policy, StatedLimit

AMOUNTS = ("cap", "soft_cap", "used", "held", "carried", "remaining")
"""The fields of a limit that are in the metric's unit."""


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
