"""GitHub annotations: `::error file=…,line=…::…`, at the place of each finding."""

from __future__ import annotations

from aikit.lint.linting import Report
from aikit.lint.model import Finding
from aikit.lint.rules import BY_CODE


def annotation_lines(report: Report) -> list[str]:
    """One line a finding that nobody has allowed."""
    return [_line(finding) for finding in report.open]


def _line(finding: Finding) -> str:
    title = f"{finding.code} {BY_CODE[finding.code].name}"
    place = {"file": finding.path}
    if not finding.cell:
        place |= {"line": str(finding.line), "col": str(finding.column)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in (place | {"title": title}).items())
    cell = f"cell {finding.cell}, line {finding.line}: " if finding.cell else ""
    return f"::error {properties}::{_message(f'{cell}{finding.message} {finding.remedy}')}"


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
