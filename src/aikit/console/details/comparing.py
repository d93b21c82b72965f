"""Two versions of a prompt: what differs in settings, inputs, output and body, and what of it breaks callers."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

from aikit.console.details.versions import must_find
from aikit.ledger.reading import Readable
from aikit.page import Page, Section
from aikit.prompts.diffing import BodyChange, PromptDiff, compare
from aikit.prompts.model import Prompt

TITLES = {"settings": "Settings", "input": "Inputs", "output": "Output"}
Aligned = tuple[str, str, str]
"""A line of the left, a mark, a line of the right. Marks: ~ differs, - only left, + only right, blank: the same."""


def comparison(database: Readable, prompts: Path | None, first: str, second: str) -> Page:
    """From one version to the other. Raises AIKitError for one whose text is not kept."""
    return told(compare(must_find(database, prompts, first), must_find(database, prompts, second)))


def told(found: PromptDiff) -> Page:
    """The page of a difference: fields of one kind in a section each, then a section for each message that differs."""
    heading = f"{found.before.id.id} → {found.after.id.id}"
    if found.same:
        return Page(heading, ("Nothing differs.",))
    breaking = sum(change.breaking for change in found.fields)
    callers = f"{breaking} breaking: callers must change." if breaking else "Nothing breaking: callers need not change."
    sections = []
    for part, title in TITLES.items():
        rows = [change for change in found.fields if change.part == part]
        marked = [f"~ {row.field}: {row.what}{' (breaking)' if row.breaking else ''}" for row in rows]
        if marked:
            sections.append(Section(title, marked=tuple(marked)))
    if found.body:
        beside = side_by_side(_text(found.before), _text(found.after))
        marked = [line for change in found.body for line in _message(change)]
        sections.append(Section("Body", marked=tuple(marked), beside=beside))
    return Page(heading, (callers,), tuple(sections))


def _message(change: BodyChange) -> list[str]:
    """The lines of a message with a blank behind their mark; `@@` tells where in it they are."""
    lines = [line if line.startswith("@@") else f"{line[:1]} {line[1:]}" for line in change.lines]
    return [f"  Message {change.number}, {change.role}: {change.kind}", *lines]


def _text(prompt: Prompt) -> str:
    """All messages as one text."""
    return "\n\n".join([f"[{block.role}]\n{block.template}" for block in prompt.blocks])


def side_by_side(before: str, after: str) -> tuple[Aligned, ...]:
    """Two texts line by line, aligned: equal lines beside each other, and changed ones too, as far as there are two."""
    old, new = before.splitlines(), after.splitlines()
    found: list[Aligned] = []
    for kind, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            found += [(left, " ", right) for left, right in zip(old[i:j], new[k:m], strict=True)]
            continue
        both = min(j - i, m - k)
        found += [(left, "~", right) for left, right in zip(old[i : i + both], new[k : k + both], strict=True)]
        found += [(left, "-", "") for left in old[i + both : j]]
        found += [("", "+", right) for right in new[k + both : m]]
    return tuple(found)
