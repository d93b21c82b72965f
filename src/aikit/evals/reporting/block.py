"""The first lines of every report: PASS, FAIL or what else it is, what each gate found, and what that means."""

from __future__ import annotations

from aikit.errors import Exit
from aikit.evals.figures import counted
from aikit.evals.model import Rule, Status
from aikit.evals.reporting.escaping import one_line
from aikit.evals.reporting.outcome import Outcome, Report, Stopped
from aikit.evals.reporting.words import cases, ending, gate_line


def report_lines(report: Report) -> list[str]:
    """A block for each suite; after several, a line about all of them."""
    blocks = [block(entry, gate=report.gate) for entry in report.entries]
    lines = [line for block in blocks for line in ("", *block)][1:]
    return [*lines, "", total(report)] if len(blocks) > 1 else lines


def block(entry: Outcome | Stopped, *, gate: bool) -> list[str]:
    """`FAIL prompts/summarize@v3`, a line for each gate that failed, and what it comes to."""
    if isinstance(entry, Stopped):
        return [f"ERROR {one_line(entry.subject)}", *_error(entry)]
    return [f"{entry.status.upper()} {one_line(entry.subject)}", *gate_lines(entry), *_ending(entry, gate=gate)]


def gate_lines(outcome: Outcome) -> list[str]:
    """What decided: the gates that failed, or are undecided, or warn; all of them where none has anything to say."""
    if outcome.status is Status.FAIL:
        return failures(outcome)
    if outcome.status is Status.INCONCLUSIVE:
        undecided = [result for result in outcome.verdict.gates if result.status is Status.INCONCLUSIVE]
        whole = {result.why for result in undecided if result.rule is Rule.COVERAGE}
        if undecided and len(whole) != 1:
            return [gate_line(outcome, result) for result in undecided]
        return [one_line(why) for why in whole] or [one_line(note) for note in outcome.verdict.notes[:1]]
    return [gate_line(outcome, result) for result in outcome.verdict.gates]


def failures(outcome: Outcome) -> list[str]:
    """A line for each regression. That cases are gone is one, however many gates there are."""
    failed = [result for result in outcome.verdict.gates if result.status is Status.FAIL]
    lines = [gate_line(outcome, result) for result in failed if result.rule is not Rule.COVERAGE]
    if not lines and outcome.status is Status.FAIL:
        lines = [_gone(outcome)]
    return lines


def _gone(outcome: Outcome) -> str:
    then = outcome.baseline.cases if outcome.baseline else ()
    there = {case.id for case in outcome.suite.cases}
    gone = tuple(case for case in then if case not in there)
    if not gone:
        return one_line(next(iter(outcome.verdict.notes), "coverage"))
    return f"cases {len(then) - len(gone)} gate >= {len(then)}: gone {cases(gone)}"


def _ending(outcome: Outcome, *, gate: bool) -> list[str]:
    remedy = [f"→ {one_line(outcome.verdict.remedy)}"] if outcome.verdict.remedy else []
    match outcome.status:
        case Status.FAIL:
            return [ending(len(failures(outcome)), Exit.NO, gate=gate), *remedy]
        case Status.INCONCLUSIVE:
            blocked = " Build blocked." if gate else ""
            if outcome.run.interrupted:
                return [f"interrupted — exit {Exit.INTERRUPTED.value}.{blocked}", *remedy]
            return [f"nothing decided — exit {Exit.INCONCLUSIVE.value}.{blocked}", *remedy]
        case Status.WARN:
            warned = sum(result.status is Status.WARN for result in outcome.verdict.gates)
            return [f"0 regressions, {counted(warned, 'warning')} — exit 0."]
        case _:
            return ["0 regressions — exit 0."]


def _error(entry: Stopped) -> list[str]:
    said = [one_line(line) for line in entry.error.message.splitlines()]
    remedy = [f"→ {one_line(entry.error.remedy)}"] if entry.error.remedy else []
    return [*said, f"no verdict — exit {entry.exit.value}.", *remedy]


def total(report: Report) -> str:
    """`3 suites: 1 failed, 1 inconclusive, 1 passed — exit 1. Build blocked.`"""
    counts = {
        "failed": sum(outcome.status is Status.FAIL for outcome in report.outcomes),
        "stopped": sum(isinstance(entry, Stopped) for entry in report.entries),
        "inconclusive": sum(outcome.status is Status.INCONCLUSIVE for outcome in report.outcomes),
        "passed": sum(outcome.status in (Status.PASS, Status.WARN) for outcome in report.outcomes),
    }
    said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    blocked = " Build blocked." if report.gate and report.exit is not Exit.OK else ""
    return f"{counted(len(report.entries), 'suite')}: {said} — exit {report.exit.value}.{blocked}"
