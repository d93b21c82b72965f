"""What was found, in figures and as data: how many, which exit code, and one row an exam. No secret is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from aikit.errors import Exit
from aikit.setup.doctor.fixing import Fixed
from aikit.setup.doctor.model import Finding


def exit_of(findings: Sequence[Finding]) -> Exit:
    """That of the first that failed, as they are shown; warnings are no failure."""
    for finding in findings:
        if finding.failed:
            assert finding.check is not None
            return finding.check.exit or Exit.NO
    return Exit.OK


def state_of(finding: Finding) -> str:
    """`ok`, `warning`, `failed` or `unknown`: one that could not be made."""
    if finding.check is None:
        return "unknown"
    return "failed" if finding.failed else "warning" if finding.warns else "ok"


def totals(findings: Sequence[Finding]) -> dict[str, int]:
    """How many there are of each state."""
    found = Counter(map(state_of, findings))
    return {state: found[state] for state in ("ok", "warning", "failed", "unknown")} | {"exit": int(exit_of(findings))}


def data(findings: Sequence[Finding], fixed: Sequence[Fixed] = ()) -> dict[str, Any]:
    """As JSON has it."""
    return {
        "healthy": not any(finding.failed for finding in findings),
        "checks": [_row(finding) for finding in findings],
        "fixed": [
            {"check": one.exam, "did": one.did or None, "problem": one.problem.message if one.problem else None}
            for one in fixed
        ],
    }


def _row(finding: Finding) -> dict[str, Any]:
    check = finding.check
    return {
        "check": finding.exam.id,
        "state": state_of(finding),
        "found": check.why if check else None,
        "remedy": (check.remedy or None) if check else None,
        "exit": int(check.exit or Exit.NO) if check and finding.failed else 0,
        "waits_for": finding.waits_for,
        "facts": dict(check.facts) if check else {},
        "ms": round(finding.seconds * 1000),
    }
