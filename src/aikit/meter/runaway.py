"""Whether a request is one of a loop, or spends too fast: pure, on what the rules against runaways found."""

from __future__ import annotations

from datetime import datetime, timedelta

from aikit.policy.model import Rules
from aikit.policy.windows import SLIDING, bounds, wait_us
from aikit.types import Action, Decision, LimitState, Order, Pace, Repeats, Watched, Window

MICROSECOND = timedelta(microseconds=1)


def trips(found: Watched, order: Order) -> bool:
    """Whether it is against the rule to let the order pass."""
    if isinstance(found, Repeats):
        return found.seen >= found.rule.identical
    return found.counted + order.nano > found.allowed


def refusing(kind: type[Repeats] | type[Pace], watch: tuple[Watched, ...], order: Order) -> Watched | None:
    """What was found of this kind, if it refuses the order."""
    blocking = [one for one in watch if isinstance(one, kind) and one.rule.action is Action.BLOCK]
    return next((one for one in blocking if trips(one, order)), None)


def calm_after(found: Watched, order: Order, now: datetime) -> float | None:
    """Seconds after which the order passes if nothing else happens; None if it is not for waiting.

    A loop has to pause for the whole of its window: whoever asks again in between prolongs it.
    """
    if isinstance(found, Repeats):
        return float(found.rule.seconds)
    end = bounds(Window.MINUTE, now)[1]
    assert end is not None
    length = SLIDING[Window.MINUTE] // MICROSECOND
    left = max(1, (end - now) // MICROSECOND)
    previous = found.carried * length // left  # at least what it was: `carried` is rounded up
    wait = wait_us(found.allowed, order.nano, found.minute, previous, left, length)
    return None if wait is None else max(0.001, wait / 1e6)


def run_away(
    found: Watched, order: Order, rules: Rules, states: tuple[LimitState, ...], now: datetime, version: int | None
) -> Decision:
    """The decision against an order that trips a rule."""
    return Decision(
        order.attempt,
        found.reason_code,
        states,
        policy_version=version,
        retry_after=calm_after(found, order, now),
        source=found.rule.source,
        order=order,
        rules=rules,
        tripped=(found,),
    )
