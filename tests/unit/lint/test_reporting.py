"""Reports for machines: SARIF as its schema has it, annotations that nothing can break out of, JSON."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from aikit.lint.linting import Report
from aikit.lint.model import Finding
from aikit.lint.reporting.annotations import annotation_lines
from aikit.lint.reporting.data import finding_data, totals
from aikit.lint.reporting.sarif import sarif
from aikit.lint.rules import RULES

ODD = Finding("a b/ü,%:x.py", 0, 3, 5, "AK001", "100% :: odd\nline", "Do, this: now", 3, 9)
CELL = Finding("n.ipynb", 2, 1, 1, "AK002", "A request", "Stop", 1, 4)
ALLOWED = Finding("a.py", 0, 1, 1, "AK003", "A key", "Leave it", 1, 4, reason="on purpose")
REPORT = Report((ODD, CELL, ALLOWED, ALLOWED), 7)

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "pattern": "sarif-schema-2.1.0.json$"},
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "rules"],
                                "properties": {
                                    "name": {"type": "string"},
                                    "semanticVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {
                                            "type": "object",
                                            "required": ["id", "shortDescription"],
                                            "additionalProperties": False,
                                            "properties": {
                                                "id": {"type": "string"},
                                                "name": {"type": "string", "pattern": "^[A-Za-z]+$"},
                                                "shortDescription": TEXT,
                                                "fullDescription": TEXT,
                                                "help": TEXT,
                                                "defaultConfiguration": {
                                                    "properties": {
                                                        "level": {"enum": ["none", "note", "warning", "error"]}
                                                    }
                                                },
                                            },
                                        },
                                    },
                                },
                            }
                        },
                    },
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "originalUriBaseIds": {"type": "object"},
                    "results": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["message", "ruleId", "ruleIndex", "locations"],
                            "additionalProperties": False,
                            "properties": {
                                "ruleId": {"type": "string"},
                                "ruleIndex": {"type": "integer", "minimum": 0},
                                "level": {"enum": ["none", "note", "warning", "error"]},
                                "message": TEXT,
                                "partialFingerprints": {"additionalProperties": {"type": "string"}},
                                "suppressions": {
                                    "type": "array",
                                    "items": {
                                        "required": ["kind"],
                                        "properties": {"kind": {"enum": ["inSource", "external"]}},
                                    },
                                },
                                "locations": {
                                    "type": "array",
                                    "minItems": 1,
                                    "items": {
                                        "type": "object",
                                        "required": ["physicalLocation"],
                                        "properties": {
                                            "physicalLocation": {
                                                "type": "object",
                                                "required": ["artifactLocation"],
                                                "additionalProperties": False,
                                                "properties": {
                                                    "artifactLocation": {
                                                        "required": ["uri"],
                                                        "properties": {
                                                            "uri": {"type": "string", "pattern": "^[!-~]+$"}
                                                        },
                                                    },
                                                    "region": {
                                                        "additionalProperties": False,
                                                        "patternProperties": {
                                                            "^(start|end)(Line|Column)$": {
                                                                "type": "integer",
                                                                "minimum": 1,
                                                            }
                                                        },
                                                    },
                                                },
                                            }
                                        },
                                    },
                                },
                            },
                        },
                    },
                },
            },
        },
    },
}


def test_sarif_is_as_its_schema_says() -> None:
    written = json.loads(json.dumps(sarif(REPORT, "0.1.0")))
    jsonschema.validate(written, SCHEMA)
    (run,) = written["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [rule.code for rule in RULES]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


def test_sarif_of_nothing_is_valid_too() -> None:
    jsonschema.validate(sarif(Report((), 0), "0.1.0"), SCHEMA)


def test_sarif_names_places_and_what_is_allowed() -> None:
    odd, cell, allowed, again = sarif(REPORT, "0.1.0")["runs"][0]["results"]
    place = odd["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "a%20b/%C3%BC%2C%25%3Ax.py", "uriBaseId": "SRCROOT"}
    assert place["region"] == {"startLine": 3, "startColumn": 5, "endLine": 3, "endColumn": 9}
    assert "region" not in cell["locations"][0]["physicalLocation"]
    assert cell["message"]["text"] == "Cell 2, line 1: A request Stop"
    assert allowed["suppressions"] == [{"kind": "inSource", "justification": "on purpose"}]
    assert "suppressions" not in odd
    assert allowed["partialFingerprints"] != again["partialFingerprints"]


def test_fingerprints_do_not_change_when_lines_move() -> None:
    moved = Finding(ODD.path, 0, 30, 5, ODD.code, ODD.message, ODD.remedy, 30, 9)
    marks = [sarif(Report((one,), 1), "0.1.0")["runs"][0]["results"][0]["partialFingerprints"] for one in (ODD, moved)]
    assert marks[0] == marks[1]


def test_annotations_are_escaped_and_leave_out_what_is_allowed() -> None:
    odd, cell = annotation_lines(REPORT)
    assert odd == (
        "::error file=a b/ü%2C%25%3Ax.py,line=3,col=5,title=AK001 client-outside-the-kit"
        "::100%25 :: odd%0Aline Do, this: now"
    )
    assert cell == "::error file=n.ipynb,title=AK002 raw-http-to-a-provider::cell 2, line 1: A request Stop"


def test_json_has_all_and_totals_count_what_is_open() -> None:
    assert finding_data(ALLOWED)["reason"] == "on purpose"
    assert finding_data(ODD)["cell"] is None
    assert totals(REPORT) == {"files": 7, "findings": 2, "allowed": 2, "by_code": {"AK001": 1, "AK002": 1}}


@pytest.mark.parametrize("finding", REPORT.findings)
def test_json_can_be_written(finding: Finding) -> None:
    assert json.loads(json.dumps(finding_data(finding)))["code"] == finding.code
