"""How alike the answer and what is expected are."""

from __future__ import annotations

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options
from aikit.evals.scorers.texts import bounded, expected_text, part_of, prepared


class Similarity:
    """By rapidfuzz, as a share. `ratio` is 2 x (characters in common, in order) / (characters of both), `token_sort`
    the same after the words of both were sorted; `token_set` sets the words that both have against those of each.
    """

    def __init__(self, options: Options) -> None:
        self._options = options

    async def score(self, case: Case, output: str, context: Context) -> Score:
        wanted = bounded(prepared(expected_text(case, self._options), self._options), "what is expected")
        found = bounded(prepared(part_of(output, self._options), self._options), "the answer")
        return Score(alike(found, wanted, self._options.get("ratio", "token_sort")))


def alike(left: str, right: str, ratio: str) -> float:
    """0 to 1, the same in both directions; a text is wholly like itself, also an empty one."""
    from rapidfuzz import fuzz

    if left == right:
        return 1.0
    count = {"ratio": fuzz.ratio, "token_sort": fuzz.token_sort_ratio, "token_set": fuzz.token_set_ratio}[ratio]
    return float(min(max(count(left, right) / 100, 0.0), 1.0))
