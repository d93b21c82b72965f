"""What `aikit lint` shows to people."""

from __future__ import annotations

from aikit.cli.output import console, emit_json, line, note, table, visible
from aikit.lint.linting import Report
from aikit.lint.model import Rule
from aikit.lint.reporting.data import by_code
from aikit.lint.rules import BY_CODE


def show(report: Report) -> None:
    """Every finding, its remedy under it, and a last line that sums up."""
    from rich.text import Text

    out = console()
    for finding in report.open:
        text = Text.assemble(
            (visible(finding.where), "bold"),
            " ",
            (finding.code, "bold red"),
            f" {visible(finding.message)}",
            ("\n  → ", "dim"),
            visible(finding.remedy),
        )
        out.print(text, soft_wrap=True)
    line(summary(report))
    if not report.files:
        note("There are no Python files there that git does not ignore.")


def summary(report: Report) -> str:
    """`2 findings in 14 files, 1 allowed`."""
    count, files, allowed = len(report.open), report.files, len(report.allowed)
    found = f"{count:,} finding{'s' if count != 1 else ''}" if count else "Nothing found"
    more = f", {allowed:,} allowed" if allowed else ""
    return f"{found} in {files:,} file{'s' if files != 1 else ''}{more}"


def show_stats(report: Report) -> None:
    """How often each rule is broken."""
    counts = by_code(report)
    if counts:
        rows = [[code, BY_CODE[code].name, f"{count:,}"] for code, count in counts.items()]
        table("Findings", ["Code", "Name", "Findings"], rows)
    line(summary(report))


def explained(rule: Rule, json: bool) -> None:
    """One rule, as a person would be told."""
    if json:
        emit_json("lint.rule", rule._asdict())
        return
    line(f"{rule.code} {rule.name}")
    for name, text in (("What", rule.summary), ("Why", rule.why), ("Do", rule.remedy)):
        line(f"  {name:<5}{text}")
    for name, code in (("Bad", rule.bad), ("Good", rule.good)):
        line(f"  {name}")
        for written in code.split("\n"):
            line(f"    {written}")
