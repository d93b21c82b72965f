"""Where the commands of prompts look: the application's folder, then what ships with aikit; and what labels say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aikit.errors import PromptNotFound

if TYPE_CHECKING:
    from aikit.prompts.folder import PromptFolder, PromptFolders
    from aikit.prompts.model import Prompt, Ref

LABELS: list[Callable[[], Mapping[str, Sequence[str]]]] = []
"""Those who know of labels: by `NAME@vN`, the labels that point to it; nothing if they can't be asked. For `list` and
`show`, which work without."""
POINTERS: list[Callable[[Ref], Prompt]] = []
"""Those who know where a label points to. Each raises PromptNotFound or DatabaseUnavailable."""


def folder() -> PromptFolder:
    """The application's folder."""
    from aikit.config import load
    from aikit.prompts.folder import PromptFolder

    return PromptFolder(load().prompts_folder)


def folders() -> PromptFolders:
    """The application's folder, and behind it the kit's own."""
    from aikit.config import load
    from aikit.prompts.shipped import with_shipped

    return with_shipped(load().prompts_folder)


def find(ref: str) -> Prompt:
    """The prompt of a reference. Raises PromptError; DatabaseError for a label, if it can't be asked."""
    from aikit.prompts.refs import CANDIDATE, parse_ref

    wanted, found = parse_ref(ref), folders()
    if wanted.version is not None or wanted.label == CANDIDATE:
        return found.load(wanted)
    for pointer in POINTERS:
        return pointer(wanted)
    raise PromptNotFound(
        f"Where {wanted} points to is not in files.",
        remedy=f"Name a version: {wanted.name}@v1, or {wanted.name}@candidate.",
    )


def find_draft(name: str, version: int) -> Prompt:
    """A version from its file, locked (and then verified) or not. Raises PromptError."""
    own = folders().of(name)
    if own.lock().find(name, version) is None:
        return own.draft(name, version)
    return own.load(f"{name}@v{version}")


def labels() -> dict[str, list[str]]:
    """The labels that point to each version, by `NAME@vN`; empty if nobody can be asked."""
    found: dict[str, list[str]] = {}
    for source in LABELS:
        for prompt, names in source().items():
            found.setdefault(prompt, []).extend(names)
    return found


def prompt_data(prompt: Prompt) -> dict[str, Any]:
    """A prompt as JSON has it."""
    return {
        "prompt": prompt.id.id,
        "name": prompt.name,
        "version": prompt.version,
        "sha256": prompt.sha256,
        "description": prompt.description,
        "model": prompt.model,
        "parameters": dict(prompt.parameters),
        "input": dict(prompt.inputs),
        "output": None if prompt.output is None else dict(prompt.output),
        "tags": list(prompt.tags),
    }
