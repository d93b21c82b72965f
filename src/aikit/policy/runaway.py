"""What a rule against runaways found, for people and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from math import ceil
from typing import Any

from aikit.money import format_usd, usd_string
from aikit.policy.subject import subject_of
from aikit.types import Pace, Repeats, Watched


def as_facts(found: Watched) -> Mapping[str, Any]:
    """All of it, before the request that it was asked for; money as decimal strings of dollars."""
    rule = found.rule
    whose = {"counts": subject_of(rule.subject).words or "tenant", "action": str(rule.action), "source": rule.source}
    if isinstance(found, Repeats):
        first = None if found.first_at is None else found.first_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
        stated = {"identical": found.rule.identical, "seconds": found.rule.seconds}
        return {"rule": "loops", **stated, "seen": found.seen, "first_at": first, **whose}
    return {
        "rule": "velocity",
        "times": found.rule.times,
        "floor_usd": usd_string(found.rule.floor),
        "minute_usd": usd_string(found.counted),
        "hour_usd": usd_string(found.hour),
        "allowed_usd": usd_string(found.allowed),
        **whose,
    }


def in_words(found: Watched, nano: int) -> str:
    """Why it trips, by a request that may cost `nano`: `21 identical requests in 60 s look like a loop; …`."""
    rule = found.rule
    if isinstance(found, Repeats):
        return (
            f"{found.seen + 1:,} identical requests in {found.rule.seconds:,} s look like a loop; "
            f"{found.rule.identical:,} are allowed ({rule.source})."
        )
    return (
        f"{format_usd(found.counted)} went in the last minute, and this call may cost up to {format_usd(nano)}; "
        f"{format_usd(found.allowed, floor=True)} a minute are allowed after the last hour ({rule.source})."
    )


def remedy(found: Watched, wait: float | None) -> str:
    """What to do about it. `wait` is in seconds."""
    if isinstance(found, Repeats):
        return f"Find what repeats it. It is let through again once it has paused for {found.rule.seconds:,} s."
    if wait is None:
        return "This call alone may cost more than that: ask for less output, or state a higher floor_usd."
    return f"Try again in {max(1, ceil(wait))} s."


def standing(found: Watched) -> str:
    """`20 before it since 2026-11-21 14:03:20 UTC`, `$1.20 in the last minute, $4.00 in the last hour; …`."""
    if isinstance(found, Pace):
        went = f"{format_usd(found.counted)} in the last minute, {format_usd(found.hour)} in the last hour"
        return f"{went}; {format_usd(found.allowed, floor=True)} a minute are allowed"
    since = "" if found.first_at is None else f" since {found.first_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    return f"{found.seen:,} before it{since}"
