"""What the doctor found, for people: grouped, a line a check, and under each that fails what mends it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from aikit.cli.output import console, gap, visible

if TYPE_CHECKING:
    from aikit.setup.doctor.model import Finding

MARKS = {"ok": "[✓]", "warning": "[!]", "failed": "[✗]", "unknown": "[ ]"}
LETTERS = {"ok": "[ok]  ", "warning": "[warn]", "failed": "[FAIL]", "unknown": "[    ]"}
COLOURS = {"ok": "green", "warning": "yellow", "failed": "bold red", "unknown": "dim"}


def show(findings: Sequence[Finding], *, marks_in_letters: bool) -> None:
    """All of them, then how many there are of each."""
    from rich.text import Text

    from aikit.setup.doctor.report import state_of

    out = console()
    marks, arrow = (LETTERS, "->") if marks_in_letters else (MARKS, "→")
    width = max((len(finding.exam.name) for finding in findings), default=0)
    for group, members in groupby(findings, lambda finding: finding.exam.group):
        out.print(Text(group.capitalize(), "bold"))
        found = list(members)
        for finding in found:
            if finding.check is None:
                continue
            state = state_of(finding)
            line = Text.assemble((marks[state], COLOURS[state]), f" {finding.exam.name:<{width}}  ")
            line.append(said(finding) if not marks_in_letters else in_letters(said(finding)))
            out.print(line, soft_wrap=True)
            if finding.check and finding.check.remedy and state != "ok":
                remedy = visible(finding.check.remedy)
                indent = " " * (len(marks[state]) + 1)
                out.print(f"{indent}{arrow} {in_letters(remedy) if marks_in_letters else remedy}", soft_wrap=True)
        for text in not_looked_at(found):
            out.print(Text.assemble((marks["unknown"], COLOURS["unknown"]), f" {text}"), soft_wrap=True)
    gap()
    out.print(summary(findings), soft_wrap=True)
    if nothing_is_there(findings):
        out.print("Nothing is set up here yet. Begin with `aikit init`.", soft_wrap=True)


def said(finding: Finding) -> str:
    """What was found, on one line that can be printed."""
    return visible(finding.check.why) if finding.check else ""


def nothing_is_there(findings: Sequence[Finding]) -> bool:
    """Neither a configuration nor a database."""
    facts = {finding.exam.id: finding.check.facts for finding in findings if finding.check}
    unmade = facts.get("database/reach", {}).get("made") is False
    return unmade and "aikit.toml" in facts.get("settings/files", {}).get("missing", ())


def not_looked_at(findings: Sequence[Finding]) -> list[str]:
    """A line for each check that others wait for, with those others."""
    waiting: dict[str, list[str]] = {}
    for finding in findings:
        if finding.waits_for is not None:
            waiting.setdefault(finding.waits_for, []).append(finding.exam.name)
    return [f"not looked at before {need} is well: {', '.join(names)}" for need, names in waiting.items()]


def summary(findings: Sequence[Finding]) -> str:
    """`34 checks: 30 ok, 3 warnings, 1 failed`"""
    from aikit.setup.doctor.report import totals

    found = totals(findings)
    parts = [f"{found['ok']} ok"]
    parts += [f"{found['warning']} warning{'s' if found['warning'] > 1 else ''}"] if found["warning"] else []
    parts += [f"{found['failed']} failed"] if found["failed"] else []
    parts += [f"{found['unknown']} not looked at"] if found["unknown"] else []
    return f"{len(findings)} checks: {', '.join(parts)}"


def in_letters(text: str) -> str:
    """For terminals that have nothing but ASCII."""
    plain = {"→": "->", "·": "-", "…": "...", "–": "-", "—": "-", "≠": "!=", "✓": "ok", "✗": "x"}
    return "".join(plain.get(character, character) for character in text).encode("ascii", "replace").decode()
