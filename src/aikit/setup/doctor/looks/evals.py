"""Whether evals can be run: suites, what models have answered, and what a run is compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from aikit.errors import AIKitError, Exit
from aikit.setup.doctor.model import broken, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check

if TYPE_CHECKING:
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
    """Whether the recordings of each suite can be read, and are there."""
    from aikit.evals.recordings import read_recordings, recordings_path

    folder = _folder(patient)
    found: dict[str, int] = {}
    for suite in _suites(folder):
        try:
            found[suite.name] = len(read_recordings(recordings_path(folder, suite.name), suite.name))
        except AIKitError as error:
            return broken(
                error.message.rstrip("."),
                f"Restore it: `git checkout -- {folder.name}/recordings/{suite.name}.jsonl`; or record it anew: "
                f"`aikit eval {suite.name} --refresh`.",
                error.exit,
                suite=suite.name,
            )
    orphans = sorted(path.stem for path in (folder / "recordings").glob("*.jsonl") if path.stem not in found)
    facts = {"recordings": found, "orphans": orphans}
    empty = [name for name, calls in found.items() if not calls]
    if empty:
        return warning(
            f"nothing is recorded for {', '.join(empty)}: a run without a key is inconclusive",
            f"Run `aikit eval {empty[0]} --refresh`.",
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
    from aikit.evals.evaluating import evals_folder

    settings = patient.settings
    return evals_folder(settings) if settings.file else patient.place.folder / "evals"


def _suites(folder: Path) -> list[Suite]:
    """Those that can be read; what can't is told by `suites`."""
    from aikit.evals.suites.reading import list_suites, read_suite

    return [read_suite(path) for path in list_suites(folder).values()] if folder.is_dir() else []
