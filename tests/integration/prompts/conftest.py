"""Prompts to publish, and gates that they have passed."""

from __future__ import annotations

import hashlib

from aikit.database.connect import Database
from aikit.ledger.prompt_gates import record_gate
from aikit.ledger.prompt_labels import promote
from aikit.ledger.prompts import Draft, publish
from aikit.prompts.model import Block, Prompt

NAME = "summarize"


def a_prompt(version: int = 1, text: str | None = None, name: str = NAME) -> Prompt:
    """A version whose content says which one it is, unless `text` is given."""
    said = text or f"Summarize, the {version}. way: {{{{ text }}}}"
    source = (
        "---\n"
        "description: Sums up a text.\n"
        "model: openai/gpt-4o-mini\n"
        "parameters:\n"
        "  max_tokens: 64\n"
        "input:\n"
        "  type: object\n"
        "  properties:\n"
        "    text: {type: string}\n"
        "  required: [text]\n"
        "---\n"
        '{% role "user" %}' + said + "{% endrole %}\n"
    )
    sha256 = hashlib.sha256(source.encode()).hexdigest()
    return Prompt(name, version, sha256, source, "Sums up a text.", (Block("user", said, 11),))


def publish_versions(database: Database, *versions: int, name: str = NAME, passed: bool = True) -> list[Prompt]:
    """Publish these versions; their gates have passed, unless told otherwise."""
    prompts = [a_prompt(version, name=name) for version in versions]
    publish(database, [Draft(prompt, prompt.version - 1 or None) for prompt in prompts], who="ann")
    if passed:
        for prompt in prompts:
            record_gate(database, prompt, "summaries", passed=True, facts={"cases": 40}, who="ci")
    return prompts


def production(database: Database, *versions: int) -> None:
    """Publish these versions and promote them to production, one after the other."""
    publish_versions(database, *sorted(set(versions)))
    for version in versions:
        promote(database, NAME, version, "production", who="ann")
