"""A function of one's own in the place of a prompt: `module:function`, called with a case's vars by name."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from aikit.errors import EvalError
from aikit.evals.model import Case, ModelAnswer
from aikit.evals.scorers.custom import find_function, in_thread
from aikit.money import parse_usd


class Target:
    """Called anew for each trial, in every mode: it is code, and only it knows which models it asks.

    It returns a text, or something with `text`, such as a `Reply`, and `cost_usd` if it knows what it has cost: a
    Decimal, an int or a text in dollars.
    """

    def __init__(self, named: str, function: Callable[..., Any]) -> None:
        self.named = named
        self._function = function

    @classmethod
    def find(cls, named: str, project: Path) -> Target:
        """`project` is the folder that modules are looked for in first. Raises ConfigError."""
        return cls(named, find_function(named, project))

    async def answer(self, case: Case) -> ModelAnswer:
        """Raises EvalError for what is no answer, and whatever the function raises."""
        begun = time.perf_counter()
        found = await self._call(dict(case.vars))
        latency = round((time.perf_counter() - begun) * 1000)
        text, cost = (found, None) if isinstance(found, str) else (_of(found, "text"), _of(found, "cost_usd"))
        if not isinstance(text, str):
            raise EvalError(
                f"{self.named} returned {type(found).__name__}, not a text.",
                code="TARGET_NO_TEXT",
                remedy="Return a str, or an object with `text`, and `cost_usd` if you know it.",
            )
        return ModelAnswer(text, "", nano=None if cost is None else self._nano(cost), latency_ms=latency)

    async def _call(self, given: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(self._function) or inspect.iscoroutinefunction(
            getattr(self._function, "__call__", None)  # noqa: B004  # an object whose call is a coroutine
        ):
            return await self._function(**given)
        found = await in_thread(lambda: self._function(**given))
        return await found if inspect.isawaitable(found) else found

    def _nano(self, cost: Any) -> int:
        try:
            if isinstance(cost, bool) or not isinstance(cost, str | int | Decimal):
                raise ValueError(f"its cost_usd is {type(cost).__name__}")
            return parse_usd(cost)
        except ValueError as error:
            raise EvalError(
                f"{self.named} returned a cost that is none: {error}.",
                code="TARGET_NO_COST",
                remedy='State dollars as a Decimal or a text: "0.0042".',
            ) from None


def _of(found: Any, name: str) -> Any:
    return found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
