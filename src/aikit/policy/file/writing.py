"""Policies as a policy file that reads back as exactly these policies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aikit.money import NANO_PER_USD, usd_string
from aikit.policy.file.guards import as_stated as guards_as_stated
from aikit.policy.file.guards import canonical
from aikit.policy.file.kinds import key_text, quoted
from aikit.policy.file.limits import DAYS
from aikit.policy.file.policies import FIELDS, most_per_call
from aikit.policy.file.runaway import as_stated
from aikit.policy.guards import CUSTOM
from aikit.policy.model import Loops, Policy, StatedLimit, Velocity
from aikit.types import Action, Metric, Window

SECTION_OF = {
    "plan": "plans",
    "feature": "features",
    "tenant": "tenants",
    "user": "users",
    "environment": "environments",
}
"""The section of a policy whose scope is this part and nothing else, in the order in which they are written."""


def write_policies(policies: Iterable[Policy], *, nano_per_credit: int) -> str:
    """The text of a policy file. Money is in dollars, exactly; the credits that it comes to are said beside it."""
    ordered = sorted(policies, key=lambda policy: (_rank(policy), policy.name))
    return "\n".join([_policy_text(policy, nano_per_credit) for policy in ordered])


def heading(policy: Policy) -> str | None:
    """`default`, `plans.free`: the section that says the scope; None for a policy that needs [[policies]]."""
    stated = _stated(policy.scope._asdict())
    if policy.name != policy.scope.label or len(stated) > 1:
        return None
    return "".join([f"{SECTION_OF[part]}.{key_text(value)}" for part, value in stated.items()]) or "default"


def dollars(nano: int) -> str:
    """Exactly, and with cents: 5_000_000_000 → `5.00`."""
    return f"{nano // NANO_PER_USD}.{nano % NANO_PER_USD // 10**7:02d}" if nano % 10**7 == 0 else usd_string(nano)


def start_of(limit: StatedLimit) -> str | int:
    """The anchor of a limit as the file has it."""
    if limit.window is Window.WEEK:
        return DAYS[limit.anchor]
    return limit.anchor + 1 if limit.window is Window.MONTH else limit.anchor


def _rank(policy: Policy) -> int:
    name = heading(policy)
    if name is None:
        return len(SECTION_OF) + 1
    return 0 if name == "default" else [*SECTION_OF.values()].index(name.partition(".")[0]) + 1


def _policy_text(policy: Policy, nano_per_credit: int) -> str:
    section = heading(policy)
    lines = [f"[{section}]" if section else "[[policies]]"]
    if section is None:
        if policy.name != policy.scope.label:
            lines.append(f"name = {quoted(policy.name)}")
        lines.append(f"scope = {_value(_stated(policy.scope._asdict()))}")
    for name in FIELDS:
        lines += _field_lines(name, policy, nano_per_credit)
    return "\n".join(lines) + "\n"


def _field_lines(name: str, policy: Policy, nano_per_credit: int) -> list[str]:
    """The lines of one field; none if it is not stated."""
    match name:
        case "priority":
            value: Any = policy.priority or None
        case "models":
            value = _stated({"allow": policy.allow, "deny": policy.deny}) or None
        case "max_cost_usd":
            value = dollars(policy.limits[0].cap) if _begins_with_max_cost(policy) else None
        case "unpriced":
            value = "deny" if policy.unpriced == {} else policy.unpriced
        case "limits":
            limits = policy.limits[1:] if _begins_with_max_cost(policy) else policy.limits
            return ["limits = [", *[_limit_line(limit, nano_per_credit) for limit in limits], "]"] if limits else []
        case "guards":
            return _guard_lines("guards", guards_as_stated(policy.guards))
        case _:
            value = getattr(policy, name)
            if isinstance(value, Loops | Velocity):
                value = as_stated(value)
    return [] if value is None else [f"{name} = {_value(value)}"]


def _guard_lines(path: str, stated: Mapping[str, Any]) -> list[str]:
    """A line for each guard; a JSON Schema as JSON in quotes."""
    lines = []
    for name, value in stated.items():
        here = f"{path}.{key_text(name)}"
        if name == CUSTOM:
            lines += _guard_lines(here, value)
            continue
        if isinstance(value, dict):
            value = {part: canonical(what) if isinstance(what, dict) else what for part, what in value.items()}
        lines.append(f"{here} = {_value(value)}")
    return lines


def _begins_with_max_cost(policy: Policy) -> bool:
    """Whether the first limit is what `max_cost_usd` is short for."""
    return bool(policy.limits) and policy.limits[:1] == most_per_call(policy.limits[0].cap)


def _limit_line(limit: StatedLimit, nano_per_credit: int) -> str:
    money = limit.metric is Metric.CREDITS
    fields = {
        "metric": None if money else str(limit.metric),
        "window": None if limit.metric is Metric.CONCURRENCY else str(limit.window),
        "cap_usd" if money else "cap": dollars(limit.cap) if money else limit.cap,
        "soft_cap_usd" if money else "soft_cap": dollars(limit.soft_cap)
        if money and limit.soft_cap is not None
        else limit.soft_cap,
        "action": str(limit.action) if limit.action is not Action.BLOCK else None,
        "each": limit.each,
        "time_zone": limit.zone if limit.zone != "UTC" else None,
        "anchor": start_of(limit) if limit.anchor else None,
    }
    whole_credits = money and limit.cap % nano_per_credit == 0
    comment = f"  # {limit.cap // nano_per_credit:,} credits" if whole_credits else ""
    return f"  {_value(_stated(fields))},{comment}"


def _stated(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _value(value: Any) -> str:
    """A value as TOML."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return quoted(value)
        case tuple() | list():
            return f"[{', '.join([_value(item) for item in value])}]"
        case Mapping():
            inside = ", ".join([f"{key_text(name)} = {_value(item)}" for name, item in value.items()])
            return f"{{ {inside} }}" if inside else "{}"
        case _:
            return str(value)
