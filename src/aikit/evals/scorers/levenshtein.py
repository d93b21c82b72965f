"""How many characters would have to change for the answer to be what is expected."""

from __future__ import annotations

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options
from aikit.evals.scorers.texts import bounded, expected_text, part_of, prepared


class LevenshteinSimilarity:
    """1 - (insertions + deletions + substitutions) / (length of the longer text); two empty texts are 1."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def score(self, case: Case, output: str, context: Context) -> Score:
        from rapidfuzz.distance import Levenshtein

        wanted = bounded(prepared(expected_text(case, self._options), self._options), "what is expected")
        found = bounded(prepared(part_of(output, self._options), self._options), "the answer")
        return Score(float(Levenshtein.normalized_similarity(found, wanted)))
