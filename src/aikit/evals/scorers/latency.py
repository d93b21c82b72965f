"""How long the answer took."""

from __future__ import annotations

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Unscored


class Latency:
    """Seconds; of a recording, those that it took when it was recorded."""

    async def score(self, case: Case, output: str, context: Context) -> Score:
        if context.answer is None or context.answer.latency_ms is None:
            raise Unscored("nobody knows how long the answer took")
        return Score(context.answer.latency_ms / 1000)
