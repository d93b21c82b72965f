"""Which guards apply to a caller: each as the most specific policy states it that states that guard. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from aikit.guards.catalogue import BY_NAME, defaults
from aikit.policy.model import StatedGuard
from aikit.types import GuardAction, GuardRule, Place

if TYPE_CHECKING:
    from aikit.policy.resolve import Match


CUSTOM = "custom"
"""The name of all guards of applications, before the dot."""
CUSTOM_NAME = re.compile("[a-z][a-z0-9_-]{0,63}")
"""What stands after it."""
STRICTER = frozenset({"kinds", "regions", "terms", "private_ips"})
"""Options of which more lets less pass."""
LOOSER = frozenset({"allow", "characters", "repair", "restore"})
"""Options of which more lets more pass."""


def usual_places(guard: str) -> tuple[Place, ...]:
    """Where a guard looks if a policy does not say."""
    return BY_NAME[guard.partition(".")[0]].places


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
        "options": options_of(stated),
    }


def rule_data(rule: GuardRule) -> dict[str, Any]:
    """A guard that applies as plain JSON values."""
    on = [str(place) for place in rule.places]
    return {
        "guard": rule.guard,
        "action": str(rule.action),
        "on": on,
        "options": options_of(rule),
        "source": rule.source,
    }


def options_of(guard: StatedGuard | GuardRule) -> dict[str, Any]:
    """The options that are stated."""
    found: dict[str, Any] = json.loads(guard.options)
    return found


def lets_more_pass(before: StatedGuard | None, after: StatedGuard | None) -> bool | None:
    """Whether something passes by the one statement of a guard that did not by the other; None if that is not known.

    Where only one of the two is there it depends on other policies, but that a guard is off never lets less pass.
    """
    old, new = [None if stated is None else guard_rule(stated, "") for stated in (before, after)]
    if before is None or after is None:
        return True if after and not new else False if before and not old else None
    if old is None or new is None:
        return new is None
    actions = tuple(GuardAction)
    found: list[bool | None] = [actions.index(new.action) < actions.index(old.action)]
    found += [not set(old.places) <= set(new.places)]
    was, now = [defaults(stated.guard) | options_of(stated) for stated in (before, after)]
    found += [_option_loosens(name, was[name], now[name]) for name in was if was[name] != now[name]]
    return True if True in found else None if None in found else False


def _option_loosens(name: str, old: Any, new: Any) -> bool | None:
    less, more = (new, old) if name in STRICTER else (old, new)
    if name not in STRICTER | LOOSER:
        return None
    return not set(more) <= set(less) if isinstance(old, list) else bool(more > less)
