"""What a decision recorded: the limits as it found them, and what was asked for. Both are JSON arrays, to be small.

A limit in the column `limits`, in the short form if nothing but that is to be said:

    [metric, window, source, cap, used, held]
    [metric, window, source, cap, soft cap, action, subject, resets at (s since 1970), used, held, carried]

After them, in the same places, what rules against runaways found:

    ["loops", "60 s", source, identical, null, action, subject, first at (s since 1970), seen, 0, 0]
    ["velocity", "minute", source, allowed, [times, floor, last hour], action, subject, null, minute, 0, carried]

The column `request`; the output is null where none was named, the cost where there is no price, the bound only there:

    [input tokens, output tokens, answers, least output, characters, [scale, [paid, rate], …], bound, leasable]
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aikit.policy.windows import bounds
from aikit.types import (
    Action,
    Finding,
    GuardAction,
    Limit,
    LimitState,
    LoopRule,
    Metric,
    Pace,
    Place,
    PromptId,
    Repeats,
    VelocityRule,
    Watched,
    Window,
)

WATCHED = ("loops", "velocity")
REQUEST = ("input", "output", "answers", "least", "characters", "cost", "bound", "leasable")


def read_states(recorded: Iterable[Sequence[Any]], decided_at: datetime) -> tuple[LimitState, ...]:
    """The states in a column `limits`."""
    limits = [state for state in recorded if state[0] not in WATCHED]
    return tuple([_short(state, decided_at) if len(state) == 6 else _state(state) for state in limits])


def read_watch(recorded: Iterable[Sequence[Any]]) -> tuple[Watched, ...]:
    """What rules against runaways found, in a column `limits`."""
    return tuple([_watched(state) for state in recorded if state[0] in WATCHED])


def read_request(recorded: Sequence[Any] | None) -> dict[str, Any] | None:
    """The request in a column `request`, by name; None for what was decided before it was recorded."""
    return None if recorded is None else dict(zip(REQUEST, recorded, strict=False))


def read_prompt(id: str | None, sha256: str | None) -> PromptId | None:
    """The prompt in the columns `prompt` and `prompt_hash`."""
    return None if id is None else PromptId(id, sha256 or "")


def read_findings(recorded: Iterable[Mapping[str, Any]] | None) -> tuple[Finding, ...]:
    """What guards found, in a column `findings`."""
    return tuple(
        [
            Finding(**(found | {"place": Place(found["place"]), "action": GuardAction(found["action"])}))
            for found in map(dict, recorded or ())
        ]
    )


def _state(recorded: Sequence[Any]) -> LimitState:
    metric, window, source, cap, soft_cap, action, subject, resets, used, held, carried = recorded
    limit = Limit(Metric(metric), Window(window), cap, source, soft_cap, Action(action), subject)
    resets_at = None if resets is None else datetime.fromtimestamp(resets, UTC)
    return LimitState(limit, used, held, resets_at, carried)


def _short(recorded: Sequence[Any], decided_at: datetime) -> LimitState:
    metric, window, source, cap, used, held = recorded
    limit = Limit(Metric(metric), Window(window), cap, source)
    return LimitState(limit, used, held, bounds(limit.window, decided_at)[1])


def _watched(recorded: Sequence[Any]) -> Watched:
    kind, window, source, allowed, basis, action, subject, first, counted, _, carried = recorded
    if kind == "loops":
        rule = LoopRule(allowed, int(window.partition(" ")[0]), source, Action(action), subject)
        return Repeats(rule, counted, None if first is None else datetime.fromtimestamp(first, UTC))
    times, floor, hour = basis
    return Pace(VelocityRule(times, floor, source, Action(action), subject), counted, carried, hour)
