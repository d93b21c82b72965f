"""Whether the answer is JSON that a schema allows."""

from __future__ import annotations

import json

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options
from aikit.evals.scorers.catalogue import MATCHING_SECONDS
from aikit.evals.scorers.matching import Matcher
from aikit.evals.scorers.texts import value_of


class JSONSchema:
    """1 or 0. Schemas have patterns, and may be slow: what takes too long is an error. `format` is not checked."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._schema = json.dumps(options["schema"])
        self._matcher = Matcher()

    async def score(self, case: Case, output: str, context: Context) -> Score:
        value = value_of(output, self._options)
        job = {"kind": "json_schema", "schema": self._schema, "text": json.dumps(value)}
        found = await self._matcher.match(job, self._options.get("timeout_seconds", MATCHING_SECONDS))
        if found["found"]:
            return Score(1.0)
        more = found["count"] - len(found["problems"])
        return Score(0.0, "; ".join(found["problems"]) + (f"; and {more} more" if more else ""))
