"""What makes a server not ready, in words without secrets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from aikit.errors import DatabaseError
from aikit.serve.operations import MOST_SPOOLED, Check, look


class Away:
    def connect(self, **_: object) -> NoReturn:
        raise DatabaseError("postgresql://user:secret@host is away")


@pytest.mark.parametrize(
    ("waiting", "spool"),
    [
        (0, Check(True)),
        (MOST_SPOOLED, Check(True)),
        (MOST_SPOOLED + 1, Check(False, "1,001 endings wait for the ledger")),
    ],
)
def test_a_ledger_that_is_away_and_endings_that_wait_make_it_not_ready(waiting: int, spool: Check) -> None:
    kit: Any = SimpleNamespace(database=Away(), meter=SimpleNamespace(waiting=waiting))
    found = look(kit)
    assert found == {
        "ledger": Check(False, "it can't be reached"),
        "schema": Check(False, "not known"),
        "spool": spool,
    }
