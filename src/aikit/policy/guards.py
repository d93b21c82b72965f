"""Which guards apply to a caller: each as the most specific policy states it that states that guard. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aikit.policy.model import StatedGuard
from aikit.types import GuardAction, GuardRule, Place

if TYPE_CHECKING:
    from aikit.policy.resolve import Match


def usual_places(_: str) -> tuple[Place, ...]:
    """Where a guard looks if a policy does not say."""
    return tuple(Place)


class GuardStatement(NamedTuple):
    """What a policy that is for a caller states of a guard."""

    match: Match
    stated: StatedGuard


def guard_statements(found: Iterable[Match]) -> dict[str, list[GuardStatement]]:
    """What these policies state of each guard, in the order of `matches`: the statement that decides it first."""
    by_name: dict[str, list[GuardStatement]] = {}
    for match in found:
        for stated in match.policy.guards:
            by_name.setdefault(stated.guard, []).append(GuardStatement(match, stated))
    return by_name


def applying_guards(statements: Mapping[str, list[GuardStatement]]) -> tuple[GuardRule, ...]:
    """The guards that apply, sorted by name; without those that the deciding policy switches off."""
    deciding = [states[0] for _, states in sorted(statements.items())]
    rules = [guard_rule(found.stated, found.match.policy.name) for found in deciding]
    return tuple([rule for rule in rules if rule is not None])


@lru_cache(maxsize=4096)
def guard_rule(stated: StatedGuard, source: str) -> GuardRule | None:
    """A guard as it applies, looking where it looks by itself if the policy does not say; None if it is off."""
    if not isinstance(stated.action, GuardAction):
        return None
    places = usual_places(stated.guard) if stated.places is None else stated.places
    return GuardRule(stated.guard, stated.action, places, stated.options, source)


def guard_data(stated: StatedGuard) -> dict[str, Any]:
    """A guard as plain JSON values: all that it comes to, with null for where it looks if it is off."""
    rule = guard_rule(stated, "")
    return {
        "guard": stated.guard,
        "action": str(stated.action),
        "on": None if rule is None else [str(place) for place in rule.places],
        "options": json.loads(stated.options),
    }
