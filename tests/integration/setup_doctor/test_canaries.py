"""The canaries live on a healthy ledger, leave nothing of themselves in it, and die where something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from aikit.database.connect import Database
from aikit.errors import Exit
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.setup.doctor.canaries import looks
from aikit.setup.doctor.canaries.rehearsal import Rehearsal, rehearsal
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import State
from aikit.types import Metric, Window
from support.attempts import set_policy
from support.ledger import Till, rows, tell

LOOKS = [looks.spend, looks.denied, looks.breaker, looks.guard, looks.idempotency, looks.immutable]
TABLES = """
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'aikit' AND c.relkind = 'r'"""
RICH = Policy("doctor", Scope(), limits=(StatedLimit(Metric.CREDITS, Window.DAY, 10**12),))
each_look = pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.__name__)


@each_look
def test_a_canary_lives_on_a_healthy_ledger(patient: Patient, look: Callable[[Patient], Any]) -> None:
    found = look(patient)
    assert found.state is State.OK, found


def test_nothing_of_the_canaries_stays(patient: Patient, ledger: Database, till: Till) -> None:
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "day", "cap": 10**12}])
    till.spend()
    till.flush()
    before = contents(ledger)
    for look in LOOKS:
        assert look(patient).ok
    assert contents(ledger) == before


@each_look
def test_what_is_stated_for_everybody_does_not_concern_a_canary(
    patient: Patient, ledger: Database, look: Callable[[Patient], Any]
) -> None:
    body = (
        '{"name": "default", "scope": {}, "deny": ["*"], "limits": [{"metric": "requests", "window": "day", "cap": 0}]}'
    )
    tell(ledger, f"INSERT INTO aikit.policies SELECT 'default', NULL, '{body}', false, policy_version FROM aikit.state")
    found = look(patient)
    assert found.state is State.OK, found


def test_calls_go_on_beside_the_canaries(patient: Patient, ledger: Database, till: Till) -> None:
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "day", "cap": 10**12}])
    with rehearsal(patient, RICH) as stage:
        assert stage.call().status_code == 200
        till.spend()
        till.flush()
    assert rows(ledger, "SELECT DISTINCT tenant FROM aikit.entries") == [("acme",)]


def test_an_entry_that_can_be_changed_is_found_out(patient: Patient, ledger: Database) -> None:
    tell(ledger, "ALTER TABLE aikit.entries DISABLE TRIGGER append_only")
    found = looks.immutable(patient)
    assert (found.state, found.exit) == (State.BROKEN, Exit.DATABASE)
    assert "UPDATE of an entry was not refused" in found.why


def test_a_counter_that_does_not_move_is_found_out(patient: Patient, ledger: Database) -> None:
    tell(
        ledger,
        """CREATE FUNCTION aikit.forget() RETURNS trigger LANGUAGE plpgsql AS $$
           BEGIN NEW.amounts[2] := 0; RETURN NEW; END $$""",
        "CREATE TRIGGER forget BEFORE UPDATE ON aikit.counters FOR EACH ROW EXECUTE FUNCTION aikit.forget()",
    )
    found = looks.spend(patient)
    assert found.state is State.BROKEN
    assert "moved its counter by 0" in found.why
    assert "aikit ledger verify" in found.remedy


@pytest.mark.parametrize(
    ("look", "said"),
    [
        (looks.denied, "a call over its cap was sent"),
        (looks.guard, "a text that a guard blocks was sent"),
    ],
)
def test_a_call_that_is_sent_all_the_same_is_found_out(patient: Patient, look: Any, said: str) -> None:
    with rehearsal(patient, RICH) as stage, pytest.raises(looks.Wrong, match=said):
        look.scene(stage)


def test_a_key_that_is_claimed_twice_is_found_out(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    call = Rehearsal.call
    monkeypatch.setattr(Rehearsal, "call", lambda stage, *texts, **_: call(stage, *texts))
    found = looks.idempotency(patient)
    assert found.state is State.BROKEN
    assert "2 were sent" in found.why


def test_a_breaker_that_never_opens_is_found_out(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aikit.meter.poster.Poster.review", lambda *_: [])
    found = looks.breaker(patient)
    assert found.state is State.BROKEN
    assert "after 5 failures" in found.why


def test_a_role_that_may_not_add_tenants_is_told_so(open_patient: Any, role: Callable[..., str]) -> None:
    dsn = role(
        "GRANT USAGE ON SCHEMA aikit TO {role}",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA aikit TO {role}",
        "REVOKE INSERT ON aikit.tenants FROM {role}",
    )
    found = looks.spend(open_patient(dsn))
    assert found.state is State.WARNING
    assert "may not add a tenant" in found.why


def test_a_stage_whose_transaction_is_over_writes_nothing_more(patient: Patient, ledger: Database) -> None:
    with rehearsal(patient, RICH) as stage:
        stage.connection.pgconn.exec_(b"COMMIT")  # whatever has been written so far
        stage.connection.pgconn.exec_(b"DELETE FROM aikit.policies")
        (refused,) = stage.connection.execute("SELECT count(*) FROM aikit.tenants").fetchone() or (None,)
        assert refused == 1
        answered = stage.connection.pgconn.exec_(b"INSERT INTO aikit.tenants (tenant, since) VALUES ('x', 0)")
        assert b"read-only" in answered.error_message
    assert rows(ledger, "SELECT count(*) FROM aikit.policies") == [(1,)]


def contents(ledger: Database) -> dict[str, list[tuple[Any, ...]]]:
    names = [name for (name,) in rows(ledger, TABLES)]
    return {name: rows(ledger, f"SELECT t::text FROM aikit.{name} t ORDER BY 1") for name in sorted(names)}
