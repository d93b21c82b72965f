"""Whether the answer is what is expected."""

from __future__ import annotations

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options
from aikit.evals.scorers.texts import expected_text, part_of, prepared, value_of


class Equals:
    """1 if it is, else 0; as texts, or with `json` as values."""

    def __init__(self, options: Options) -> None:
        self._options = options

    async def score(self, case: Case, output: str, context: Context) -> Score:
        if self._options.get("json"):
            wanted = self._options.get("value", case.expected)
            same = same_values(value_of(output, self._options), wanted)
        else:
            wanted_text = prepared(expected_text(case, self._options), self._options)
            same = prepared(part_of(output, self._options), self._options) == wanted_text
        return Score(1.0) if same else Score(0.0, "it is not what is expected")


def same_values(left: object, right: object) -> bool:
    """Whether two JSON values are the same; 1 and 1.0 are, 1 and true are not."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_values(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_values, left, right))
    return left == right
