"""The reference of policies says what the code says: every field, every word, and only examples that are valid."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from aikit.guards.catalogue import CATALOGUE
from aikit.policy.file import json_schema, read_policies
from aikit.policy.model import MAX_OUTPUT_TOKENS, MAX_PROMPT_CHARACTERS
from aikit.types import Action, Environment, GuardAction, Metric, Place, Window

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "reference" / "policies.md").read_text(encoding="utf-8")
HOW_TO = (DOCS / "how-to" / "policy-as-code.md").read_text(encoding="utf-8")
CODE = " ".join(re.findall(r"`([^`\n]+)`", PAGE))
WORDS = set(re.findall(r"[a-z0-9_]+", CODE))
GUARDS = (DOCS / "how-to" / "guard-what-goes-in-and-out.md").read_text(encoding="utf-8")
FOUND = re.findall(r"```toml\n(.*?)```", PAGE + HOW_TO + GUARDS, re.DOTALL)
EXAMPLES = [example for example in FOUND if not example.startswith("[project.")]


def fields(schema: Any) -> Iterator[str]:
    """The names of all fields, at any depth."""
    if isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties
        for name, part in schema.items():
            yield from fields(part) if name != "properties" else ()
        for part in properties.values():
            yield from fields(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from fields(part)


def test_every_field_of_the_schema_is_on_the_page() -> None:
    sections = {"default", "plans", "features", "tenants", "users", "environments", "policies"}
    assert set(fields(json_schema())) - WORDS == set()
    assert all(re.search(rf"`\[+{section}", PAGE) for section in sections)


@pytest.mark.parametrize("known", [Metric, Window, Action, Environment, GuardAction, Place])
def test_every_word_that_a_field_can_have_is_on_the_page(known: type[Metric]) -> None:
    assert {str(word) for word in known} - WORDS == set()


def test_every_field_has_an_example() -> None:
    examples = "\n".join(EXAMPLES)
    optional = {name for name in fields(json_schema()) if not re.search(rf"\b{name}\b", examples)}
    prices = {"cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "input_image", "cache_read_audio",
              "reasoning", "output_audio", "output_image", "searches"}  # fmt: skip
    assert optional - prices <= {"environments", "dev", "staging", "prod"}


def test_the_defaults_are_those_of_the_code() -> None:
    assert f"| `max_output_tokens` | 1 to 10,000,000 | {MAX_OUTPUT_TOKENS:,} |" in PAGE
    assert f"| `max_prompt_characters` | 1 to 10¹⁵ | {MAX_PROMPT_CHARACTERS:,} |" in PAGE


@pytest.mark.parametrize("info", CATALOGUE, ids=lambda info: str(info.name))
def test_of_each_guard_the_page_says_what_is_left_out(info: Any) -> None:
    name = "custom.NAME" if info.name == "custom" else info.name
    places = ", ".join([f"`{place}`" for place in info.places]) if info.places != tuple(Place) else "everywhere"
    only = ", and only there" if info.possible_places == info.places != tuple(Place) else ""
    (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| `{name}` | `{info.action}` |")]
    assert row.startswith(f"| `{name}` | `{info.action}` | {places}{only} |")
    assert all(f"`{option.name}`" in row for option in info.options)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_every_example_is_valid(example: str) -> None:
    assert read_policies(example, where="the example", nano_per_credit=100_000)
