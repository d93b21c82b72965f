"""Whether terms are in the answer: all of them, any, or none."""

from __future__ import annotations

import json

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options, Unscored
from aikit.evals.scorers.needs import terms_of
from aikit.evals.scorers.texts import part_of, prepared


class Contains:
    """1 or 0: half of the terms is not all of them."""

    def __init__(self, options: Options) -> None:
        self._options = {**options, "strip": False}
        self._match = options.get("match", "all")

    async def score(self, case: Case, output: str, context: Context) -> Score:
        terms = self._options.get("terms") or terms_of(case.expected)
        if not terms:
            raise Unscored("there are no terms to look for")
        text = prepared(part_of(output, self._options), self._options)
        there = [term for term in terms if prepared(term, self._options) in text]
        missing = [term for term in terms if term not in there]
        if self._match == "none":
            return Score(0.0, f"it has {_listed(there)}") if there else Score(1.0)
        if self._match == "any":
            return Score(1.0) if there else Score(0.0, f"it has none of {_listed(missing)}")
        return Score(0.0, f"it does not have {_listed(missing)}") if missing else Score(1.0)


def _listed(terms: list[str]) -> str:
    return ", ".join([json.dumps(term, ensure_ascii=False) for term in terms])
