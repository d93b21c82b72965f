"""The states of limits as a decision recorded them: JSON arrays, one a limit.

[metric, window, source, cap, soft cap, action, subject, resets at (s since 1970), used, held, carried]
[metric, window, source, cap, used, held]     before schema 0002
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from aikit.policy.windows import bounds
from aikit.types import Action, Limit, LimitState, Metric, Window


def read_states(recorded: Iterable[Sequence[Any]], decided_at: datetime) -> tuple[LimitState, ...]:
    """The states in a column `limits`."""
    return tuple([_old(state, decided_at) if len(state) == 6 else _state(state) for state in recorded])


def _state(recorded: Sequence[Any]) -> LimitState:
    metric, window, source, cap, soft_cap, action, subject, resets, used, held, carried = recorded
    limit = Limit(Metric(metric), Window(window), cap, source, soft_cap, Action(action), subject)
    resets_at = None if resets is None else datetime.fromtimestamp(resets, UTC)
    return LimitState(limit, used, held, resets_at, carried)


def _old(recorded: Sequence[Any], decided_at: datetime) -> LimitState:
    metric, window, source, cap, used, held = recorded
    limit = Limit(Metric(metric), Window(window), cap, source)
    return LimitState(limit, used, held, bounds(limit.window, decided_at)[1])
