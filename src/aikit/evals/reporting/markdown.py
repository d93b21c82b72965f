"""A comment for a pull request: the verdict, the table, the worst cases with what was answered, folded away.

It begins with a hidden marker, by which a bot finds the comment that it has written before.
"""

from __future__ import annotations

from collections.abc import Iterable

from aikit.evals.figures import counted
from aikit.evals.model import CaseChange, Status
from aikit.evals.reporting.block import block, total
from aikit.evals.reporting.escaping import block as pre
from aikit.evals.reporting.escaping import code, markdown
from aikit.evals.reporting.outcome import Outcome, Report, Stopped, answers_of
from aikit.evals.reporting.rows import compare_command, detectable_line, gate_table
from aikit.evals.reporting.words import summary, value

MARKER = "<!-- aikit-eval -->"
MOST = 60_000
"""GitHub takes comments of 65,536 characters."""
WORST = 10
LONGEST = 1_200
ICONS = {Status.PASS: "✅", Status.WARN: "⚠️", Status.FAIL: "❌", Status.INCONCLUSIVE: "❔"}


def comment(report: Report) -> str:
    """With as much detail as fits: answers go first, then the tables of those that passed, then whole suites."""
    for answers in (LONGEST, LONGEST // 4, 0):
        text = _whole(report, report.entries, answers)
        if len(text) <= MOST:
            return text
    return _shortest(report)


def _whole(report: Report, entries: Iterable[Outcome | Stopped], answers: int, left: int = 0) -> str:
    parts = [MARKER, *[_section(entry, report, answers) for entry in entries]]
    if left:
        parts.append(f"… and {left} more.")
    if len(report.entries) > 1:
        parts.append(f"**{markdown(total(report))}**")
    return "\n\n".join(parts) + "\n"


def _shortest(report: Report) -> str:
    """Those that are not green first, until there is no room."""
    green = (Status.PASS, Status.WARN)
    entries = sorted(report.entries, key=lambda entry: isinstance(entry, Outcome) and entry.status in green)
    room, kept = MOST - 1_000, 0
    for entry in entries:
        room -= len(_section(entry, report, 0)) + 2
        if room < 0:
            break
        kept += 1
    return _whole(report, entries[:kept], 0, len(entries) - kept)


def _section(entry: Outcome | Stopped, report: Report, answers: int) -> str:
    first, *rest = block(entry, gate=report.gate)
    word, _, subject = first.partition(" ")
    icon = ICONS[entry.status] if isinstance(entry, Outcome) else "❗"
    lines = [f"### {icon} {word} {code(subject)}", pre("\n".join(rest), LONGEST)]
    if isinstance(entry, Outcome):
        lines += [markdown(summary(entry)), _table(entry), *_below(entry), *_worst(entry, answers)]
    return "\n\n".join(line for line in lines if line)


def _table(outcome: Outcome) -> str:
    table = gate_table(outcome)
    if not table.rows:
        return ""
    rule = ["---", *["---:"] * 5, "---", "---"]
    rows = [[markdown(cell) for cell in row] for row in (table.columns, *table.rows)]
    lines = [rows[0], rule, *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _below(outcome: Outcome) -> list[str]:
    """What the table does not say; what the first lines have said already, not again."""
    said = " ".join(block(outcome, gate=True))
    notes = [f"- {markdown(note)}" for note in outcome.verdict.notes if note.rstrip(".") not in said]
    detectable = detectable_line(outcome)
    return ["\n".join([*([f"- {markdown(detectable)}"] if detectable else []), *notes])]


def _worst(outcome: Outcome, answers: int) -> list[str]:
    rows = outcome.verdict.worst[:WORST]
    if not rows:
        return []
    before, after = outcome.sides
    head = f"<summary>{counted(len({row.case for row in outcome.verdict.worst}), 'case')} became worse"
    head += f" (the worst {len(rows)} changes)</summary>" if len(outcome.verdict.worst) > len(rows) else "</summary>"
    table = [f"| case | scorer | {markdown(before)} | {markdown(after)} |", "| --- | --- | ---: | ---: |"]
    table += [_row(outcome, row) for row in rows]
    command = compare_command(outcome)
    shown = [f"All of them, with both answers: {code(command)}"] if command else []
    body = ["\n".join(table), *shown, *(_answers(outcome, rows, answers) if answers else [])]
    return ["\n\n".join(["<details>", head, *body, "</details>"])]


def _row(outcome: Outcome, row: CaseChange) -> str:
    unit = outcome.units.get(row.scorer, "")
    cells = (code(row.case, 120), markdown(row.scorer), value(row.before, unit), value(row.after, unit))
    return "| " + " | ".join(cells) + " |"


def _answers(outcome: Outcome, rows: Iterable[CaseChange], most: int) -> list[str]:
    before, after = outcome.sides
    now = answers_of(outcome.run)
    found = []
    for case in dict.fromkeys(row.case for row in rows):
        found.append(f"{code(case, 120)}")
        for side, answers in ((before, outcome.then.get(case)), (after, now.get(case))):
            first = next((answer for answer in answers or () if answer is not None), None)
            if first is not None:
                found += [f"{markdown(side)}:", pre(first, most)]
    return found
