"""The reference of the command line is what the commands say."""

from __future__ import annotations

from pathlib import Path

from aikit.cli.app import COMMANDS
from aikit.cli.reference import page

COMMITTED = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


def test_the_committed_reference_is_what_the_commands_say() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == page(), "python -m aikit.cli.reference > docs/reference/cli.md"


def test_every_command_has_a_section_of_its_own() -> None:
    headings = [line for line in page().splitlines() if line.startswith("## ")]
    assert len(set(headings)) == len(headings)
    assert {f"## aikit {entry.name}" for entry in COMMANDS} <= set(headings)
    assert {"## aikit db upgrade", "## aikit limit set", "## aikit prices compare"} <= set(headings)
