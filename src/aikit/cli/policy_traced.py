"""Which policy decided what for a caller: as items of a page, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aikit.cli.output import gap, note
from aikit.cli.policy_page import section
from aikit.cli.policy_words import cap_words, in_dollars, limit_title, standing_words
from aikit.page import Item
from aikit.policy.words import field_items

if TYPE_CHECKING:
    from aikit.policy.model import Caller
    from aikit.policy.trace import Trace, Unmatched
    from aikit.types import Limit, LimitState

SHOWN = 12
"""Policies for others that a page lists; JSON has all."""


def caller_items(caller: Caller, version: int) -> list[Item]:
    """In whose name, on which plan, and by which policies."""
    named = [(name, getattr(caller, name)) for name in ("tenant", "user", "feature", "environment")]
    items = [Item(name, value) for name, value in named if value is not None]
    items.append(Item("plan", caller.plan or "none"))
    if caller.user_plan is not None:
        items.append(Item("plan of the user", caller.user_plan))
    return [*items, Item("policy version", f"{version}")]


def limit_items(trace: Trace, standing: Mapping[Limit, LimitState]) -> list[Item]:
    """The limits that apply, where they stand if that is known, and those that they overrule."""
    items = []
    for found in trace.limits:
        limit = found.limit
        stands = standing_words(standing[limit]) if limit in standing else ""
        text = f"{cap_words(limit)} · counts {found.counts} · {limit.source}"
        overruled = [f"not {cap_words(lost.limit)} of {lost.limit.source}: {lost.reason}" for lost in found.overruled]
        items.append(Item(limit_title(limit), f"{text}\n{stands}" if stands else text, tuple(overruled)))
    return items


def guard_items(trace: Trace) -> list[Item]:
    """The guards, each with the policy that decided it, which may have switched it off, and those that it overruled."""
    from aikit.policy.file.guards import in_words

    items = []
    for found in trace.guards:
        overruled = [f"not {in_words(lost.stated)} of {lost.policy}: {lost.reason}" for lost in found.overruled]
        items.append(Item(found.stated.guard, f"{in_words(found.stated)} · {found.policy}", tuple(overruled)))
    return items


def print_trace(trace: Trace, standing: Mapping[Limit, LimitState]) -> None:
    """Limits, guards if any policy states one, fields, and the policies for other calls."""
    limits = limit_items(trace, standing)
    gap()
    section("Limits", limits or [Item("none", "no policy that is for this call states one")])
    if trace.guards:
        gap()
        section("Guards", guard_items(trace))
    gap()
    section("Fields", field_items(trace))
    others = sorted(trace.unmatched, key=_by_tenant)
    if others:
        gap()
        section("Not for this call", [Item(one.policy, one.reason) for one in others[:SHOWN]])
    if len(others) > SHOWN:
        note(f"{len(others) - SHOWN:,} more policies are for other calls; --json has them all.")


def trace_data(trace: Trace) -> dict[str, Any]:
    """The trace as JSON has it, with money in dollars."""
    data = trace.to_json()
    for found in data["limits"]:
        found["overruled"] = [in_dollars(lost) for lost in found["overruled"]]
    data["limits"] = [in_dollars(found) for found in data["limits"]]
    return data


def _by_tenant(one: Unmatched) -> tuple[bool, str]:
    """Those of other tenants, of which there may be very many, come last."""
    return one.reason.startswith("for tenant "), one.policy
