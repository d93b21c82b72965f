"""Whether evals can be run: suites, what models have answered, and what a run is compared with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from aikit.errors import AIKitError, Exit, RecordingInvalid
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.model import Suite


def suites(patient: Patient) -> Check:
    """Whether each suite can be read, with its cases."""
    from aikit.evals.suites.reading import list_suites, read_suite

    folder = _folder(patient)
    if not folder.is_dir():
        return fine(f"there is no folder {folder.name}/", folder=str(folder), suites=[])
    cases, names = 0, []
    for name, path in list_suites(folder).items():
        cases += len(read_suite(path).cases)
        names.append(name)
    facts = {"folder": str(folder), "suites": names, "cases": cases}
    return fine(f"{', '.join(names)}: {cases} cases" if names else "none", **facts)


def recordings(patient: Patient) -> Check:
    """Whether the recordings of each suite can be read, and have the answers to its cases."""
    from aikit.evals.recordings import read_recordings, recordings_path

    folder = _folder(patient)
    found: dict[str, int] = {}
    lacking: dict[str, int] = {}
    for suite in _suites(folder):
        try:
            there = read_recordings(recordings_path(folder, suite.name), suite.name)
            found[suite.name] = len(there)
            lacking[suite.name] = sum(there.find(key) is None for key in _keys(suite, patient.settings))
        except RecordingInvalid as error:
            return broken(
                error.message.rstrip("."),
                f"Restore it: `git checkout -- {folder.name}/recordings/{suite.name}.jsonl`; or record it anew: "
                f"`aikit eval {suite.name} --refresh`.",
                error.exit,
                suite=suite.name,
            )
    orphans = sorted(path.stem for path in (folder / "recordings").glob("*.jsonl") if path.stem not in found)
    facts = {"recordings": found, "not_recorded": lacking, "orphans": orphans}
    for name, calls in lacking.items():
        if calls:
            return warning(
                f"{calls} answers that {name} asks for are not recorded: a run without a key is inconclusive",
                f"Run `aikit eval {name} --record`.",
                **facts,
            )
    if orphans:
        return warning(
            f"recordings of {', '.join(orphans)}, and there is no such suite",
            f"Remove them: `git rm {folder.name}/recordings/{orphans[0]}.jsonl`.",
            **facts,
        )
    return fine(f"{sum(found.values())} answers" if found else "none", **facts)


def baselines(patient: Patient) -> Check:
    """Whether each suite has a baseline that can be read, and is of the cases that there are."""
    from aikit.evals.baselines import baseline_path, read_baseline

    folder = _folder(patient)
    lacking, found = [], {}
    for suite in _suites(folder):
        try:
            baseline = read_baseline(baseline_path(folder, suite.name))
        except AIKitError as error:
            restore = f"Restore it: `git checkout -- {folder.name}/baselines/{suite.name}.json`."
            return broken(error.message.rstrip("."), restore, Exit.USAGE, suite=suite.name)
        if baseline is None:
            lacking.append(suite.name)
        else:
            found[suite.name] = baseline.run
    facts = {"baselines": found, "lacking": lacking}
    if lacking:
        return warning(
            f"{', '.join(lacking)} {'have' if len(lacking) > 1 else 'has'} none: only absolute gates hold",
            f"Run `aikit eval {lacking[0]}`, then `aikit eval bless {lacking[0]}`.",
            **facts,
        )
    return fine(", ".join(found) if found else "none is needed", **facts)


def _folder(patient: Patient) -> Path:
    from aikit.evals.folder import evals_folder

    settings = patient.settings
    return evals_folder(settings) if settings.file else patient.place.folder / "evals"


def _suites(folder: Path) -> list[Suite]:
    """Those that can be read; what can't is told by `suites`."""
    from aikit.evals.suites.reading import list_suites, read_suite

    return [read_suite(path) for path in list_suites(folder).values()] if folder.is_dir() else []


def _keys(suite: Suite, settings: Settings) -> Iterator[str]:
    """Of the calls that a run of the suite makes for its candidate; a function of the application is not called."""
    if suite.prompt is None:
        return
    from aikit.evals.keys import key_of
    from aikit.evals.model import ModelCall, Role
    from aikit.evals.planning import evaluated, merged
    from aikit.prompts.rendering import render
    from aikit.prompts.shipped import with_shipped

    prompt = evaluated(with_shipped(settings.prompts_folder), suite.prompt)
    model, parameters = suite.model or prompt.model or "", merged(prompt, suite)
    for case in suite.cases:
        messages = render(prompt, case.vars).parts
        for trial in range(suite.trials):
            yield key_of(ModelCall(Role.CANDIDATE, model, messages, parameters, trial, prompt.output, prompt.id))
