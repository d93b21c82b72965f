"""`aikit eval decide`: a stored run is decided again, by the gates and the baseline as they are now, at no cost."""

from __future__ import annotations

from typing import Annotated

import typer

from aikit.cli.eval_files import Junit, Md, Written
from aikit.cli.eval_found import OfSuite
from aikit.cli.options import Json

Stored = Annotated[str, typer.Argument(metavar="[RUN]", help="A stored run: its id, the beginning of it, or `last`.")]


def decide(
    run: Stored = "last",
    suite: OfSuite = None,
    gate: Annotated[bool, typer.Option("--gate/--no-gate", help="Exit 1 if a gate fails.")] = True,
    json: Json = False,
    junit: Junit = None,
    md: Md = None,
) -> None:
    """Decide a stored run again, at no cost.

    By the gates and the baseline as they are now: after one of them has changed.
    """
    from aikit.cli.eval_files import conclude
    from aikit.cli.eval_found import found, stored
    from aikit.evals.evaluating import decided
    from aikit.evals.reporting.outcome import Report

    settings, folder = found()
    what, of = stored(folder, run, suite)
    report = Report((decided(what, of, settings, folder),), gate)
    raise typer.Exit(conclude(report, settings, json=json, written=Written(junit, md)))
