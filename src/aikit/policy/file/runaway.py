"""The rules against runaways in the policy file: what counts as a loop, and as spending that has shot up."""

from __future__ import annotations

from typing import Any

from aikit.money import format_usd, usd_string
from aikit.policy.file.kinds import USD, Field, Kind, Place, Wrong, shown, table, whole, words
from aikit.policy.model import Loops, Velocity
from aikit.types import Action, LoopRule, VelocityRule

Rule = Loops | Velocity | LoopRule | VelocityRule
"""As it is stated, or as it applies to a caller."""
OFF = "off"
MOST_IDENTICAL = 1000
MOST_SECONDS = 3600
MOST_TIMES = 1000

_ACTION = Field(words(Action), "What happens then: block refuses (the default), warn only records it.")
_EACH = Field(words(("user", "feature")), "Look at every user, or every feature, by itself.")
_LOOPS = table(
    {
        "identical": Field(whole(1, MOST_IDENTICAL), "So many requests with the same content are still no loop."),
        "seconds": Field(whole(1, MOST_SECONDS), "Within so many seconds; 60 if left out."),
        "action": _ACTION,
        "each": _EACH,
    },
    required=("identical",),
)
_VELOCITY = table(
    {
        "times": Field(
            whole(2, MOST_TIMES), "The last minute may cost so many times an average minute of the last hour."
        ),
        "floor_usd": Field(USD, 'Up to so many dollars a minute nothing is wrong, like "1.00".'),
        "action": _ACTION,
        "each": _EACH,
    },
    required=("times", "floor_usd"),
)


def _read_loops(value: Any, place: Place) -> Loops | str | None:
    if value == OFF:
        return OFF
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", 'Write "off", or a rule like { identical = 20, seconds = 60 }.')
    stated = _LOOPS.read(value, place)
    if not place.clean:
        return None
    return Loops(stated["identical"], stated.get("seconds", 60), _action(stated), stated.get("each"))


def _read_velocity(value: Any, place: Place) -> Velocity | str | None:
    if value == OFF:
        return OFF
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", 'Write "off", or a rule like { times = 5, floor_usd = "1.00" }.')
    stated = _VELOCITY.read(value, place)
    if not place.clean:
        return None
    if not stated["floor_usd"]:
        raise Wrong(
            "is nothing", "Write what a minute may cost at the start, when there is no hour before.", "floor_usd"
        )
    return Velocity(stated["times"], stated["floor_usd"], _action(stated), stated.get("each"))


def _action(stated: dict[str, Any]) -> Action:
    return Action(stated.get("action", Action.BLOCK))


_OFF = {"type": "string", "enum": [OFF]}
LOOPS = Kind({"anyOf": [_OFF, _LOOPS.schema]}, _read_loops)
VELOCITY = Kind({"anyOf": [_OFF, _VELOCITY.schema]}, _read_velocity)


def as_stated(rule: Rule) -> dict[str, Any]:
    """The rule as the file has it, money in exact dollars."""
    if isinstance(rule, Loops | LoopRule):
        stated: dict[str, Any] = {"identical": rule.identical, "seconds": rule.seconds}
    else:
        stated = {"times": rule.times, "floor_usd": usd_string(rule.floor)}
    if rule.action is not Action.BLOCK:
        stated["action"] = str(rule.action)
    each = getattr(rule, "each", None)
    return stated if each is None else stated | {"each": each}


def in_words(rule: Rule) -> str:
    """`20 identical requests in 60 s, each user, only warns`."""
    if isinstance(rule, Loops | LoopRule):
        parts = [f"{rule.identical:,} identical requests in {rule.seconds:,} s"]
    else:
        parts = [f"{rule.times:,} × the hour's rate, {format_usd(rule.floor)} a minute anyway"]
    if each := getattr(rule, "each", None):
        parts.append(f"each {each}")
    if rule.action is Action.WARN:
        parts.append("only warns")
    return ", ".join(parts)
