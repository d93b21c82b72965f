"""What the answer cost."""

from __future__ import annotations

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Unscored

NANO_PER_USD = 1_000_000_000


class Cost:
    """Dollars. A float, since it is compared and averaged, never billed."""

    async def score(self, case: Case, output: str, context: Context) -> Score:
        if context.answer is None or context.answer.nano is None:
            raise Unscored("nobody knows what the answer cost")
        return Score(context.answer.nano / NANO_PER_USD)
