"""Opens the place that the doctor looks at: that of the configuration which every command here would use."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from aikit.config import FILE, Settings, load
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Choices, Place

CONFIG = "AIKIT_CONFIG"


def open_patient(*, thorough: bool = False, environ: Mapping[str, str] | None = None) -> Patient:
    """The nearest `aikit.toml` above the working directory, or the one that AIKIT_CONFIG names; reads nothing yet."""
    variables = dict(os.environ if environ is None else environ)
    named = variables.get(CONFIG)
    path = Path(named) if named else _nearest(Path.cwd())
    folder = path.parent.resolve() if path else Path.cwd()

    def loaded(folder: Path, variables: Mapping[str, str]) -> Settings:
        return load(path, variables) if path else load(environ=variables, folder=folder)

    return Patient(Place(folder, variables, Choices(), loaded), thorough)


def _nearest(here: Path) -> Path | None:
    return next((found for folder in (here, *here.parents) if (found := folder / FILE).is_file()), None)
