"""Prompts to publish, and gates that they have passed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from aikit.database.connect import Database
from aikit.ledger.prompt_gates import record_gate
from aikit.ledger.prompt_labels import promote
from aikit.ledger.prompts import Draft, publish
from aikit.prompts.lock import FILE, Locked, appended
from aikit.prompts.model import Prompt
from aikit.prompts.reading import read_prompt

NAME = "summarize"


def source_of(version: int, text: str | None = None) -> str:
    """The file of a version, whose content says which one it is unless `text` is given."""
    said = text or f"Summarize, the {version}. way: {{{{ text }}}}"
    return (
        "---\n"
        "description: Sums up a text.\n"
        "model: openai/gpt-4o-mini\n"
        "parameters:\n"
        "  max_tokens: 64\n"
        "input:\n"
        "  text: string\n"
        "---\n"
        f'{{% role "user" %}}{said}\n'
    )


def a_prompt(version: int = 1, text: str | None = None, name: str = NAME) -> Prompt:
    """A version of a prompt."""
    return read_prompt(source_of(version, text), name, version)


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


def write_folder(folder: Path, *versions: int, name: str = NAME) -> Path:
    """A folder with these versions, locked."""
    prompts = [a_prompt(version, name=name) for version in versions]
    (folder / name).mkdir(parents=True, exist_ok=True)
    for prompt in prompts:
        (folder / name / f"v{prompt.version}.prompt").write_text(prompt.source)
    lines = [Locked(name, each.version, each.sha256, each.version - 1 or None, date(2026, 11, 21)) for each in prompts]
    lock = folder / FILE
    lock.write_text(appended(lock.read_text() if lock.exists() else "", lines))
    return folder
