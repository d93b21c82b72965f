"""What a model says an answer is worth, by a rubric."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aikit.evals.model import Case, Score
from aikit.evals.scorers.asking import ask
from aikit.evals.scorers.base import Context, Options
from aikit.evals.scorers.catalogue import JUDGE
from aikit.evals.scorers.texts import part_of
from aikit.evals.suites.kinds import is_number
from aikit.prompts.refs import parse_ref


class LLMJudge:
    """The judge's score, on a scale from 0 to 1. A score that is not on the judge's scale is an error."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._ref = parse_ref(options["prompt"]) if "prompt" in options else JUDGE
        scale = options.get("scale", {"from": 0.0, "to": 1.0})
        self._low, self._high = scale["from"], scale["to"]

    async def score(self, case: Case, output: str, context: Context) -> Score:
        given = json.dumps(case.vars, ensure_ascii=False, sort_keys=True)
        task = self._options.get("task")
        rubric = self._options.get("rubric")
        inputs = {
            "task": f"{task}\n\nIt was given, as JSON: {given}" if task and case.vars else task,
            "rubric": [dict(item) for item in rubric] if rubric else None,
            "answer": part_of(output, self._options),
            "reference": case.expected if isinstance(case.expected, str) else None,
            "context": case.context,
            "vars": given,
        }
        said = await ask(context, self._ref, inputs, options=self._options, wrong=self._wrong)
        return Score((said["score"] - self._low) / (self._high - self._low), said["reason"])

    def _wrong(self, said: Mapping[str, Any]) -> str | None:
        score = said.get("score")
        if not is_number(score) or not self._low <= score <= self._high:
            return f"its score is no number from {self._low:g} to {self._high:g}"
        return None if isinstance(said.get("reason"), str) else "it gives no reason"
