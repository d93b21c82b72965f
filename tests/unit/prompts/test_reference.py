"""The reference of prompts names every filter, test, field and finding that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from aikit.prompts import verifying
from aikit.prompts.blocks import ROLES
from aikit.prompts.filters import FILTERS, TESTS
from aikit.prompts.reading import FIELDS, PARAMETERS, read_prompt
from aikit.prompts.sandbox import LOOP

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "prompts.md").read_text(encoding="utf-8")


def row(name: str) -> set[str]:
    """The words in backticks of a row of a table."""
    (found,) = re.findall(rf"^\| {name} \| (.*) \|$", PAGE, re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", found))


def test_filters_tests_and_loops_are_those_of_the_sandbox() -> None:
    assert row("filters") == set(FILTERS)
    assert row("tests") == set(TESTS)
    assert row("calls") == {"range(…)", "loop"} | LOOP


def test_fields_and_roles_are_those_that_are_read() -> None:
    assert re.findall(r"^\| `(\w+)` \| ", PAGE.partition("## Messages")[0], re.MULTILINE) == list(FIELDS)
    assert row("`parameters`") == set(PARAMETERS)
    assert all(f'{{% role "{role}" %}}' in PAGE for role in ROLES)


def test_findings_are_those_of_check() -> None:
    known = set(re.findall(r'"([A-Z_]{6,})"', Path(verifying.__file__).read_text(encoding="utf-8")))
    listed = set(re.findall(r"^\| `([A-Z_]+)` \|", PAGE, re.MULTILINE))
    assert listed == known | {"PROMPT_CHANGED", "PROMPT_INVALID"}


def test_the_example_of_a_file_is_one() -> None:
    (example,) = re.findall(r"```text\n(---\n.*?)```", PAGE, re.DOTALL)
    assert read_prompt(example, "summarize", 1).model == "openai/gpt-5-mini"
