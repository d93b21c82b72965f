"""The audit: what is on record of each change, and that nobody can change the record without its being found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger import audit, tables
from aikit.ledger.audit import actor, get_audit, list_audit, record, seal, verify_audit
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.policy.model import StatedLimit
from aikit.types import Metric, Window
from support.ledger import rows, tell

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
"""All that PostgreSQL can store."""
NO_TRIGGERS = "SET LOCAL session_replication_role = replica"


@pytest.fixture
def trail(ledger: Database) -> Database:
    """Six changes: two tenants, and what acme may spend, four times."""
    add_tenant(ledger, "beta", who="bob", why="signed up")
    add_tenant(ledger, "acme", who="alice")
    for cap in (1, 2, 3, 4):
        set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.MONTH, cap), who="alice", why="büdget “Q4”")
    return ledger


def tamper(ledger: Database, *statements: str) -> None:
    """Change what can't be changed, as somebody with all rights could."""
    tell(ledger, NO_TRIGGERS, *statements)


def findings(ledger: Database, head: str | None = None) -> tuple[str, ...]:
    return verify_audit(ledger, head=head).findings


def test_a_change_is_on_record_with_who_when_what_and_why(trail: Database) -> None:
    newest = list_audit(trail)[0]
    assert (newest.seq, newest.who, newest.action, newest.subject) == (6, "alice", "policy.change", "tenant:acme")
    assert (newest.tenant, newest.why) == ("acme", "büdget “Q4”")
    assert [each["limits"][0]["cap"] for each in (newest.before, newest.after)] == [3, 4]
    assert rows(trail, "SELECT policy_version FROM aikit.state") == [(newest.policy_version,)]
    assert abs(newest.at - datetime.now(UTC)) < timedelta(minutes=1)
    assert get_audit(trail, 6) == newest
    assert get_audit(trail, 7) is None


def test_what_was_not_there_before_is_null(trail: Database) -> None:
    assert [row.before for row in list_audit(trail)][-1] is None
    assert rows(trail, "SELECT count(*) FROM aikit.audit WHERE before IS NULL") == [(3,)]


def test_the_list_is_newest_first_and_can_be_narrowed(trail: Database) -> None:
    def seqs(**narrowed: Any) -> list[int]:
        return [row.seq for row in list_audit(trail, **narrowed)]

    assert seqs() == [6, 5, 4, 3, 2, 1]
    assert seqs(limit=2) == [6, 5]
    assert seqs(who="bob") == [1]
    assert seqs(tenant="beta") == [1]
    assert seqs(action="policy") == [6, 5, 4, 3]
    assert seqs(action="policy.add") == [3]
    assert seqs(action="polic_") == []
    third = get_audit(trail, 3)
    assert third is not None
    assert (seqs(since=third.at), seqs(until=third.at)) == ([6, 5, 4, 3], [2, 1])


