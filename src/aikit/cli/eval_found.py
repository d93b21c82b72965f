"""Where the commands of evals look, and what several of them are told."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.model import Run, Suite

OfSuite = Annotated[str | None, typer.Option("--suite", metavar="NAME", help="Only runs of this suite.")]


def found() -> tuple[Settings, Path]:
    """The settings, and the folder of the evals."""
    from aikit.config import load
    from aikit.evals.folder import evals_folder

    settings = load()
    return settings, evals_folder(settings)


def stored(folder: Path, ref: str, suite: str | None = None) -> tuple[Run, Suite]:
    """A stored run by its id, the beginning of it, or `last`, and its suite as it is now. Raises RunNotFound."""
    from aikit.evals.evaluating import suite_of
    from aikit.evals.runs import load_run, runs_folder

    run = load_run(runs_folder(folder), ref, suite)
    return run, suite_of(run, folder)


def one_suite(folder: Path, name: str | None, wanted: str) -> str:
    """The suite that is meant where none is named: the only one. Raises BadParameter if there are several."""
    from aikit.evals.suites.reading import list_suites

    names: Sequence[str] = list(list_suites(folder))
    if name is None and len(names) == 1:
        return names[0]
    if name is None or name not in names:
        there = ", ".join(names) or "none"
        raise typer.BadParameter(f"{wanted}; there are: {there}", param_hint="--suite")
    return name
