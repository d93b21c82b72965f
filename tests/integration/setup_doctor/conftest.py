"""A patient on a fresh ledger, exams made one by one, and `aikit doctor` as a person runs it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from aikit.cli.app import command
from aikit.cli.errors import run
from aikit.config import load
from aikit.database.connect import Database
from aikit.setup.doctor.examining import looked
from aikit.setup.doctor.exams import exams_for
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Check, Choices, Place
from support.ledger import tell

OpenPatient = Callable[..., Patient]


@pytest.fixture
def open_patient(tmp_path: Path) -> OpenPatient:
    """Makes a patient in an empty folder, with nothing configured but what is given."""
    folder = tmp_path / "project"
    folder.mkdir()

    def opened(dsn: str | None = None, **environ: str) -> Patient:
        url = {} if dsn is None else {"DATABASE_URL": dsn}
        variables = {"AIKIT_DATA_DIR": str(tmp_path / "data")} | url | environ
        return Patient(Place(folder, variables, Choices(), lambda place, known: load(environ=known, folder=place)))

    return opened


@pytest.fixture
def patient(open_patient: OpenPatient, ledger: Database) -> Patient:
    """On a fresh ledger."""
    return open_patient(ledger.conninfo)


def made(patient: Patient, exam: str) -> Check:
    """What one exam finds, whatever it needs."""
    (found,) = [each for each in exams_for(patient) if each.id == exam]
    return looked(found, patient)


@dataclass(frozen=True)
class Visit:
    """How a run of `aikit doctor` ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> dict[str, Any]:
        envelope = json.loads(self.out)
        assert envelope["schema"] == "aikit.doctor/1"
        return dict(envelope["data"])

    def check(self, name: str) -> dict[str, Any]:
        (found,) = [row for row in self.data["checks"] if row["check"] == name]
        return dict(found)


@dataclass(frozen=True)
class Doctor:
    """`aikit doctor` with an environment and a working directory of its own."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __call__(self, *options: str) -> Visit:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
        environ = patch.dict(os.environ, self.environ, clear=True)
        with environ, chdir(self.folder), redirect_stdout(out), redirect_stderr(err):
            code = run(lambda **standalone: command(["doctor", *options], prog_name="aikit", **standalone))
        for stream in (out, err):
            stream.seek(0)
        return Visit(code, out.read(), err.read())


OpenDoctor = Callable[..., Doctor]


@pytest.fixture
def open_doctor(tmp_path: Path) -> OpenDoctor:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}

    def opened(**environ: str) -> Doctor:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        return Doctor(folder, {**kept, "AIKIT_DATA_DIR": str(tmp_path / "data"), **environ})

    return opened


@pytest.fixture
def role(ledger: Database) -> Iterator[Callable[..., str]]:
    """Makes roles with these grants, and returns the DSN of each."""
    names: list[str] = []

    def made_role(*grants: str) -> str:
        name = f"doctor_{uuid4().hex[:8]}"
        names.append(name)
        tell(ledger, f"CREATE ROLE {name} LOGIN PASSWORD 'pw'", *[grant.format(role=name) for grant in grants])
        return make_conninfo(ledger.conninfo, user=name, password="pw")

    yield made_role
    for name in names:
        tell(ledger, f"DROP OWNED BY {name}", f"DROP ROLE {name}")
