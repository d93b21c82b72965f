"""Runs one scorer on one answer, with judges that say what a test wants."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aikit.evals.model import Case, ModelAnswer, ModelCall, Score, ScorerSpec
from aikit.evals.scorers.base import Context, Prompts
from aikit.evals.scorers.scoring import make_scorer, scored
from aikit.prompts.shipped import shipped

Say = Callable[[ModelCall], str | BaseException]


class Judges:
    """Answers each call by what `say` makes of it, and keeps the calls."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.calls: list[ModelCall] = []
        self.at_once = self.most_at_once = 0

    async def ask(self, call: ModelCall) -> ModelAnswer:
        self.calls.append(call)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        said = self.say(call)
        if isinstance(said, BaseException):
            raise said
        return ModelAnswer(said, call.model)


def silent(call: ModelCall) -> str:
    raise AssertionError(f"nobody is to be asked: {call}")


async def score(
    use: str,
    output: str,
    *,
    options: dict[str, Any] | None = None,
    case: Case | None = None,
    answer: ModelAnswer | None = None,
    judges: Judges | None = None,
    prompts: Prompts | None = None,
    project: Path = Path(),
    trial: int = 0,
    through: tuple[type[Exception], ...] = (),
) -> Score:
    """What a scorer of this kind says."""
    context = Context(judges or Judges(silent), prompts or shipped(), answer, trial)
    ready = make_scorer(ScorerSpec(use, use, options or {}), project)
    return await scored(ready, case or Case("one"), output, context, through=through)


def as_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
