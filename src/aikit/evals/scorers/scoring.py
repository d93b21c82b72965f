"""Makes scorers of what a suite states, and runs them so that what goes wrong is an error and never a score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from aikit.errors import AIKitError
from aikit.evals.model import Case, Score, ScorerSpec
from aikit.evals.scorers.base import Context, Options, Scorer, Unscored, Worthless
from aikit.evals.scorers.catalogue import KINDS
from aikit.evals.scorers.contains import Contains
from aikit.evals.scorers.cost import Cost
from aikit.evals.scorers.custom import Custom
from aikit.evals.scorers.equals import Equals
from aikit.evals.scorers.faithfulness import Faithfulness
from aikit.evals.scorers.findings import Findings
from aikit.evals.scorers.grounding import Grounding
from aikit.evals.scorers.json_schema import JSONSchema
from aikit.evals.scorers.latency import Latency
from aikit.evals.scorers.levenshtein import LevenshteinSimilarity
from aikit.evals.scorers.llm_judge import LLMJudge
from aikit.evals.scorers.regex import Regex
from aikit.evals.scorers.similarity import Similarity

LONGEST_WHY = 2_000
_MAKERS: Mapping[str, Callable[[Options], Scorer]] = {
    "equals": Equals,
    "contains": Contains,
    "regex": Regex,
    "json_schema": JSONSchema,
    "levenshtein": LevenshteinSimilarity,
    "similarity": Similarity,
    "grounding": Grounding,
    "llm_judge": LLMJudge,
    "faithfulness": Faithfulness,
    "cost": lambda options: Cost(),
    "latency": lambda options: Latency(),
    "findings": Findings,
}


class Ready(NamedTuple):
    """A scorer that can be run, and what the suite states of it."""

    spec: ScorerSpec
    scorer: Scorer


def make_scorer(spec: ScorerSpec, project: Path) -> Ready:
    """The scorer that a suite states. `project` is the folder that modules of one's own are imported from.

    Raises ConfigError for a function that can't be found.
    """
    if spec.use == "custom":
        return Ready(spec, Custom.find(spec.options, project))
    return Ready(spec, _MAKERS[spec.use](spec.options))


async def scored(
    ready: Ready, case: Case, output: str, context: Context, *, through: tuple[type[Exception], ...] = ()
) -> Score:
    """What a scorer says of an answer. Whatever goes wrong is a Score with `error`, but for the exceptions `through`,
    which concern the run as a whole (a recording that is missing, a budget that is spent).
    """
    try:
        found = await ready.scorer.score(case, output, context)
    except through:
        raise
    except Worthless as error:
        return Score(0.0, _short(str(error)))
    except Unscored as error:
        return _error(str(error))
    except AIKitError as error:
        return _error(f"{error.code}: {error}")
    except Exception as error:
        return _error(f"{type(error).__name__}: {error}")
    return _checked(found, share=KINDS[ready.spec.use].share)


def _checked(found: Score, *, share: bool) -> Score:
    if found.error is not None:
        return _error(found.error)
    if found.value is None:
        return _error("it gave neither a score nor an error")
    if not math.isfinite(found.value) or (share and not 0 <= found.value <= 1):
        return _error(f"it gave {found.value}, which is no score")
    return Score(found.value, _short(found.why))


def _error(what: str) -> Score:
    return Score(None, error=_short(what) or "it failed")


def _short(text: str) -> str:
    return text if len(text) <= LONGEST_WHY else text[: LONGEST_WHY - 1] + "…"
