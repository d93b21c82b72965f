"""A report as SARIF 2.1.0, which code hosts show beside the code. Allowed findings are in it as suppressed ones."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import quote

from aikit.lint.linting import Report
from aikit.lint.model import Finding
from aikit.lint.rules import RULES

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_INDEX = {rule.code: number for number, rule in enumerate(RULES)}


def sarif(report: Report, version: str) -> dict[str, Any]:
    """One run. Paths are relative to the checkout (`SRCROOT`), columns count characters."""
    driver = {
        "name": "aikit lint",
        "semanticVersion": version,
        "rules": [
            {
                "id": rule.code,
                "name": "".join(part.capitalize() for part in rule.name.split("-")),
                "shortDescription": {"text": rule.summary},
                "fullDescription": {"text": rule.why},
                "help": {"text": rule.remedy},
                "defaultConfiguration": {"level": "error"},
            }
            for rule in RULES
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"SRCROOT": {"description": {"text": "Where it was run: the checkout."}}},
        "results": _results(report),
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _results(report: Report) -> list[dict[str, Any]]:
    seen: dict[str, int] = {}
    results = []
    for finding in report.findings:
        mark = _fingerprint(finding)
        seen[mark] = seen.get(mark, 0) + 1
        results.append(_result(finding, f"{mark}:{seen[mark]}"))
    return results


def _result(finding: Finding, fingerprint: str) -> dict[str, Any]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    if finding.end_line:
        region |= {"endLine": finding.end_line, "endColumn": finding.end_column}
    cell = f"Cell {finding.cell}, line {finding.line}: " if finding.cell else ""
    uri = {"uri": quote(finding.path)} | ({} if finding.path.startswith("/") else {"uriBaseId": "SRCROOT"})
    place: dict[str, Any] = {"artifactLocation": uri}
    if not finding.cell:
        place["region"] = region
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": _INDEX[finding.code],
        "level": "error",
        "message": {"text": f"{cell}{finding.message} {finding.remedy}"},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"aikitLint/v1": fingerprint},
    }
    if finding.reason is not None:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.reason}]
    return result


def _fingerprint(finding: Finding) -> str:
    """The same wherever in the file it moves to."""
    return hashlib.sha256(f"{finding.path}\0{finding.code}\0{finding.message}".encode()).hexdigest()[:32]
