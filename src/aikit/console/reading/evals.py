"""The stored runs of evals, decided again on the suites and baselines that are there now. From files, no database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import TypeVar

from aikit.console.filtering import Filter
from aikit.console.model import EvalRow, EvalsPage
from aikit.console.reading.clock import Clock
from aikit.errors import AIKitError, RunInvalid
from aikit.evals.baselines import baseline_path, read_baseline
from aikit.evals.gate import decide
from aikit.evals.model import Run, Suite, Verdict
from aikit.evals.run_text import read_run
from aikit.evals.runs import StoredRun, runs_folder, stored_runs
from aikit.evals.scored import means_of, values_of
from aikit.evals.suites.reading import list_suites, read_suite

MOST_RUNS = 100
PATIENCE = 0.06
NOT_READ = "not read yet"
Stamp = tuple[tuple[str, int, int] | None, ...]
Found = TypeVar("Found")
Remembered = dict[Path, tuple[Stamp, Found]]


class Evals:
    """The runs, each file read once, and decided again when the suite, its cases or the baseline has changed."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._rows: Remembered[EvalRow] = {}
        self._suites: Remembered[Suite | str] = {}

    def read(self, wanted: Filter) -> EvalsPage:
        """The newest that the filter lets through."""
        folder = self._folder
        if folder is None or not folder.is_dir():
            return EvalsPage((), None)
        clock = Clock(PATIENCE)
        rows = [self._row(folder, stored, clock) for stored in stored_runs(runs_folder(folder))[:MOST_RUNS]]
        return EvalsPage(tuple([row for row in rows if wanted.fits(_fields(row))]), str(folder))

    def _row(self, folder: Path, stored: StoredRun, clock: Clock) -> EvalRow:
        """As it was decided last, if there is no time to look whether that holds; the newest are looked at first."""
        if clock.left <= 0:
            known = self._rows.get(stored.path)
            return known[1] if known else _untold(stored, NOT_READ)
        suite, baseline = self._suite(folder, stored.suite), baseline_path(folder, stored.suite)
        watched = [stored.path, baseline, *([suite.path, suite.cases_path] if isinstance(suite, Suite) else [])]
        return _once(self._rows, stored.path, watched, lambda: _decided(stored, suite, baseline))

    def _suite(self, folder: Path, name: str) -> Suite | str:
        """The suite as it is now, or why it can't be read."""
        path = folder / f"{name}.eval.yaml"
        known = self._suites.get(path)
        watched = [path, *([known[1].cases_path] if known and isinstance(known[1], Suite) else [])]
        return _once(self._suites, path, watched, lambda: _suite(folder, name))


def _once(remembered: Remembered[Found], key: Path, watched: list[Path], make: Callable[[], Found]) -> Found:
    """What was made of these files, made anew when one of them has changed."""
    stamp = tuple([_stamp(path) for path in watched])
    known = remembered.get(key)
    if known is None or known[0] != stamp:
        known = remembered[key] = stamp, make()
    return known[1]


def _stamp(path: Path) -> tuple[str, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_mtime_ns, found.st_size


def _suite(folder: Path, name: str) -> Suite | str:
    try:
        known = list_suites(folder)
        return read_suite(known[name]) if name in known else f"there is no suite {name} any more"
    except (AIKitError, OSError) as error:
        return str(error)


def _decided(stored: StoredRun, suite: Suite | str, baseline: Path) -> EvalRow:
    try:
        run = read_run(stored.path)
        if run.id != stored.id:
            raise RunInvalid(f"{stored.path} holds another run, {run.id}.")
    except (AIKitError, OSError) as error:
        return _untold(stored, str(error))
    if isinstance(suite, str):
        return _told(run, None, suite)
    try:
        verdict = decide(run, suite, read_baseline(baseline))
    except (AIKitError, OSError) as error:
        return _told(run, None, str(error))
    whys = [gate.why for gate in verdict.gates if gate.why and gate.status is verdict.status]
    return _told(run, verdict, whys[0] if whys else None)


def _untold(stored: StoredRun, why: str) -> EvalRow:
    return EvalRow(stored.id, stored.suite, stored.started_at, "", "", 0, None, why, (), 0)


def _told(run: Run, verdict: Verdict | None, why: str | None) -> EvalRow:
    return EvalRow(
        id=run.id,
        suite=run.suite,
        started_at=run.started_at,
        subject=run.prompt.id if run.prompt else run.target or "",
        mode=run.mode.value,
        cases=len(run.cases),
        status=verdict.status if verdict else None,
        why=why,
        scores=_means(run),
        spent=run.spent_nano,
    )


def _means(run: Run) -> tuple[tuple[str, float | None], ...]:
    names = dict.fromkeys([name for trial in run.results for name in trial.scores])
    means = [(name, list(means_of(values_of(run, name)).values())) for name in names]
    return tuple([(name, fmean(found) if found else None) for name, found in means])


def _fields(row: EvalRow) -> dict[str, str]:
    found = {
        "suite": row.suite,
        "prompt": row.subject,
        "status": row.status.value if row.status else "",
        "code": row.why or "",
    }
    return {name: value for name, value in found.items() if value}
