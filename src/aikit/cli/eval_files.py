"""What a verdict leaves behind, whatever it is: what is shown, the files that were asked for, what CI systems read.

Everything is written before the command ends. A file that can't be written is an error, told after the others.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from aikit.cli.output import emit_json
from aikit.errors import ConfigError, Exit

if TYPE_CHECKING:
    from aikit.config import Settings
    from aikit.evals.reporting.outcome import Report

Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML, as CI systems read it.")]
Md = Annotated[Path | None, typer.Option("--md", metavar="FILE", help="Write Markdown, for a pull request's comment.")]

ACTIONS = "GITHUB_ACTIONS"
SUMMARY = "GITHUB_STEP_SUMMARY"
ROOT = "GITHUB_WORKSPACE"


class Written(NamedTuple):
    """The files that were asked for."""

    junit: Path | None = None
    md: Path | None = None


def conclude(report: Report, settings: Settings, *, json: bool, written: Written) -> int:
    """Shows and writes everything; returns the exit code, which a file that can't be written makes 2 if it was 0."""
    _show(report, json=json)
    wrong = [error for write in _writers(report, written) if (error := _tried(write))]
    if os.environ.get(ACTIONS) == "true":
        _annotate(report, settings)
    for error in wrong:
        from aikit.cli.errors import tell

        tell(error)
    return report.exit or (Exit.USAGE if wrong else Exit.OK)


def _show(report: Report, *, json: bool) -> None:
    if json:
        from aikit.evals.reporting.data import report_data

        emit_json("eval", *report_data(report))
        return
    from aikit.cli.eval_words import show

    show(report)


def _writers(report: Report, written: Written) -> list[Callable[[], None]]:
    found: list[Callable[[], None]] = []
    if written.junit:
        path = written.junit
        found.append(lambda: _write(path, _junit(report)))
    if written.md:
        comment = written.md
        found.append(lambda: _write(comment, _markdown(report)))
    if summary := os.environ.get(SUMMARY):
        found.append(lambda: _append(Path(summary), _markdown(report)))
    return found


def _junit(report: Report) -> bytes:
    from aikit.evals.reporting.junit import junit

    return junit(report)


def _markdown(report: Report) -> bytes:
    from aikit.evals.reporting.markdown import comment

    return comment(report).encode()


def _tried(write: Callable[[], None]) -> ConfigError | None:
    try:
        write()
    except ConfigError as error:
        return error
    return None


def _write(path: Path, content: bytes) -> None:
    """In place, with the rights that a new file has: other programs read it."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _append(path: Path, content: bytes) -> None:
    try:
        with path.open("ab") as file:
            file.write(content)
    except OSError as error:
        raise _unwritable(path, error) from None


def _unwritable(path: Path, error: OSError) -> ConfigError:
    remedy = "Name another place." if path.parent.is_dir() else f"Make the folder: mkdir -p {path.parent}"
    return ConfigError(f"{path} can't be written: {error.strerror or error}.", remedy=remedy)


def _annotate(report: Report, settings: Settings) -> None:
    """On stderr, which GitHub reads as well, so that stdout stays data."""
    from aikit.evals.reporting.annotations import annotation_lines

    root = Path(os.environ.get(ROOT) or Path.cwd())
    for text in annotation_lines(report, root, settings.prompts_folder):
        typer.echo(text, err=True)
