"""Importing aikit costs next to nothing; its public names are a list, and each is there."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aikit

HEAVY = ["openai", "anthropic", "google.genai", "genai_prices", "sqlalchemy", "alembic", "textual", "psycopg", "httpx2",
         "pydantic", "typer", "rich", "jinja2", "jsonschema", "yaml"]  # fmt: skip


def loaded(code: str) -> list[str]:
    """The heavy modules that a fresh interpreter has loaded after this."""
    asked = f"{code}\nimport sys\nprint(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_aikit_loads_nothing_heavy() -> None:
    assert loaded("import aikit; aikit.__version__; dir(aikit)") == []


@pytest.mark.parametrize("name", ["tags", "Tags", "SpendCapExceeded", "Usage", "Prompt", "Rendered"])
def test_a_light_name_stays_light(name: str) -> None:
    assert loaded(f"import aikit; aikit.{name}") == []


def test_a_kit_loads_no_sdk_and_no_reader_of_prompts_before_one_is_asked_for() -> None:
    later = {"openai", "anthropic", "google.genai", "sqlalchemy", "textual", "typer", "rich", "jinja2", "yaml"}
    assert later.isdisjoint(loaded("import aikit; aikit.AIKit; aikit.AsyncAIKit"))


def test_the_public_names_are_sorted_and_there() -> None:
    assert aikit.__all__ == sorted(aikit.__all__)
    assert dir(aikit) == aikit.__all__
    for name in aikit.__all__:
        assert getattr(aikit, name).__name__ == name


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'aikit' has no attribute 'AiKit'"):
        aikit.AiKit
