"""Every kind of work that is done by one at a time has a lock of its own, and is named in one place."""

from __future__ import annotations

import re
from pathlib import Path

import aikit
from aikit.ledger import locks

SOURCE = Path(aikit.__file__).parent
NUMBERS = {name: lock for name, lock in vars(locks).items() if name.isupper() and isinstance(lock, tuple)}


def test_no_two_kinds_of_work_share_a_lock() -> None:
    assert len(NUMBERS) >= 7
    assert len(set(NUMBERS.values())) == len(NUMBERS)


def test_locks_are_named_in_one_place() -> None:
    """But for SQL, whose released files can't change: what they name is among those that have names."""
    elsewhere = [path.name for path in SOURCE.rglob("*.py") if str(locks.FAMILY) in path.read_text()]
    assert elsewhere == ["locks.py"]
    of_sql = {
        (int(family), int(number))
        for path in SOURCE.rglob("*.sql")
        for family, number in re.findall(rf"({locks.FAMILY}), (\d+)", path.read_text())
    }
    assert of_sql and of_sql <= set(NUMBERS.values())
