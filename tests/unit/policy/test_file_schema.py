"""The JSON Schema of the policy file says what the reader says."""

from __future__ import annotations

import json
import re
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings

from aikit.policy.file import json_schema
from aikit.policy.file.example import TEMPLATE
from aikit.policy.file.limits import FIELDS as LIMIT_FIELDS
from aikit.policy.file.policies import FIELDS
from aikit.policy.file.writing import write_policies
from aikit.policy.model import Policy
from support.json_schema import conforms
from support.policy_mistakes import MISTAKES
from support.stated_policies import NANO_PER_CREDIT, every_example, policy_sets

ONLY_THE_READER_KNOWS = {
    "a whole number with a point",
    "an unprintable name",
    "an unprintable description",
    "a default above the ceiling",
    "money beyond measure",
    "a price beyond measure",
    "more credits than there are",
    "a soft cap at the cap",
    "a time zone that is nowhere",
    "two limits that count the same",
    "a limit on a call that is stated twice",
    "two policies of one name",
    "a region that is nowhere",
    "nothing to restore",
    "a schema that is no JSON",
    "a schema that is none",
    "a schema from elsewhere",
    "a schema with a number that is none",
    "a schema that can't be stored",
    "a schema that is nested too deeply",
    "a term that can't be printed",
}
"""Mistakes that a JSON Schema can't tell, or only by repeating the reader."""

SCHEMA = json_schema()


@pytest.mark.parametrize("text", [text for text, _ in MISTAKES.values()], ids=list(MISTAKES))
def test_editors_are_told_of_a_mistake_too(text: str, request: pytest.FixtureRequest) -> None:
    known = request.node.callspec.id in ONLY_THE_READER_KNOWS
    assert conforms(tomllib.loads(text), SCHEMA) is known


@settings(max_examples=30)
@given(policy_sets)
def test_whatever_is_written_is_as_the_schema_says(policies: list[Policy]) -> None:
    assert conforms(tomllib.loads(write_policies(policies, nano_per_credit=NANO_PER_CREDIT)), SCHEMA)


@pytest.mark.parametrize("text", [TEMPLATE, every_example(TEMPLATE)])
def test_the_template_is_as_the_schema_says(text: str) -> None:
    assert conforms(tomllib.loads(text), SCHEMA)


def test_the_schema_is_plain_json_and_describes_every_field() -> None:
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(SCHEMA["$defs"]) == {"limit", "name", "scope", *FIELDS}
    assert set(SCHEMA["$defs"]["limit"]["properties"]) == set(LIMIT_FIELDS)
    described: list[dict[str, Any]] = [
        *SCHEMA["properties"].values(),
        *SCHEMA["$defs"]["limit"]["properties"].values(),
        *[part for name, part in SCHEMA["$defs"].items() if name != "limit"],
    ]
    assert all(part["description"] for part in described)


def test_every_reference_leads_somewhere() -> None:
    references = re.findall(r'"#/\$defs/(\w+)"', json.dumps(SCHEMA))
    assert references
    assert set(references) <= set(SCHEMA["$defs"])
