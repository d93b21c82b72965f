"""The kit's own prompts: those of its agents and judges, as they ship in the package."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from aikit.prompts.folder import PromptFolder, PromptFolders

INSTALLED = Path(__file__).parents[1] / "_prompts"
"""Where a wheel has them (pyproject.toml says so)."""
OWN = frozenset({"setup_agent", "judge", "claims", "verdict"})
"""What the kit itself asks models with. The repository's other prompts are examples, and nobody else's."""
CHECKOUT = Path(__file__).parents[3] / "prompts"
"""Where a checkout of the repository has them."""


@cache
def shipped() -> PromptFolder:
    """The folder of the prompts that come with aikit."""
    return PromptFolder(INSTALLED if INSTALLED.is_dir() else CHECKOUT, OWN)


def with_shipped(folder: Path) -> PromptFolders:
    """An application's folder, and behind it the kit's own, for the names that the application does not have."""
    return PromptFolders([PromptFolder(folder), shipped()])
