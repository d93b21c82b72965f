"""The canaries sing on a healthy ledger, leave nothing of themselves in it, and fall silent where something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aikit.config import load
from aikit.database.connect import Database
from aikit.setup.doctor.canaries import looks
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import Choices, Place, State
from support.ledger import rows, tell

LOOKS = [looks.spend, looks.denied, looks.breaker, looks.guard, looks.idempotency, looks.immutable]
TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'aikit' AND c.relkind = 'r'"""


@pytest.fixture
def patient(ledger: Database, tmp_path: Path) -> Patient:
    environ = {"DATABASE_URL": ledger.conninfo, "AIKIT_DATA_DIR": str(tmp_path / "data")}
    return Patient(Place(tmp_path, environ, Choices(), lambda folder, variables: load(None, variables)))


@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)
def test_a_canary_lives_on_a_healthy_ledger(patient: Patient, look: Callable[[Patient], Any]) -> None:
    found = look(patient)
    assert found.state is State.OK, found


def test_nothing_of_the_canaries_stays(patient: Patient, ledger: Database) -> None:
    before = contents(ledger)
    for look in LOOKS:
        look(patient)
    assert contents(ledger) == before


def contents(ledger: Database) -> dict[str, list[tuple[Any, ...]]]:
    names = [name for (name,) in rows(ledger, TABLES)]
    return {name: rows(ledger, f"SELECT t::text FROM aikit.{name} t ORDER BY 1") for name in sorted(names)}
