"""A caller who leaves is noticed at once, by whoever works for it: its connection says so, and nobody has to ask.

No request pays for that: there is no task that waits, only a word in the request's scope for whom to tell. An attempt
that a provider is answering is waited for all the same: it is billed, and only its answer says what it cost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from aikit.serve.model import Scope

LEFT = "aikit.left"
"""In the scope of a request whose connection was lost before the answer was complete."""
LEAVE = "aikit.leave"
"""What is called then."""


def told_of_leaving(scope: Any) -> None:
    """Tell whoever works on this request that its caller has left."""
    scope[LEFT] = True
    if (leave := scope.get(LEAVE)) is not None:
        leave()


def has_left(scope: Mapping[str, Any]) -> bool:
    """Whether its caller has left."""
    return LEFT in scope


class CallerLeft(Exception):
    """The caller has hung up: there is nobody to answer."""


class UntilLeft:
    """`with UntilLeft(scope):` cancels what is awaited in the block when the caller leaves. Raises CallerLeft, at once
    if it has left before.
    """

    __slots__ = ("_left", "_scope", "_task")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._left = False
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> None:
        if has_left(self._scope):
            raise CallerLeft
        self._task = asyncio.current_task()
        self._scope[LEAVE] = self._leave

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        del self._scope[LEAVE]
        assert task is not None
        if self._left and isinstance(error, asyncio.CancelledError) and not task.uncancel():
            raise CallerLeft from None

    def _leave(self) -> None:
        if self._task is not None and not self._left:
            self._left = True
            self._task.cancel()
