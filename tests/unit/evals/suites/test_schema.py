"""The JSON Schemas say what the reader says, of whatever somebody may write."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from aikit.errors import ConfigError
from aikit.evals.scorers.catalogue import KINDS
from aikit.evals.suites.cases import read_cases
from aikit.evals.suites.fields import SUITE, case_schema, suite_schema
from aikit.evals.suites.kinds import Place, Wrong
from aikit.evals.suites.reading import read_suite

SUITES = Draft202012Validator(suite_schema())
CASES = Draft202012Validator(case_schema())
EVALS = Path(__file__).parents[4] / "evals"

WHOLE: dict[str, Any] = {
    "description": "What it is for.",
    "prompt": "summarize@v2",
    "model": "openai/gpt-4.1-mini",
    "parameters": {"max_tokens": 300, "temperature": 0.5, "extra": {"seed": 1}},
    "cases": "talk.cases.jsonl",
    "trials": 3,
    "budget_usd": "1.50",
    "concurrency": 4,
    "scorers": {
        "equals": {"strip": True, "ignore_case": False, "json": True, "value": {"a": 1}, "field": "a.b"},
        "terms": {"use": "contains", "terms": ["a"], "match": "any", "gate": {"min": 0.5}},
        "regex": {"pattern": "a+", "match": "full", "multiline": True, "timeout_seconds": 1},
        "json_schema": {"schema": {"type": "object"}},
        "levenshtein": None,
        "similarity": {"ratio": "token_set", "gate": {"min": 0.1, "max_drop": 0.1}},
        "grounding": {"source": "vars.thread"},
        "judge": {
            "use": "llm_judge",
            "model": "a/b",
            "prompt": "judge@v1",
            "task": "t",
            "rubric": ["x", {"criterion": "y", "weight": 2}],
            "scale": {"from": 1, "to": 5},
            "parameters": {"temperature": 0},
        },
        "faithfulness": {"model": "a/b", "claims": "claims@v1", "abstention": "allow", "most_claims": 10},
        "cost": {"gate": {"max": 0.1, "max_drop": 0.2}},
        "latency": {},
        "findings": {"kinds": ["email"]},
        "custom": {"function": "a.b:c", "options": {"x": 1}, "gate": {"min": -3, "max": 7}, "lower_is_better": True},
    },
}
CASE: dict[str, Any] = {
    "id": "late-fee",
    "vars": {"thread": "x"},
    "expected": {"a": [1]},
    "context": "y",
    "tags": ["t"],
    "critical": True,
}
JUNK = st.sampled_from(
    [None, True, False, 0, 1, -1, 2, 0.5, 1.0, 1e9, "", " ", "a", "1", "A b", "a@v1", "a@latest", "a/b", "a:b", "min",
     "any", "equals", "cost", [], ["a"], [""], [1], {}, {"a": 1}, {"use": "cost"}, {"min": 1}, {"type": "string"}]
).map(copy.deepcopy)  # fmt: skip
ADDED = ["gate", "use", "x", "cost", "max", "min", "strip", "target"]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a value."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *[inner for key, part in parts for inner in places(part, (*path, key))]]


@st.composite
def changed(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """A good file in which something was replaced, removed or added."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        *around, last = draw(st.sampled_from([path for path in places(value) if path]))
        parent = value
        for key in around:
            parent = parent[key]
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                parent[last] = draw(JUNK)
            case "remove":
                del parent[last]
            case _ if isinstance(parent, dict):
                parent[draw(st.sampled_from(ADDED))] = draw(JUNK)
            case _:
                parent.append(draw(JUNK))
    return value


def read(value: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the reader takes a suite as a whole, and whether it takes each field by itself."""
    place = Place()
    try:
        stated = SUITE.read(value, place)
    except Wrong:
        return False, False
    one = ("prompt" in value) != ("target" in value)
    only_reader = [problem for problem in place.problems if _only_the_reader_knows(problem.path, value)]
    assert stated is not None
    return one and not place.problems, one and len(only_reader) == len(place.problems)


def _only_the_reader_knows(path: tuple[Any, ...], value: dict[str, Any]) -> bool:
    """What options mean together, and whether an expression or a schema is one."""
    if len(path) == 2 and path[0] == "scorers":
        stated = value["scorers"][path[1]]
        use = (stated or {}).get("use", path[1]) if isinstance(stated, dict | None) else None
        return use in KINDS and any(True for _ in _checked(use, stated or {}))
    return path[-1] in ("pattern", "schema")


def _checked(use: str, stated: dict[str, Any]) -> Any:
    return KINDS[use].check(stated)


@settings(max_examples=600, deadline=None)
@given(changed(WHOLE))
def test_what_the_reader_takes_the_schema_allows_and_the_other_way_round(value: dict[str, Any]) -> None:
    taken, taken_by_field = read(value)
    allowed = SUITES.is_valid(value)
    assert not taken or allowed, list(SUITES.iter_errors(value))
    assert not allowed or taken_by_field


@settings(max_examples=300, deadline=None)
@given(changed(CASE))
def test_what_is_a_case_for_the_reader_is_one_for_the_schema(value: dict[str, Any]) -> None:
    try:
        taken = bool(read_cases(json.dumps(value), "cases.jsonl"))
    except ConfigError:
        taken = False
    assert taken is CASES.is_valid(value)


def test_the_whole_of_it_is_taken_by_both() -> None:
    assert read(WHOLE) == (True, True)
    assert SUITES.is_valid(WHOLE)
    assert CASES.is_valid(CASE)


@pytest.mark.parametrize("schema", [suite_schema(), case_schema()], ids=["suite", "case"])
def test_the_schemas_are_schemas_that_explain_every_field(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert all(field["description"].endswith((".", "unless stated.")) for field in schema["properties"].values())


def test_every_kind_of_scorer_is_in_the_schema() -> None:
    assert set(suite_schema()["$defs"]) == set(KINDS)


@pytest.mark.parametrize("path", sorted(EVALS.glob("*.eval.yaml")), ids=lambda path: path.name)
def test_the_suites_of_this_repository_are_as_both_say(path: Path) -> None:
    from aikit.prompts.plain_yaml import read_plain

    suite = read_suite(path)
    SUITES.validate(read_plain(path.read_text(), "the suite", "").fields)
    for line in suite.cases_path.read_text().splitlines():
        CASES.validate(json.loads(line))
