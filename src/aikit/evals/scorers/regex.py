"""Whether a regular expression is in the answer."""

from __future__ import annotations

import re

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context, Options, Unscored
from aikit.evals.scorers.catalogue import MATCHING_SECONDS
from aikit.evals.scorers.matching import Matcher
from aikit.evals.scorers.texts import part_of

_FLAGS = {"ignore_case": re.IGNORECASE, "multiline": re.MULTILINE, "dot_all": re.DOTALL}


class Regex:
    """1 or 0. A match that takes too long is an error."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._flags = int(sum(flag for name, flag in _FLAGS.items() if options.get(name)))
        self._matcher = Matcher()

    async def score(self, case: Case, output: str, context: Context) -> Score:
        pattern = self._options.get("pattern", case.expected)
        if not isinstance(pattern, str) or not pattern:
            raise Unscored("there is no regular expression")
        how = self._options.get("match", "search")
        text = part_of(output, self._options)
        job = {"kind": "regex", "pattern": pattern, "flags": self._flags, "full": how == "full", "text": text}
        found = await self._matcher.match(job, self._options.get("timeout_seconds", MATCHING_SECONDS))
        if found["found"] is (how != "absent"):
            return Score(1.0)
        return Score(0.0, f"{pattern[:200]} is {'there' if how == 'absent' else 'not there'}")
