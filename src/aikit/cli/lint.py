"""`aikit lint`: an unmetered path is a build error. Reads files, runs nothing, needs no database and no key."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aikit.cli.options import Json
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from aikit.lint.linting import Report

Paths = Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="Files and folders; else this one.")]
Select = Annotated[list[str] | None, typer.Option("--select", metavar="CODES", help="Only these: AK001,AK002.")]
Ignore = Annotated[list[str] | None, typer.Option("--ignore", metavar="CODES", help="All but these.")]
Sarif = Annotated[Path | None, typer.Option("--sarif", metavar="FILE", help="Write SARIF 2.1.0, too.")]
Github = Annotated[bool, typer.Option("--github", help="Annotations for GitHub Actions instead of text.")]
Stats = Annotated[bool, typer.Option("--stats", help="How many of each, instead of where.")]
Explain = Annotated[str | None, typer.Option("--explain", metavar="CODE", help="What a rule is about, and no more.")]


def lint(
    paths: Paths = None,
    select: Select = None,
    ignore: Ignore = None,
    json: Json = False,
    github: Github = False,
    sarif: Sarif = None,
    stats: Stats = False,
    explain: Explain = None,
) -> None:
    """Find calls to providers that go past the kit, without running anything. Exits 1 if there are any.

    Allow one on its line: `# aikit: allow AK001 why`. What is not to be looked at: [lint] in aikit.toml.
    """
    from aikit.cli.lint_words import explained, show, show_stats
    from aikit.cli.output import emit_json
    from aikit.lint.reporting.annotations import annotation_lines
    from aikit.lint.reporting.data import finding_data, totals
    from aikit.lint.rules import codes, rule

    if explain is not None:
        explained(rule(explain, "--explain"), json)
        return
    if json and github:
        raise typer.BadParameter("is one form, --json another.", param_hint="--github")
    wanted, unwanted = codes(select or [], "--select"), codes(ignore or [], "--ignore")
    report = _report(paths or [Path()], github).only(wanted, unwanted)
    if sarif is not None:
        _write_sarif(report, sarif)
    if json:
        emit_json("lint", [finding_data(finding) for finding in report.findings], totals(report))
    elif github:
        for annotation in annotation_lines(report):
            typer.echo(annotation)
    elif stats:
        show_stats(report)
    else:
        show(report)
    if report.open:
        raise typer.Exit(Exit.NO)


def _report(paths: list[Path], github: bool) -> Report:
    """GitHub wants paths from the checkout; everybody else from where they are."""
    from aikit.lint.files import find_files
    from aikit.lint.linting import lint as look
    from aikit.lint.project import read_project

    project, root = read_project()
    checkout = os.environ.get("GITHUB_WORKSPACE") if github else None
    files = find_files(paths, root, project.exclude)
    return look(files, root, project, Path(checkout) if checkout else Path.cwd())


def _write_sarif(report: Report, file: Path) -> None:
    import json

    from aikit import __version__
    from aikit.lint.reporting.sarif import sarif

    try:
        file.write_text(json.dumps(sarif(report, __version__), indent=2) + "\n", "utf-8")
    except OSError as error:
        raise ConfigError(
            f"{file} can't be written: {error.strerror}.", remedy="Name another place: --sarif."
        ) from None
