"""Makes prompts for tests."""

from __future__ import annotations

from typing import Any

from aikit.prompts.model import Prompt, Rendered
from aikit.prompts.reading import read_prompt
from aikit.prompts.rendering import render

OPEN = """\
  text: string
  big: string
  items: array
  table: object
"""
VALUES: dict[str, Any] = {
    "text": "some text",
    "big": "a" * 100_000,
    "items": ["a", "b"],
    "table": {"a": 1, "b": "two"},
}


def prompt(body: str, *, fields: str = "", inputs: str = OPEN, name: str = "sample", version: int = 1) -> Prompt:
    """A prompt with this body, as its file would be read."""
    return read_prompt(f"---\ndescription: A sample.\n{fields}input:\n{inputs}---\n{body}\n", name, version)


def user(template: str, **rest: str) -> Prompt:
    """A prompt of one message."""
    return prompt('{% role "user" %}\n' + template, **rest)


def filled(template: str, **values: Any) -> str:
    """What one message comes to, with the usual inputs or these."""
    found: Rendered = render(user(template), VALUES | values)
    return found.parts[0].text
