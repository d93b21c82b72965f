"""Whether guards found something in the call."""

from __future__ import annotations

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options, Unscored


class Findings:
    """1 if they found nothing of the stated kinds, else 0. Without guards in force they find nothing."""

    def __init__(self, options: Options) -> None:
        self._kinds = frozenset(options.get("kinds", ()))

    async def score(self, case: Case, output: str, context: Context) -> Score:
        if context.answer is None or not context.answer.model:
            raise Unscored("no call of a model is known that guards could have looked at")
        found = sorted(kind for kind in set(context.answer.findings) if not self._kinds or kind in self._kinds)
        return Score(0.0, f"guards found {', '.join(found)}") if found else Score(1.0)
