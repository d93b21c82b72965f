"""The folder that is set up, and what follows from what is configured and chosen there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aikit.config import FILE, Provider, Settings, load
from aikit.errors import ConfigError
from aikit.setup.model import Choices, Place

SIMULATOR = "simulator"
"""The name of the provider that is none: a server on this machine."""
DATABASE_URL = "DATABASE_URL"


def open_place(
    folder: Path | None = None, choices: Choices | None = None, environ: Mapping[str, str] | None = None
) -> Place:
    """A folder to look at or to set up; without one, that of AIKIT_CONFIG or else the working directory.

    Raises ConfigError if the file that AIKIT_CONFIG names is none that set-up makes.
    """
    variables = dict(os.environ if environ is None else environ)
    named = variables.pop("AIKIT_CONFIG", None)
    if folder is None and named:
        if Path(named).name != FILE:
            raise ConfigError(f"{named} is named as the configuration.", remedy=f"Set-up makes an {FILE}: name that.")
        folder = Path(named).parent
    return Place((folder or Path.cwd()).resolve(), variables, choices or Choices(), _load)


def config_file(place: Place) -> Path:
    return place.folder / FILE


def chosen(place: Place) -> Provider | None:
    """The provider that the metered call goes to: as chosen, else the first that has what it needs.

    Raises ConfigError for a name that is not configured.
    """
    settings = place.settings
    wanted = place.choices.provider or (SIMULATOR if place.choices.simulator else None)
    if wanted == SIMULATOR and SIMULATOR not in settings.providers:
        return None
    if wanted is not None:
        return settings.provider(wanted)
    return next((provider for provider in settings.providers.values() if provider.configured), None)


def of_interest(place: Place) -> list[Provider]:
    """The providers that are configured, or chosen; the simulator only if it is the one to be called."""
    called = chosen(place)
    return [
        each
        for each in place.settings.providers.values()
        if each == called or (each.configured and each.name != SIMULATOR)
    ]


def short(path: Path) -> str:
    """As people write it: `~/.local/share/aikit`."""
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _load(folder: Path, environ: Mapping[str, str]) -> Settings:
    return load(environ=environ, folder=folder)
