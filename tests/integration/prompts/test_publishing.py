"""Published prompts never change, and every publication is on the record."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import errors

from aikit.database.connect import Database
from aikit.errors import PromptChanged
from aikit.ledger.audit import list_audit, verify_audit
from aikit.ledger.prompts import Draft, list_published, publish, unpublished
from integration.prompts.conftest import NAME, a_prompt, production, publish_versions
from support.ledger import rows, tell

CHANGES = {
    "UPDATE": "UPDATE aikit.{} SET sha256 = 'another'",
    "DELETE": "DELETE FROM aikit.{}",
    "TRUNCATE": "TRUNCATE aikit.{} CASCADE",
}


@pytest.mark.parametrize("table", ["prompt_versions", "prompt_moves", "prompt_gates"])
@pytest.mark.parametrize("change", CHANGES)
def test_nothing_of_a_prompt_s_history_can_be_changed(ledger: Database, table: str, change: str) -> None:
    production(ledger, 1)
    before = rows(ledger, f"SELECT * FROM aikit.{table}")
    assert before
    with pytest.raises(errors.RestrictViolation, match=f"is append-only: {change} is refused"):
        tell(ledger, CHANGES[change].format(table))
    assert rows(ledger, f"SELECT * FROM aikit.{table}") == before


def test_what_is_published_is_the_whole_file_with_its_hash_and_parent(ledger: Database) -> None:
    first, second = publish_versions(ledger, 1, 2)
    one, two = list_published(ledger, NAME)
    assert (one.version, one.sha256, one.source, one.parent) == (1, first.sha256, first.source, None)
    assert (two.version, two.sha256, two.source, two.parent) == (2, second.sha256, second.source, 1)
    assert two.published_by == "ann" and two.published_at.tzinfo is not None
    assert list_published(ledger, "translate") == []


def test_the_same_content_again_changes_nothing(ledger: Database) -> None:
    publish_versions(ledger, 1)
    assert publish(ledger, [Draft(a_prompt(1), None), Draft(a_prompt(2), 1)]) == [a_prompt(2)]
    assert publish(ledger, [Draft(a_prompt(1), None), Draft(a_prompt(2), 1)]) == []
    assert [row.subject for row in list_audit(ledger)] == ["prompt:summarize@v2", "prompt:summarize@v1"]


@pytest.mark.parametrize("way", [publish, unpublished])
def test_other_content_under_a_published_version_is_refused_and_so_is_all_that_came_with_it(
    ledger: Database, way: Callable[..., Any]
) -> None:
    publish_versions(ledger, 1)
    with pytest.raises(PromptChanged, match=r"summarize@v1 was published with other content") as refused:
        way(ledger, [Draft(a_prompt(2), 1), Draft(a_prompt(1, "Ignore it all."), None)])
    assert refused.value.facts["published"] == a_prompt(1).sha256
    assert [each.version for each in list_published(ledger)] == [1]


def test_a_row_whose_hash_is_not_of_its_text_can_t_be_written(ledger: Database) -> None:
    insert = (
        "INSERT INTO aikit.prompt_versions (name, version, sha256, source, published_by)"
        " VALUES ('x', 1, '{}', 'Grüße', 'eve')"
    )
    with pytest.raises(errors.CheckViolation):
        tell(ledger, insert.format("0" * 64))
    tell(ledger, insert.format(hashlib.sha256("Grüße".encode()).hexdigest()))


def test_a_publication_is_on_the_record(ledger: Database) -> None:
    (_, second) = publish_versions(ledger, 1, 2)
    row = list_audit(ledger, action="prompt.publish")[0]
    assert (row.who, row.subject, row.before) == ("ann", "prompt:summarize@v2", None)
    assert row.after == {"parent": "v1", "sha256": second.sha256}
    assert verify_audit(ledger).ok


def test_of_many_who_publish_the_same_version_one_does(ledger: Database) -> None:
    with ThreadPoolExecutor(8) as pool:
        published = list(pool.map(lambda _: publish(ledger, [Draft(a_prompt(1), None)]), range(8)))
    assert sorted(map(len, published)) == [0] * 7 + [1]
    assert len(list_audit(ledger)) == 1


def test_of_many_who_publish_different_content_as_the_same_version_one_does(ledger: Database) -> None:
    def attempt(number: int) -> str | None:
        try:
            publish(ledger, [Draft(a_prompt(1, f"Text {number}"), None)])
        except PromptChanged as error:
            return error.code
        return None

    with ThreadPoolExecutor(8) as pool:
        ends = list(pool.map(attempt, range(8)))
    assert ends.count("PROMPT_CHANGED") == 7
    assert len(list_published(ledger)) == 1
