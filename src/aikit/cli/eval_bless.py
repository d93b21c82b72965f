"""`aikit eval bless`: a run that somebody has looked at becomes the baseline of its suite."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aikit.cli.eval_found import OfSuite
from aikit.cli.options import Json
from aikit.cli.output import emit_json, line

if TYPE_CHECKING:
    from aikit.evals.baselines import Baseline
    from aikit.evals.model import Run

Named = Annotated[
    str | None,
    typer.Argument(metavar="[RUN|SUITE]", help="A stored run: its id, or the beginning; or a suite, for its last run."),
]
Last = Annotated[bool, typer.Option("--last", help="The last run; what is meant if none is named.")]
Why = Annotated[
    str | None,
    typer.Option("--reason", "--force", metavar="TEXT", help="Why, if it is below a minimum; kept with the baseline."),
]


def bless(
    named: Named = None, last: Last = False, suite: OfSuite = None, reason: Why = None, json: Json = False
) -> None:
    """Make a run the baseline of its suite. Look at it first: `aikit eval compare baseline last`.

    Writes evals/baselines/SUITE.json, which is committed. Refused for a run that is incomplete or inconclusive, and
    without a reason for one below a minimum.
    """
    from aikit.cli.eval_found import found
    from aikit.evals.baselines import baseline_path
    from aikit.evals.blessing import bless as write
    from aikit.ledger.audit import actor

    if named and last:
        raise typer.BadParameter("is not said beside a run", param_hint="--last")
    _, folder = found()
    run, of = _run(folder, named, suite)
    path = baseline_path(folder, of.name)
    baseline = write(run, of, path, by=actor(), at=datetime.now(UTC), reason=reason)
    _say(baseline, run, path, json)


def _run(folder: Path, named: str | None, suite: str | None) -> Any:
    from aikit.cli.eval_found import stored
    from aikit.evals.runs import LAST
    from aikit.evals.suites.reading import list_suites

    if named and suite is None and named in list_suites(folder):
        return stored(folder, LAST, named)
    return stored(folder, named or LAST, suite)


def _say(baseline: Baseline, run: Run, path: Path, json: bool) -> None:
    from aikit.evals.reporting.data import run_data
    from aikit.evals.reporting.words import size

    shown = f"{path.parent.parent.name}/{path.parent.name}/{path.name}"
    if json:
        emit_json("eval.bless", {"suite": baseline.suite, "file": shown, "forced": baseline.forced} | run_data(run))
        return
    of = baseline.prompt.id if baseline.prompt else baseline.target
    line(f"{of} is the baseline of {baseline.suite} · {size(run)} · {run.id}")
    if baseline.forced:
        line(f"below a minimum, because: {baseline.forced}")
    line(f"→ git add {shown}")
