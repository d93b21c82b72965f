"""What a run would ask and cost, before anything is asked: at most, and as the recordings have it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aikit.config import Settings
from aikit.errors import AIKitError
from aikit.evals.bounding import Bounds, asked
from aikit.evals.keys import key_of
from aikit.evals.model import Case, Mode, ModelCall, Role, ScorerSpec, Suite
from aikit.evals.performing import Wish, chosen
from aikit.evals.planning import Plan, planned
from aikit.evals.recordings import Recordings, read_recordings, recordings_path
from aikit.evals.scorers.catalogue import MOST_CLAIMS, judged_by
from aikit.policy.model import MAX_OUTPUT_TOKENS
from aikit.prompts.rendering import render
from aikit.prompts.shipped import with_shipped
from aikit.types import Bound

QUOTED = 2
"""So many bytes at most a character of an answer takes when it is quoted in JSON for a judge; its tokens as many."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a suite's run would ask. Amounts in nano-USD; None: nobody can say.

    `most_nano` is an upper bound: every answer as long as it may be, every claim judged that may be. `expected_nano` is
    by what the recorded calls have cost. `to_ask` are the candidate's calls that this mode would send.
    """

    suite: str
    prompt: str | None
    trials: int
    calls: int
    to_ask: int
    most_nano: int | None
    expected_nano: int | None
    budget_nano: int | None
    why: str = ""
    """Why nobody can say what it costs at most."""


def estimate(suite: Suite, wish: Wish, settings: Settings, *, folder: Path) -> Estimate:
    """Nothing is opened and nobody asked. Raises ConfigError and PromptError for a suite that can't be run."""
    plan = planned(suite, with_shipped(settings.prompts_folder), folder.parent, chosen(suite, wish.prompt), wish.trials)
    recordings = read_recordings(recordings_path(folder, suite.name), suite.name)
    calls = [] if plan.target else list(_candidates(plan))
    known = [key for key in map(key_of, calls) if recordings.find(key) is not None]
    most, why = _most(plan, calls, Bounds(settings))
    return Estimate(
        suite=suite.name,
        prompt=plan.prompt.id.id if plan.prompt else None,
        trials=plan.trials,
        calls=len(calls),
        to_ask={Mode.REPLAY: 0, Mode.RECORD: len(calls) - len(known)}.get(wish.mode, len(calls)),
        most_nano=0 if wish.mode is Mode.REPLAY else most,
        expected_nano=0 if wish.mode is Mode.REPLAY else _expected(plan, recordings),
        budget_nano=suite.budget_nano if wish.budget_nano is None else wish.budget_nano,
        why="" if wish.mode is Mode.REPLAY else why,
    )


def _candidates(plan: Plan) -> Iterator[ModelCall]:
    assert plan.prompt is not None and plan.model is not None
    for case in plan.suite.cases:
        messages = render(plan.prompt, case.vars).parts
        for trial in range(plan.trials):
            yield ModelCall(Role.CANDIDATE, plan.model, messages, plan.parameters, trial, plan.prompt.output)


def _most(plan: Plan, calls: list[ModelCall], bounds: Bounds) -> tuple[int | None, str]:
    try:
        judging = sum(_judged(plan, spec, case, bounds) for spec in plan.suite.scorers for case in plan.suite.cases)
        return sum(map(bounds.most, calls)) + judging * plan.trials, ""
    except AIKitError as error:
        return None, error.message


def _judged(plan: Plan, spec: ScorerSpec, case: Case, bounds: Bounds) -> int:
    """What the judges of one scorer cost for one answer, at most."""
    refs, model = judged_by(spec)
    if model is None:
        return 0
    answer = plan.parameters.get("max_tokens") or MAX_OUTPUT_TOKENS
    total, claims = 0, 1
    for ref in refs:
        prompt = plan.prompts.load(ref)
        limits = {**prompt.parameters, **spec.options.get("parameters", {})}
        output = asked(ModelCall(Role.JUDGE, model, (), limits))["max_tokens"]
        size = len(prompt.source.encode()) + QUOTED * (_size(case) + answer) + _size_of(spec)
        total += claims * bounds.most_of(model, Bound(size, output))
        claims = spec.options.get("most_claims", MOST_CLAIMS)
    return total


def _size(case: Case) -> int:
    return len(json.dumps([dict(case.vars), case.expected, case.context], default=str))


def _size_of(spec: ScorerSpec) -> int:
    return len(json.dumps(dict(spec.options), default=str))


def _expected(plan: Plan, recordings: Recordings) -> int | None:
    """By the mean of what is recorded of this prompt, and of the judges for each of its answers."""
    candidates = recordings.costs(Role.CANDIDATE)
    if not candidates or plan.target is not None:
        return None
    judges = sum(recordings.costs(Role.JUDGE)) / len(candidates)
    each = sum(candidates) / len(candidates) + judges
    return round(each * len(plan.suite.cases) * plan.trials)
