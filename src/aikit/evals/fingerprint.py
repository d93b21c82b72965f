"""What must be the same for two runs to be compared, part by part, so that it can be said what differs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from aikit.evals.model import Case, Suite
from aikit.types import PromptId

CASES, MODEL, PARAMETERS, TRIALS = "cases", "model", "parameters", "trials"
_NONE = "none"
_HASH = "sha256:"


class Judge(NamedTuple):
    """Who judges for a scorer: the model, and the versions of the prompts that it is asked with."""

    model: str
    prompts: tuple[PromptId, ...]


def fingerprint_of(
    suite: Suite,
    *,
    model: str | None,
    parameters: Mapping[str, Any],
    trials: int,
    judges: Mapping[str, Judge] | None = None,
) -> dict[str, str]:
    """The parts of a run's fingerprint. `model` is the one that the candidate is asked with, `parameters` are those
    that the suite adds to the prompt's own; `judges` are by the name of their scorer.

    A gate's bounds, whether a case is critical, and tags are no part of it: they change no score. Nor is the
    candidate's prompt, with its parameters: that is what is compared.
    """
    parts = {
        CASES: _hash(sorted(map(_case, suite.cases))),
        MODEL: model or _NONE,
        PARAMETERS: _hash(dict(parameters)) if parameters else _NONE,
        TRIALS: str(trials),
    }
    for spec in suite.scorers:
        parts[f"scorer {spec.name}"] = _hash([spec.use, dict(spec.options)])
    for scorer, judge in (judges or {}).items():
        parts[f"judge {scorer}"] = " ".join([judge.model, *(word for prompt in judge.prompts for word in prompt)])
    return parts


def differing(now: Mapping[str, str], before: Mapping[str, str], scorers: Iterable[str]) -> list[str]:
    """What keeps the scores of these scorers from being compared, a phrase each; none: they may be."""
    shared = (CASES, MODEL, PARAMETERS, TRIALS)
    own = [f"{kind} {scorer}" for scorer in scorers for kind in ("scorer", "judge")]
    return [
        _phrase(part, now.get(part), before.get(part)) for part in (*shared, *own) if now.get(part) != before.get(part)
    ]


def _phrase(part: str, now: str | None, before: str | None) -> str:
    if before is None:
        return f"{part} (new)"
    if now is None:
        return f"{part} (gone)"
    if _HASH in now + before:
        return f"{part} (changed)"
    return f"{part} ({_short(now)}, was {_short(before)})"


def _short(part: str) -> str:
    """A prompt's hash by its first twelve digits."""
    return " ".join(word[:12] if len(word) == 64 else word for word in part.split(" "))


def _case(case: Case) -> str:
    return _canonical([case.id, dict(case.vars), case.expected, case.context])


def _hash(value: Any) -> str:
    return _HASH + hashlib.sha256(_canonical(value).encode()).hexdigest()


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=_stated)


def _stated(value: Any) -> Any:
    """What JSON has no word for: mappings and tuples of other kinds, and whatever else a YAML file can say."""
    return dict(value) if isinstance(value, Mapping) else str(value)