@pytest.mark.parametrize("narrowed", [{"limit": 0}, {"since": datetime(2026, 1, 1)}, {"tenant": "\n"}])
def test_a_list_that_cant_be_is_refused_in_words(ledger: Database, narrowed: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        list_audit(ledger, **narrowed)


def test_whoever_says_nothing_is_named_after_the_environment_or_the_user(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIKIT_ACTOR", "deploy 17")
    add_tenant(ledger, "acme")
    assert list_audit(ledger)[0].who == "deploy 17"
    monkeypatch.setenv("AIKIT_ACTOR", " ")
    assert re.fullmatch(r"[^@]+@[^@]+", actor())


@pytest.mark.parametrize("given", [{"who": "x" * 1001}, {"why": "a\0b"}, {"who": " "}])
def test_a_name_or_reason_that_cant_be_shown_changes_nothing(ledger: Database, given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"{next(iter(given))} must be"):
        add_tenant(ledger, "acme", **given)
    assert rows(ledger, "SELECT count(*) FROM aikit.tenants") == [(0,)]


def test_a_change_that_is_undone_leaves_no_row(trail: Database) -> None:
    with trail.engine().connect() as connection:
        record(connection, who="eve", action="x", subject="y")
        connection.rollback()
    assert list_audit(trail)[0].who == "alice"
    assert verify_audit(trail).ok


def test_changes_of_many_at_once_make_one_chain(ledger: Database) -> None:
    def change(number: int) -> None:
        with ledger.engine().begin() as connection:
            record(connection, who=f"worker {number}", action="test", subject="x", after={"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(change, range(24)))
    found = verify_audit(ledger)
    assert (found.rows, found.findings) == (24, ())
    assert {row.after["number"] for row in list_audit(ledger)} == set(range(24))


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(plain_json, plain_json), min_size=1, max_size=3))
def test_what_is_recorded_reads_as_it_was_and_fits_its_hash(ledger: Database, changes: list[tuple[Any, Any]]) -> None:
    with ledger.engine().begin() as connection:
        for before, after in changes:
            record(connection, who="alice", action="test", subject="ünï “x”", before=before, after=after)
    found = reversed(list_audit(ledger, limit=len(changes)))
    assert [(row.before, row.after) for row in found] == changes
    assert findings(ledger) == ()


@pytest.mark.parametrize(
    "change", ["UPDATE aikit.audit SET who = 'eve'", "DELETE FROM aikit.audit", "TRUNCATE aikit.audit"]
)
def test_the_audit_is_append_only(trail: Database, change: str) -> None:
    with pytest.raises(errors.RestrictViolation, match="append-only"):
        tell(trail, change)


def test_an_empty_audit_is_clean(ledger: Database) -> None:
    assert asdict(verify_audit(ledger)) == {"rows": 0, "head": "0:", "findings": ()}
    assert verify_audit(ledger, head="0:").ok


def test_what_was_recorded_verifies_and_still_holds_the_head_that_was_noted(trail: Database) -> None:
    noted = verify_audit(trail)
    assert (noted.rows, noted.ok) == (6, True)
    assert noted.head == f"6:{list_audit(trail)[0].hash}"
    add_tenant(trail, "gamma")
    assert verify_audit(trail, head=noted.head).ok


def test_a_long_chain_is_followed_across_what_is_fetched_at_a_time(
    trail: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "AT_ONCE", 2)
    assert (verify_audit(trail).rows, verify_audit(trail).findings) == (6, ())


EDITS: Mapping[str, str] = {
    "at": "at + interval '1 microsecond'",
    "who": "'eve'",
    "action": "'policy.add'",
    "subject": "'tenant:beta'",
    "tenant": "NULL",
    "before": "NULL",
    "after": """jsonb_set("after", '{limits,0,cap}', '9')""",
    "why": "''",
    "policy_version": "1",
}


@pytest.mark.parametrize("column", EDITS)
def test_an_edited_row_is_found_whatever_was_edited(trail: Database, column: str) -> None:
    tamper(trail, f'UPDATE aikit.audit SET "{column}" = {EDITS[column]} WHERE seq = 4')
    (finding,) = findings(trail)
    assert finding.startswith("row 4 (")
    assert finding.endswith("is not what was recorded")


def test_every_column_of_a_row_is_sealed(ledger: Database) -> None:
    columns = {
        name
        for (name,) in rows(
            ledger,
            "SELECT column_name FROM information_schema.columns WHERE (table_schema, table_name) = ('aikit', 'audit')",
        )
    }
    assert columns == {*EDITS, "seq", "hash"}


@pytest.mark.parametrize("seq", [1, 4, 6])
def test_an_edited_hash_is_found(trail: Database, seq: int) -> None:
    tamper(trail, f"UPDATE aikit.audit SET hash = repeat('0', 64) WHERE seq = {seq}")
    first, last = findings(trail)
    assert first.startswith(f"row {seq} (")
    assert last.startswith(f"row {seq + 1} (" if seq < 6 else "the hash of row 6, the last,")


@pytest.mark.parametrize(
    ("removed", "found"),
    [
        ("seq = 1", "after row 0 comes row 2"),
        ("seq = 4", "after row 3 comes row 5"),
        ("seq IN (3, 4)", "after row 2 comes row 5"),
        ("seq = 6", "the chain ends at 5; 6 changes have been recorded"),
        ("true", "the chain ends at 0; 6 changes have been recorded"),
    ],
)
def test_a_removed_row_is_found(trail: Database, removed: str, found: str) -> None:
    tamper(trail, f"DELETE FROM aikit.audit WHERE {removed}")
    (finding,) = findings(trail)
    assert finding.startswith(found)


def test_a_removed_row_is_found_though_the_others_were_renumbered(trail: Database) -> None:
    tamper(
        trail,
        "DELETE FROM aikit.audit WHERE seq = 3",
        "UPDATE aikit.audit SET seq = seq - 1 + 100 WHERE seq > 3",
        "UPDATE aikit.audit SET seq = seq - 100 WHERE seq > 100",
        "UPDATE aikit.state SET audit_seq = 5",
    )
    assert any("row 3 (" in finding for finding in findings(trail))


def test_rows_that_were_swapped_are_found(trail: Database) -> None:
    tamper(
        trail,
        "UPDATE aikit.audit SET seq = 100 WHERE seq = 4",
        "UPDATE aikit.audit SET seq = 4 WHERE seq = 5",
        "UPDATE aikit.audit SET seq = 5 WHERE seq = 100",
    )
    assert [finding.partition(" (")[0] for finding in findings(trail)] == ["row 4", "row 5", "row 6"]


def test_a_row_that_was_slipped_in_is_found(trail: Database) -> None:
    tamper(
        trail,
        """INSERT INTO aikit.audit (seq, at, who, action, subject, hash)
           VALUES (7, now(), 'eve', 'policy.change', 'default', repeat('0', 64))""",
    )
    assert len(findings(trail)) == 2


@pytest.mark.parametrize("seq", [4, 7])
def test_a_row_that_was_slipped_in_and_sealed_is_found(trail: Database, seq: int) -> None:
    before = get_audit(trail, seq - 1)
    assert before is not None
    forged: dict[str, Any] = asdict(before) | {"seq": seq, "who": "eve", "before": 1, "after": 2}
    forged["hash"] = seal(before.hash, forged)
    with trail.engine().begin() as connection:
        connection.execute(sa.text(NO_TRIGGERS))
        for shift in ("seq + 101", "seq - 100"):
            after = sa.text(f"UPDATE aikit.audit SET seq = {shift} WHERE seq >= {seq}")
            connection.execute(after)
        connection.execute(sa.insert(tables.audit).values(**forged))
    assert findings(trail)[-1] == "the chain ends at 7; 6 changes have been recorded"
    tamper(trail, "UPDATE aikit.state SET audit_seq = 7")
    assert findings(trail)


@pytest.mark.parametrize(
    ("edited", "found"),
    [
        ("audit_seq = 5", "the chain ends at 6; 5 changes have been recorded"),
        ("audit_seq = 0, audit_hash = ''", "the chain ends at 6; 0 changes have been recorded"),
        ("audit_hash = repeat('0', 64)", "the hash of row 6, the last, is not the one that was recorded"),
    ],
)
def test_an_edited_end_of_the_chain_is_found(trail: Database, edited: str, found: str) -> None:
    tamper(trail, f"UPDATE aikit.state SET {edited}")
    assert findings(trail) == (found,)


def rewrite(ledger: Database, but: int) -> None:
    """Forge the whole chain anew: leave one row out, renumber and seal the others, and set the state."""
    with ledger.engine().begin() as connection:
        connection.execute(sa.text(NO_TRIGGERS))
        kept = [row._asdict() for row in connection.execute(sa.text("SELECT * FROM aikit.audit ORDER BY seq"))]
        connection.execute(sa.delete(tables.audit))
        sealed, seq = "", 0
        for row in [row for row in kept if row["seq"] != but]:
            seq += 1
            row["seq"] = seq
            row["hash"] = sealed = seal(sealed, row)
            connection.execute(sa.insert(tables.audit).values(**row))
        connection.execute(sa.update(tables.state).values(audit_seq=seq, audit_hash=sealed))


@pytest.mark.parametrize("but", [1, 4, 6])
def test_a_history_that_was_rewritten_is_found_only_by_a_head_that_was_noted(trail: Database, but: int) -> None:
    head = verify_audit(trail).head
    rewrite(trail, but)
    assert findings(trail) == ()
    assert findings(trail, head) == ("row 6 is not the one whose hash was noted: history was rewritten",)


@pytest.mark.parametrize("head", ["", "6", "6:", "x:" + "0" * 64, "²:" + "0" * 64, "6:" + "0" * 63])
def test_a_head_that_is_none_is_refused_in_words(trail: Database, head: str) -> None:
    with pytest.raises(ConfigError, match="is no head of the audit"):
        verify_audit(trail, head=head)
