"""The reference has every check, and only these, in their order."""

from __future__ import annotations

import re
from pathlib import Path

from aikit.config import load
from aikit.setup.doctor.exams import exams_for
from aikit.setup.doctor.fixing import FIXES
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Choices, Place

DOCS = Path(__file__).parents[3] / "docs"
ROW = re.compile(r"^\| `([a-z]+/[A-Za-z-]+)` \|", re.MULTILINE)


def test_the_reference_names_every_check_in_order(tmp_path: Path) -> None:
    place = Place(tmp_path, {}, Choices(), lambda folder, environ: load(environ=environ, folder=folder))
    named = ROW.findall((DOCS / "reference" / "doctor.md").read_text("utf-8"))
    named.remove("providers/NAME")
    assert named == [exam.id for exam in exams_for(Patient(place))]


def test_the_page_on_mending_names_every_mending() -> None:
    assert ROW.findall((DOCS / "how-to" / "doctor.md").read_text("utf-8")) == [fix.exam for fix in FIXES]
