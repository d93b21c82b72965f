"""What the steps of the set-up find, as far as it still matters once a project is set up."""

from __future__ import annotations

from dataclasses import replace

from aikit.config import FILE
from aikit.setup.doctor.model import Look, fine, warning
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check, State
from aikit.setup.steps.base import Looking
from aikit.setup.steps.files import Files


def files(patient: Patient) -> Check:
    """Whether there is a configuration. The other files that set-up writes are there to begin with, and may go."""
    file = patient.settings.file
    if file is not None and file.name != FILE:
        return fine(f"{file}, as named", file=str(file))
    found = Files().check(patient.place)
    if found.state is not State.MISSING:
        return found
    absent = [str(name) for name in found.facts.get("missing", ())]
    if FILE in absent:
        return warning(f"no {FILE} here: everything is at its default", "Run `aikit init`.", missing=absent)
    return fine(f"{FILE}; of the other files that `aikit init` writes, {len(absent)} are not there", missing=absent)


def of_step(step: Looking) -> Look:
    """A look that is what the step finds."""

    def look(patient: Patient) -> Check:
        found = step.check(patient.place)
        return replace(found, why=found.why.rstrip("."))

    return look
