"""`aikit eval report`: stored runs as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.eval_found import OfSuite
from aikit.cli.options import Json
from aikit.cli.output import emit_json, line
from aikit.errors import ConfigError, RunNotFound

if TYPE_CHECKING:
    from aikit.evals.model import Run, Suite

OUT = Path("aikit-eval.html")
Runs = Annotated[
    list[str] | None, typer.Argument(metavar="[RUN]...", help="Stored runs; the last of each suite without one.")
]
Out = Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the page is written.")]


def report(runs: Runs = None, suite: OfSuite = None, out: Out = OUT, json: Json = False) -> None:
    """Write an HTML page about stored runs.

    One file with verdicts, plots, and every case with what was answered. It opens from disk, and asks for nothing
    from anywhere.
    """
    from aikit.cli.eval_found import found, stored
    from aikit.evals.evaluating import decided, history
    from aikit.evals.reporting.html.page import page

    settings, folder = found()
    chosen = [stored(folder, ref, suite) for ref in runs] if runs else _last(folder, suite)
    outcomes = [decided(run, of, settings, folder) for run, of in chosen]
    text = page(outcomes, {outcome.suite.name: history(folder, outcome.suite.name) for outcome in outcomes})
    try:
        out.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{out} can't be written: {error.strerror}.", remedy="Name another place: --out.") from None
    if json:
        rows = [{"suite": one.suite.name, "run": one.run.id, "status": one.status.value} for one in outcomes]
        emit_json("eval.report", {"file": str(out), "runs": rows})
    else:
        line(f"{out}: {', '.join(f'{one.suite.name} ({one.status})' for one in outcomes)}")


def _last(folder: Path, suite: str | None) -> list[tuple[Run, Suite]]:
    """The last run of each suite that has one. Raises RunNotFound if none has."""
    from aikit.evals.evaluating import chosen_suites
    from aikit.evals.runs import LAST, load_run, runs_folder, stored_runs

    there = runs_folder(folder)
    suites = [one for one in chosen_suites(folder, [suite] if suite else (), None) if stored_runs(there, one.name)]
    if not suites:
        raise RunNotFound("No run is stored.", facts={"folder": str(there)}, remedy="Run the suites: aikit eval.")
    return [(load_run(there, LAST, one.name), one) for one in suites]
