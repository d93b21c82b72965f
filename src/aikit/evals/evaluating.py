"""Suites run, decided against their baselines and stored: an entry of the report for each. For the command line and
for pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aikit.errors import AIKitError, ConfigError, RunInvalid, RunNotFound
from aikit.evals.baselines import baseline_path, read_baseline
from aikit.evals.gate import decide
from aikit.evals.model import Run, Suite
from aikit.evals.reporting.outcome import Outcome, Stopped
from aikit.evals.runs import load_run, runs_folder, save_run, stored_runs
from aikit.evals.suites.reading import list_suites, read_suite, read_suites
from aikit.prompts.model import Ref

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.performing import Wish
    from aikit.evals.running import Progress


def chosen_suites(folder: Path, names: Sequence[str], prompt: Ref | None) -> tuple[Suite, ...]:
    """Those that are named; without names all, or all that evaluate the prompt.

    Raises ConfigError for a folder without suites, for a name that there is none of, for a file with mistakes, and for
    a named suite that evaluates another prompt.
    """
    if not folder.is_dir():
        raise ConfigError(
            f"There is no folder {folder.name}/ here.",
            facts={"looked for": str(folder)},
            remedy=f"Write {folder.name}/NAME.eval.yaml, and its cases; or go to where aikit.toml is.",
        )
    suites = read_suites(folder, names)
    if names:
        from aikit.evals.performing import chosen

        for suite in suites:
            chosen(suite, prompt)
    if names or prompt is None:
        return suites
    found = tuple(suite for suite in suites if suite.prompt and suite.prompt.name == prompt.name)
    if not found:
        raise ConfigError(
            f"No suite in {folder.name}/ evaluates {prompt.name}.",
            facts={"suites": [suite.name for suite in suites]},
            remedy=f"Write one that states prompt: {prompt.name}@candidate.",
        )
    return found


def evaluate(
    suites: Sequence[Suite],
    wish: Wish,
    settings: Settings,
    *,
    folder: Path,
    store: bool = True,
    progress: Callable[[Progress], None] | None = None,
    said: Callable[[str], None] = lambda note: None,
) -> Iterator[Outcome | Stopped]:
    """Each suite as it ends. What stops one does not stop the others; Ctrl-C does.

    `said` is told sentences for people. Raises ConfigError when a run can't be stored, BaselineInvalid before
    anything is run.
    """
    from aikit.evals.performing import perform

    for suite in suites:
        read_baseline(baseline_path(folder, suite.name))
    for suite in suites:
        try:
            for done in perform([suite], wish, settings, folder=folder, progress=progress):
                for note in done.notes:
                    said(note)
                outcome = decided(done.run, suite, settings, folder)
        except AIKitError as error:
            yield Stopped(suite, error, str(wish.prompt) if wish.prompt else None)
            continue
        if store:
            save_run(runs_folder(folder), done.run, spared=spared_runs(folder))
        yield outcome
        if done.run.interrupted:
            return


def decided(run: Run, suite: Suite, settings: Settings, folder: Path) -> Outcome:
    """What a run comes to against the suite's baseline, as both are now. Raises BaselineInvalid."""
    from aikit.evals.answered import answers_then

    baseline = read_baseline(baseline_path(folder, suite.name))
    verdict = decide(run, suite, baseline)
    then = answers_then(baseline, suite, settings, folder) if verdict.worst else {}
    return Outcome(suite, verdict, baseline, then)


def spared_runs(folder: Path) -> set[str]:
    """The runs that baselines are of: they have the outputs that a comparison shows."""
    found = (read_baseline(path) for path in sorted((folder / "baselines").glob("*.json")))
    return {baseline.run for baseline in found if baseline}


def suite_of(run: Run, folder: Path) -> Suite:
    """The suite of a stored run, as it is now. Raises ConfigError if there is none any more."""
    known = list_suites(folder)
    if run.suite not in known:
        raise ConfigError(
            f"{run.id} is a run of the suite {run.suite!r}, which is not in {folder.name}/ any more.",
            facts={"run": run.id, "known": list(known)},
            remedy=f"Bring back {folder.name}/{run.suite}.eval.yaml.",
        )
    return read_suite(known[run.suite])


def history(folder: Path, suite: str) -> list[Run]:
    """The stored runs of a suite that can be read, the oldest first."""
    found = []
    for stored in reversed(stored_runs(runs_folder(folder), suite)):
        try:
            found.append(load_run(runs_folder(folder), stored.id, suite))
        except (RunInvalid, RunNotFound):
            continue
    return found
