"""Findings as JSON has them."""

from __future__ import annotations

from typing import Any

from aikit.lint.linting import Report
from aikit.lint.model import Finding


def finding_data(finding: Finding) -> dict[str, Any]:
    """Lines and columns count from 1; `cell` is null outside of notebooks, `reason` where it is not allowed."""
    return {
        "path": finding.path,
        "cell": finding.cell or None,
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line or finding.line,
        "end_column": finding.end_column or finding.column,
        "code": finding.code,
        "message": finding.message,
        "remedy": finding.remedy,
        "allowed": finding.reason is not None,
        "reason": finding.reason,
    }


def by_code(report: Report) -> dict[str, int]:
    """How many findings that nobody has allowed each rule has, those with none left out."""
    counts: dict[str, int] = {}
    for finding in report.open:
        counts[finding.code] = counts.get(finding.code, 0) + 1
    return dict(sorted(counts.items()))


def totals(report: Report) -> dict[str, Any]:
    return {
        "files": report.files,
        "findings": len(report.open),
        "allowed": len(report.allowed),
        "by_code": by_code(report),
    }
