"""GitHub annotations: `::error file=…,line=…::…` at the line of the suite that states the gate, or at the prompt."""

from __future__ import annotations

from pathlib import Path

from aikit.evals.model import GateResult, Status
from aikit.evals.reporting.block import block, failures
from aikit.evals.reporting.escaping import annotation, annotation_property, one_line
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from aikit.evals.reporting.words import gate_line


def annotation_lines(report: Report, root: Path, prompts: Path) -> list[str]:
    """A line each. `root` is the checkout, which files are named from; `prompts` the folder of the prompts.

    What failed is pinned to the prompt's file, which is what a pull request changes; what a suite says of itself, such
    as a case that is gone or a scorer that warns, to the suite's.
    """
    found: list[str] = []
    for entry in report.entries:
        if isinstance(entry, Stopped):
            said = one_line(f"{entry.error.message} {entry.error.remedy}")
            found.append(_line("error", _shown(entry.suite.path, root), 1, f"ERROR {entry.subject}", said))
        else:
            found += _of(entry, report, root, prompts)
    return found


def _of(outcome: Outcome, report: Report, root: Path, prompts: Path) -> list[str]:
    title, suite = f"{outcome.status.upper()} {outcome.subject}", _shown(outcome.suite.path, root)
    if outcome.status is Status.FAIL:
        file = _prompt_file(outcome, prompts)
        level = "error" if report.gate else "warning"
        where = _shown(file, root) if file else suite
        return [_line(level, where, 1, title, text) for text in failures(outcome)]
    if outcome.status is Status.INCONCLUSIVE:
        return [_line("error", suite, 1, title, "\n".join(block(outcome, gate=report.gate)[1:]))]
    warned = [result for result in outcome.verdict.gates if result.status is Status.WARN]
    return [_line("warning", suite, _line_of(outcome, result), title, gate_line(outcome, result)) for result in warned]


def _line(level: str, file: str, line: int, title: str, message: str) -> str:
    properties = f"file={annotation_property(file)},line={line},title={annotation_property(one_line(title))}"
    return f"::{level} {properties}::{annotation(message)}"


def _line_of(outcome: Outcome, result: GateResult) -> int:
    spec = outcome.spec(result.scorer)
    return max(spec.line, 1) if spec else 1


def _prompt_file(outcome: Outcome, prompts: Path) -> Path | None:
    if outcome.run.prompt is None:
        return None
    name, _, version = outcome.run.prompt.id.partition("@")
    return prompts / name / f"{version}.prompt"


def _shown(path: Path, root: Path) -> str:
    """From the root of the checkout, as GitHub wants it; as it is, if it is elsewhere."""
    absolute = path.absolute()
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else path.as_posix()
