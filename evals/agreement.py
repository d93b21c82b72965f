"""How well a judge agrees with people: a scorer for `judge.eval.yaml`."""

from __future__ import annotations

import json

from aikit.evals.model import Case, Score
from aikit.evals.scorers.base import Context


def agreement(case: Case, output: str, context: Context, *, tolerance: float) -> Score:
    """1 if the judge's score is as near to the label (`expected`) as the tolerance allows, else 0."""
    try:
        given = json.loads(output)["score"]
    except (ValueError, TypeError, KeyError):
        return Score(0.0, "the judge did not answer with a score")
    if isinstance(given, bool) or not isinstance(given, int | float):
        return Score(0.0, "the judge's score is no number")
    near = abs(given - case.expected) <= tolerance
    return Score(float(near), f"{given} where people gave {case.expected}")
