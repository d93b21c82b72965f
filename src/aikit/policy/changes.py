"""What differs between two sets of policies: for people before they apply a file, and for the ledger after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from aikit.policy.file.guards import in_words as guard_words
from aikit.policy.file.kinds import quoted
from aikit.policy.file.runaway import in_words
from aikit.policy.file.writing import dollars, heading, start_of
from aikit.policy.guards import lets_more_pass
from aikit.policy.model import Loops, Policy, Scope, StatedGuard, StatedLimit, Velocity
from aikit.types import Action, Metric, Window

MARKS = {"added": "+", "removed": "-", "changed": "~"}


class Counted(NamedTuple):
    """What tells the limits of one policy apart."""

    metric: Metric
    window: Window
    action: Action
    each: str | None


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of a policy, before and after; None: not stated.

    With `limit` the field is one of that `StatedLimit`; the field "limit" is the limit as a whole, stated anew or no
    more. A guard is one field, `guards.NAME`, and its value a `StatedGuard`. `loosens` says whether the change lets
    more pass; None where that depends on the other policies.
    """

    field: str
    before: Any
    after: Any
    limit: Counted | None = None
    loosens: bool | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One policy that was added, removed, or changed in these fields."""

    name: str
    kind: Literal["added", "removed", "changed"]
    before: Policy | None
    after: Policy | None
    fields: tuple[FieldChange, ...]


def compare(before: Iterable[Policy], after: Iterable[Policy]) -> tuple[Change, ...]:
    """The policies that differ, sorted by name; in the fields that differ, limits matched by what they count."""
    old, new = {p.name: p for p in before}, {p.name: p for p in after}
    changes = [_change(name, old.get(name), new.get(name)) for name in sorted(old.keys() | new.keys())]
    return tuple([change for change in changes if change.kind != "changed" or change.fields])


def counts_differently(before: Iterable[Policy], after: Iterable[Policy]) -> bool:
    """Whether other things are counted: if so, counters have to be opened that may not be there yet.

    Caps and soft caps don't matter, nor do limits on a single call, which count nothing. Names and priorities do: by
    them one of two equally specific limits wins, and the two may start their windows at different times.
    """
    return _all_counted(before) != _all_counted(after)


def words(change: Change, nano_per_credit: int) -> list[str]:
    """The change for people, a line for each field, such as `~ plans.free  credits/month: $5.00 → $6.00`.

    Money is in exact dollars and, where it comes to whole credits, in credits as well.
    """
    policy = change.after or change.before
    title = (heading(policy) if policy else None) or quoted(change.name)
    start = f"{MARKS[change.kind]} {title}"
    lines = [f"{start}  {_field_words(field, change.kind, nano_per_credit)}" for field in change.fields]
    if policy and change.kind != "changed" and heading(policy) is None:
        lines.insert(0, f"{start}  scope: {policy.scope.label}")
    return lines or [start]


def _change(name: str, before: Policy | None, after: Policy | None) -> Change:
    kind: Literal["added", "removed", "changed"] = "changed" if before and after else "added" if after else "removed"
    return Change(
        name, kind, before, after, (*_fields(before, after), *_guards(before, after), *_limits(before, after))
    )


_DEFAULTS = {f.name: f.default for f in fields(Policy) if f.name not in ("name", "scope", "limits", "guards")}


def _fields(before: Policy | None, after: Policy | None) -> list[FieldChange]:
    found = []
    if before and after and before.scope != after.scope:
        found.append(FieldChange("scope", before.scope, after.scope))
    for name, default in _DEFAULTS.items():
        old = getattr(before, name) if before else default
        new = getattr(after, name) if after else default
        if old != new:
            found.append(FieldChange(name, old, new, loosens=_loosens(name, old, new)))
    return found


def _loosens(name: str, old: Any, new: Any) -> bool | None:
    """Whether more passes; only where both are stated, as otherwise it depends on the policies around."""
    if old is None or new is None:
        return None
    match name:
        case "max_output_tokens" | "max_prompt_characters":
            return bool(new > old)
        case "allow" | "entitlements":
            return _widens(set(old), set(new))
        case "deny" | "requires":
            return _widens(set(new), set(old))
        case "uncapped":
            return bool(new)
        case "unpriced":
            return bool(new) if not (old and new) else None
        case "loops" | "velocity" if "off" in (old, new):
            return bool(new == "off")
        case _:
            return None


def _widens(old: set[str], new: set[str]) -> bool | None:
    return True if new > old else False if new < old else None


def _guards(before: Policy | None, after: Policy | None) -> list[FieldChange]:
    old, new = [{stated.guard: stated for stated in policy.guards} if policy else {} for policy in (before, after)]
    found = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was != now:
            found.append(FieldChange(f"guards.{name}", was, now, loosens=lets_more_pass(was, now)))
    return found


def _limits(before: Policy | None, after: Policy | None) -> list[FieldChange]:
    old, new = _by_counted(before), _by_counted(after)
    found = []
    for counted in sorted(old.keys() | new.keys(), key=_order):
        was, now = old.get(counted), new.get(counted)
        if was is None or now is None:
            found.append(FieldChange("limit", was, now, counted))
            continue
        for name in ("cap", "soft_cap", "zone", "anchor"):
            a, b = getattr(was, name), getattr(now, name)
            if a != b:
                bites = name == "cap" and counted.action is Action.BLOCK
                found.append(FieldChange(name, a, b, counted, b > a if bites else None))
    return found


def _by_counted(policy: Policy | None) -> dict[Counted, StatedLimit]:
    return {counted_by(limit): limit for limit in (policy.limits if policy else ())}


def _order(counted: Counted) -> tuple[int, int, str, str]:
    """By metric, then by window, the short ones first."""
    metric, window, action, each = counted
    return list(Metric).index(metric), list(Window).index(window), action, each or ""


def counted_by(limit: StatedLimit) -> Counted:
    """What a limit counts, within its policy."""
    return Counted(limit.metric, limit.window, limit.action, limit.each)


def _all_counted(policies: Iterable[Policy]) -> set[tuple[Any, ...]]:
    limits: set[tuple[Any, ...]] = {
        (policy.name, policy.priority, policy.scope, counted_by(limit), limit.zone, limit.anchor)
        for policy in policies
        for limit in policy.limits
        if limit.window is not Window.CALL
    }
    paced = {(p.name, p.scope, p.velocity.each) for p in policies if isinstance(p.velocity, Velocity)}
    return limits | paced


def limit_name(counted: Counted) -> str:
    """`credits/month`, `requests/minute each user (warn)`."""
    metric, window, action, each = counted
    name = str(metric) if metric is Metric.CONCURRENCY else f"{metric}/{window}"
    return name + (f" each {each}" if each else "") + (" (warn)" if action is Action.WARN else "")


def _field_words(field: FieldChange, kind: str, nano_per_credit: int) -> str:
    name, credits = field.field, False
    if field.limit is not None:
        credits = field.limit.metric is Metric.CREDITS and field.field in ("cap", "soft_cap")
        part = {"limit": "", "cap": "", "soft_cap": " soft cap", "zone": " time zone", "anchor": " starts at"}[name]
        name = limit_name(field.limit) + part
    before, after = [_value(value, field, nano_per_credit) for value in (field.before, field.after)]
    if kind != "changed":
        return f"{name}: {after if kind == 'added' else before}"
    both = _in_credits([field.before, field.after], nano_per_credit) if credits else ""
    return f"{name}: {before} → {after}{both}"


def _value(value: Any, field: FieldChange, nano_per_credit: int) -> str:
    limit = field.limit
    match value:
        case None:
            return "not stated"
        case bool():
            return "true" if value else "false"
        case StatedLimit():
            return _limit(value, nano_per_credit)
        case Scope():
            return value.label
        case int() if limit is not None and field.field == "anchor":
            return _start(StatedLimit(limit.metric, limit.window, 0, anchor=value))
        case int():
            return _amount(value, limit.metric if limit else None)
        case tuple():
            return ", ".join(value) or "none at all"
        case Loops() | Velocity():
            return in_words(value)
        case StatedGuard():
            return guard_words(value)
        case Mapping():
            return ", ".join([f"{name} {rate}" for name, rate in value.items()]) or "deny"
        case _:
            return quoted(value) if field.field == "description" else str(value)


def _limit(limit: StatedLimit, nano_per_credit: int) -> str:
    """A limit as a whole: `$5.00 (50,000 credits), soft cap $4.00, starts at 06:00, Europe/Zurich`."""
    money = limit.metric is Metric.CREDITS
    parts = [_amount(limit.cap, limit.metric) + (_in_credits([limit.cap], nano_per_credit) if money else "")]
    if limit.soft_cap is not None:
        parts.append(f"soft cap {_amount(limit.soft_cap, limit.metric)}")
    if limit.anchor:
        parts.append(f"starts at {_start(limit)}")
    if limit.zone != "UTC":
        parts.append(limit.zone)
    return ", ".join(parts)


def _amount(amount: int, metric: Metric | None) -> str:
    if metric is not Metric.CREDITS:
        return f"{amount:,}"
    whole, _, rest = dollars(amount).partition(".")
    return f"${int(whole):,}.{rest}"


def _in_credits(nanos: list[int | None], nano_per_credit: int) -> str:
    """The same in credits, if all of it comes to whole ones."""
    if any(nano is None or nano % nano_per_credit for nano in nanos):
        return ""
    return f" ({' → '.join([f'{nano // nano_per_credit:,}' for nano in nanos if nano is not None])} credits)"


def _start(limit: StatedLimit) -> str:
    """`06:00`, `sunday`, `day 15`."""
    start = start_of(limit)
    match limit.window:
        case Window.DAY:
            return f"{start:02d}:00"
        case Window.MONTH:
            return f"day {start}"
        case _:
            return str(start)
