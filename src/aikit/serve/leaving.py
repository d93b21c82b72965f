"""A caller who leaves is noticed at once, by whoever works for it: its connection says so, and nobody has to ask.

No request pays for that: there is no task that waits, only a word in the request's scope for whom to tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from aikit.serve.model import Scope

LEFT = "aikit.left"
"""What is called when the connection is lost before the answer is complete."""


def told_of_leaving(scope: Mapping[str, Any]) -> None:
    """Tell whoever works on this request that its caller has left."""
    if (leave := scope.get(LEFT)) is not None:
        leave()


class CallerLeft(Exception):
    """The caller has hung up: there is nobody to answer."""


class UntilLeft:
    """`with UntilLeft(scope):` cancels what is awaited in the block when the caller leaves. Raises CallerLeft."""

    __slots__ = ("_left", "_scope", "_task")

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._left = False
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._scope[LEFT] = self._leave

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        del self._scope[LEFT]
        assert task is not None
        if self._left and isinstance(error, asyncio.CancelledError) and not task.uncancel():
            raise CallerLeft from None

    def _leave(self) -> None:
        if self._task is not None and not self._left:
            self._left = True
            self._task.cancel()
