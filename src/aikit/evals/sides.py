"""What `compare` is told to compare: a stored run, the baseline, or a version of the prompt, found for a suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from aikit.errors import ConfigError, EvalError, RunNotFound
from aikit.evals.baselines import Baseline, baseline_path, read_baseline
from aikit.evals.model import Run, Suite
from aikit.evals.runs import LAST, load_run, runs_folder, stored_runs
from aikit.prompts.model import Ref
from aikit.prompts.refs import parse_ref, parse_version

BASELINE = "baseline"

Replayed = Callable[[Suite, Ref], Run]
"""Runs a suite in replay with a version: that costs nothing, if it is recorded."""


def version_of(side: str, suite: Suite | None) -> Ref | None:
    """`v3` is a version of the suite's prompt, `summarize@v3` one of that prompt; None: it is something else."""
    if "@" in side:
        return parse_ref(side)
    version = parse_version(side)
    if version is None:
        return None
    if suite is None or suite.prompt is None:
        return Ref("", version=version)
    return Ref(suite.prompt.name, version=version)


def is_run(side: str) -> bool:
    """It names a run of itself, and with that its suite."""
    return side not in (BASELINE, LAST) and version_of(side, None) is None


def baseline_side(suite: Suite, folder: Path) -> Baseline:
    """Raises BaselineInvalid, and RunNotFound if there is none."""
    found = read_baseline(baseline_path(folder, suite.name))
    if found is None:
        raise RunNotFound(
            f"{suite.name} has no baseline.",
            facts={"suite": suite.name},
            remedy=f"Make a run that you have looked at the baseline: aikit eval bless {suite.name}.",
        )
    return found


def side_of(side: str, suite: Suite, folder: Path, replayed: Replayed) -> Run | Baseline:
    """Raises EvalError, ConfigError and PromptError for what can't be found."""
    if side == BASELINE:
        return baseline_side(suite, folder)
    ref = version_of(side, suite)
    if ref is None:
        return load_run(runs_folder(folder), side, suite.name)
    if suite.prompt is None or ref.name != suite.prompt.name:
        evaluates = suite.prompt.name if suite.prompt else suite.target
        raise ConfigError(f"{suite.name} evaluates {evaluates}, not {ref}.", remedy="Name another suite: --suite.")
    return _stored(ref, suite, folder) or replayed(suite, ref)


def _stored(ref: Ref, suite: Suite, folder: Path) -> Run | None:
    """The newest stored run of that version that is a whole one."""
    for found in stored_runs(runs_folder(folder), suite.name):
        try:
            run = load_run(runs_folder(folder), found.id, suite.name)
        except EvalError:
            continue
        whole = not (run.over_budget or run.interrupted or any(trial.missing for trial in run.results))
        if whole and run.prompt is not None and run.prompt.id == str(ref):
            return run
    return None
