"""What `ledger verify` finds wrong with prompts; and that what people do to them is not."""

from __future__ import annotations

import pytest

from aikit.database.connect import Database
from aikit.ledger.prompt_labels import promote, rollback
from aikit.ledger.verify import verify
from integration.prompts.conftest import NAME, publish_versions
from support.ledger import tell

MOVE = """INSERT INTO aikit.prompt_moves (at, name, label, kind, was, version, sha256, who)
          SELECT now(), name, 'production', 'promote', {was}, version, sha256, 'somebody'
          FROM aikit.prompt_versions WHERE version = {version}"""
UNGUARDED = "SET LOCAL session_replication_role = replica"
"""No trigger and no foreign key stands in the way, as for whoever owns the files."""


def found(ledger: Database) -> list[tuple[str, str]]:
    return [(finding.kind, finding.what) for finding in verify(ledger).findings]


def test_what_people_do_to_labels_is_clean(ledger: Database) -> None:
    publish_versions(ledger, 1, 2, 3)
    for version in (1, 2, 3):
        promote(ledger, NAME, version, "production")
        promote(ledger, NAME, version, "staging", force=True, why="a try")
        assert found(ledger) == []
    rollback(ledger, NAME)
    rollback(ledger, NAME, "staging", to=1)
    assert found(ledger) == []


@pytest.mark.parametrize(
    ("statements", "kind", "what"),
    [
        ([MOVE.format(was=1, version=2)], "prompt_moves", "from v1, where the one before left it at nothing"),
        (
            [MOVE.format(was="NULL", version=1), MOVE.format(was="NULL", version=2)],
            "prompt_moves",
            "a move of summarize@production from nothing, where the one before left it at v1",
        ),
        (
            [MOVE.format(was="NULL", version=1), UNGUARDED, "UPDATE aikit.prompt_moves SET sha256 = 'other'"],
            "prompt_move",
            "summarize@production points to content that v1 does not have",
        ),
    ],
)
def test_what_nobody_may_do_to_labels_is_found(ledger: Database, statements: list[str], kind: str, what: str) -> None:
    publish_versions(ledger, 1, 2)
    tell(ledger, *statements)
    ((name, words),) = found(ledger)
    assert (name, what in words) == (kind, True), words
