"""Where the evals of a project are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aikit.config import Settings

FOLDER = "evals"


def evals_folder(settings: Settings) -> Path:
    """`evals/`, beside aikit.toml, or in the working directory if there is none."""
    return (settings.file.parent if settings.file else Path.cwd()) / FOLDER
