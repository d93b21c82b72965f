"""What was answered when the baseline was made: from its stored run, or from the recordings of its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aikit.config import Settings
from aikit.errors import AIKitError, RunInvalid, RunNotFound
from aikit.evals.baselines import Baseline
from aikit.evals.keys import key_of
from aikit.evals.model import ModelCall, Role, Run, Suite
from aikit.evals.planning import planned
from aikit.evals.recordings import read_recordings, recordings_path
from aikit.evals.reporting.outcome import answers_of
from aikit.evals.runs import load_run, runs_folder
from aikit.prompts.refs import parse_ref
from aikit.prompts.rendering import render
from aikit.prompts.shipped import with_shipped

Answers = Mapping[str, Sequence[str | None]]
"""By case: what was answered in each trial; None: nothing."""


def stored_of(baseline: Baseline | None, folder: Path) -> Run | None:
    """The run that a baseline is of, if it is stored here and can be read."""
    if baseline is None:
        return None
    try:
        return load_run(runs_folder(folder), baseline.run, baseline.suite)
    except (RunNotFound, RunInvalid):
        return None


def answers_then(baseline: Baseline | None, suite: Suite, settings: Settings, folder: Path) -> Answers:
    """Nothing, where neither is there: a checkout in CI has recordings, and no stored runs."""
    if stored := stored_of(baseline, folder):
        return answers_of(stored)
    if baseline is None or baseline.prompt is None:
        return {}
    try:
        return _recorded(baseline, suite, settings, folder)
    except AIKitError:
        return {}


def _recorded(baseline: Baseline, suite: Suite, settings: Settings, folder: Path) -> Answers:
    """Raises AIKitError for a prompt, a suite or recordings that can't be used any more."""
    assert baseline.prompt is not None
    prompts = with_shipped(settings.prompts_folder)
    plan = planned(suite, prompts, folder.parent, parse_ref(baseline.prompt.id), baseline.trials)
    prompt, model = plan.prompt, plan.model
    if prompt is None or model is None or prompt.sha256 != baseline.prompt.sha256:
        return {}
    recordings = read_recordings(recordings_path(folder, suite.name), suite.name)
    found: dict[str, list[str | None]] = {}
    for case in suite.cases:
        messages = render(prompt, case.vars).parts
        calls = [
            ModelCall(Role.CANDIDATE, model, messages, plan.parameters, trial, prompt.output, prompt.id)
            for trial in range(plan.trials)
        ]
        answers = [recordings.find(key_of(call)) for call in calls]
        found[case.id] = [answer.text if answer else None for answer in answers]
    return found
