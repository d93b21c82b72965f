"""`aikit eval list` and `schema`: what there is to run, and how suites are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aikit.cli.options import Json
from aikit.cli.output import UNKNOWN, emit_json, note, table, when

if TYPE_CHECKING:
    from aikit.evals.model import Suite

Which = Annotated[Literal["suite", "case"], typer.Argument(help="Of a suite's file, or of a line of its cases.")]


def list_(json: Json = False) -> None:
    """The suites, their last runs and their baselines."""
    from aikit.cli.eval_found import found
    from aikit.evals.evaluating import chosen_suites

    _, folder = found()
    rows = [_row(suite, folder) for suite in chosen_suites(folder, (), None)]
    if json:
        emit_json("eval.list", rows, {"suites": len(rows), "cases": sum(row["cases"] for row in rows)})
        return
    from aikit.cli.layout import Column

    columns = ("suite", "of", "cases", "trials", Column("last run (UTC)", 2), Column("baseline", 1))
    table("Suites", columns, [_cells(row) for row in rows])
    for row in rows:
        if row["suite"] in _subcommands():
            note(f"{row['suite']} is a command, too: run the suite by `aikit eval run {row['suite']}`.")


def schema(which: Which = "suite", json: Json = False) -> None:
    """The JSON Schema of suites or cases, for editors.

    It is JSON with and without --json, which adds the envelope.
    """
    from json import dumps

    from aikit.evals.suites.fields import case_schema, suite_schema

    found = suite_schema() if which == "suite" else case_schema()
    if json:
        emit_json("eval.schema", found)
    else:
        typer.echo(dumps(found, indent=2))


def _row(suite: Suite, folder: Path) -> dict[str, Any]:
    from aikit.evals.baselines import baseline_path, read_baseline
    from aikit.evals.runs import runs_folder, stored_runs

    last = next(iter(stored_runs(runs_folder(folder), suite.name)), None)
    baseline = read_baseline(baseline_path(folder, suite.name))
    blessed = baseline and (baseline.prompt.id if baseline.prompt else baseline.target)
    return {
        "suite": suite.name,
        "of": str(suite.prompt) if suite.prompt else suite.target,
        "description": suite.description,
        "cases": len(suite.cases),
        "critical": sum(case.critical for case in suite.cases),
        "trials": suite.trials,
        "scorers": [spec.name for spec in suite.scorers],
        "last_run": last and {"run": last.id, "started_at": last.started_at},
        "baseline": baseline and {"of": blessed, "run": baseline.run, "blessed_at": baseline.blessed_at},
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    last, baseline = row["last_run"], row["baseline"]
    return (
        row["suite"],
        row["of"],
        str(row["cases"]),
        str(row["trials"]),
        when(last["started_at"]) if last else UNKNOWN,
        f"{baseline['of']}, {baseline['blessed_at']:%Y-%m-%d}" if baseline else UNKNOWN,
    )


def _subcommands() -> set[str]:
    from aikit.cli.eval import app

    return {command.name for command in app.registered_commands if command.name}
