"""What the doctor finds about the books, the policies and the breakers of a ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.errors import Exit
from aikit.ledger.breakers import force_breaker
from aikit.meter import workers
from aikit.meter.spool import MAX_BYTES, Spool, spool_folder
from aikit.setup.doctor.patient import Patient
from aikit.setup.model import State
from aikit.types import Ending, Entry
from integration.prompts.conftest import production
from integration.setup_doctor.conftest import made
from support.attempts import set_policy
from support.ledger import BOUND, SOME, Till, price_row, tell


@pytest.fixture(autouse=True)
def nobody_else_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The meters of these tests leave expired holds alone."""
    monkeypatch.setattr(workers, "EXPIRE_EVERY", 3600.0)


@pytest.fixture
def acme(ledger: Database) -> None:
    set_policy(ledger, "acme", limits=[{"metric": "credits", "window": "day", "cap": 10**12}])


@pytest.fixture
def spool(patient: Patient, ledger: Database) -> Iterator[Spool]:
    """The spool of another process."""
    other = Spool(spool_folder(ledger, patient.settings.data_dir), price_row)
    yield other
    other.release()


@pytest.mark.usefixtures("acme")
def test_counters_that_agree_with_the_holds_are_well_while_calls_are_under_way(patient: Patient, till: Till) -> None:
    till.spend()
    till.admit()
    till.flush()
    found = made(patient, "books/balance")
    assert found.state is State.OK and found.facts["counters"] > 0
    assert made(patient, "books/holds").why == "1 in flight, none expired"


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("thorough", [False, True])
def test_a_counter_that_holds_more_than_there_is_held_is_found_out(
    patient: Patient, ledger: Database, till: Till, thorough: bool
) -> None:
    till.spend()
    till.flush()
    patient.thorough = thorough
    assert made(patient, "books/balance").state is State.OK
    tell(ledger, "UPDATE aikit.counters SET amounts[3] = amounts[3] + 7")
    found = made(patient, "books/balance")
    assert (found.state, found.exit) == (State.BROKEN, Exit.NO)
    assert "acme" in found.why and "aikit ledger verify" in found.remedy


@pytest.mark.usefixtures("acme")
def test_only_a_thorough_look_finds_what_was_used_to_be_wrong(patient: Patient, ledger: Database, till: Till) -> None:
    till.spend()
    till.flush()
    tell(ledger, "UPDATE aikit.counters SET amounts[2] = amounts[2] + 7")
    assert made(patient, "books/balance").state is State.OK
    patient.thorough = True
    assert made(patient, "books/balance").state is State.BROKEN


@pytest.mark.usefixtures("acme")
def test_an_expired_hold_that_nobody_presumed_is_a_failure(patient: Patient, ledger: Database, till: Till) -> None:
    till.admit()
    tell(ledger, "UPDATE aikit.holds SET expires_at = now() - interval '2 minutes'")
    found = made(patient, "books/holds")
    assert (found.state, found.exit) == (State.BROKEN, Exit.NO)
    assert found.facts["expired_nano"] == BOUND and found.remedy == "Run `aikit ledger expire`."


@pytest.mark.usefixtures("acme")
def test_what_lies_in_the_spool_is_told_by_whose_it_is(patient: Patient, till: Till, spool: Spool) -> None:
    assert made(patient, "books/spool").why == "empty"
    spool.append([Entry(till.admit(), Ending.SETTLED, 390_000, SOME, status=200)])
    running = made(patient, "books/spool")
    assert running.state is State.WARNING and "1 ending over $0.00039 waits" in running.why
    spool.release()
    left = made(patient, "books/spool")
    assert left.state is State.BROKEN and left.remedy == "Run `aikit ledger spool --post`."


@pytest.mark.usefixtures("acme")
def test_a_spool_that_is_nearly_full_is_a_failure(patient: Patient, till: Till, spool: Spool) -> None:
    spool.append([Entry(till.admit(), Ending.SETTLED, 390_000, SOME, status=200)])
    (path,) = spool._folder.glob("*.jsonl")
    with path.open("ab") as file:
        file.truncate(int(0.9 * MAX_BYTES))
    found = made(patient, "books/spool")
    assert found.state is State.BROKEN and "of 67 MB" in found.why


def test_lines_that_were_set_aside_are_a_warning(patient: Patient, spool: Spool) -> None:
    spool._folder.mkdir(parents=True)
    (spool._folder / "x.unread").write_text("nonsense\n")
    found = made(patient, "books/spool")
    assert found.state is State.WARNING and "1 lines were set aside" in found.why


@pytest.mark.usefixtures("acme")
def test_calls_without_a_price_and_many_estimates_are_warnings(patient: Patient, ledger: Database, till: Till) -> None:
    till.presume(till.admit())
    till.flush()
    found = made(patient, "books/estimates")
    assert found.state is State.WARNING and "1 of 1 calls of the last day are estimates" in found.why
    tell(ledger, "UPDATE aikit.rollups SET unpriced = 1")
    assert "have no price" in made(patient, "books/estimates").why


def test_an_open_breaker_is_a_failure_and_a_forced_one_a_warning(patient: Patient, ledger: Database) -> None:
    assert made(patient, "providers/breakers").state is State.OK
    force_breaker(ledger, ("openai", "gpt-5-mini"), open=True, who="ops")
    forced = made(patient, "providers/breakers")
    assert forced.state is State.WARNING and "forced open, by ops" in forced.why
    tell(
        ledger,
        "INSERT INTO aikit.breakers (provider, model, state, since, until, reason) VALUES "
        "('openai', 'gpt-5', 'open', now(), now() + interval '1 hour', 'consecutive_failures')",
    )
    found = made(patient, "providers/breakers")
    assert (found.state, found.exit) == (State.BROKEN, Exit.STOPPED)
    assert "`aikit breaker reset openai/gpt-5`" in found.remedy


def test_a_tenant_that_may_do_nothing_is_a_warning(patient: Patient, ledger: Database) -> None:
    assert "there is none yet" in made(patient, "policies/tenants").why
    tell(ledger, "INSERT INTO aikit.tenants (tenant) VALUES ('globex')")
    found = made(patient, "policies/tenants")
    assert found.state is State.WARNING and "globex: calls are refused with NO_POLICY" in found.why
    set_policy(ledger, "globex", uncapped=True)
    assert made(patient, "policies/tenants").state is State.OK


def test_a_tenant_with_a_limit_for_one_feature_alone_may_do_something(patient: Patient, ledger: Database) -> None:
    limits = [{"metric": "credits", "window": "day", "cap": 5}]
    set_policy(ledger, "globex", scope={"tenant": "globex", "feature": "chat"}, limits=limits)
    assert made(patient, "policies/tenants").state is State.OK


def test_a_policy_that_can_not_be_read_is_a_failure(patient: Patient, ledger: Database) -> None:
    set_policy(ledger, "acme", from_the_future=True)
    found = made(patient, "policies/stored")
    assert found.state is State.BROKEN and "tenant:acme" in found.why


def test_a_guard_that_nobody_has_installed_is_a_warning(patient: Patient, ledger: Database) -> None:
    set_policy(ledger, "acme", uncapped=True, guards={"custom": {"toxicity": "block"}})
    found = made(patient, "policies/guards")
    assert found.state is State.WARNING and "custom.toxicity" in found.why


PROMOTED = """
    INSERT INTO aikit.prompt_moves (at, name, label, kind, version, sha256, who)
    SELECT now(), name, 'production', 'promote', version, sha256, 'ops' FROM aikit.prompt_versions"""


def test_a_label_that_points_to_a_published_version_is_well(patient: Patient, ledger: Database) -> None:
    assert made(patient, "prompts/labels").why == "there are none"
    production(ledger, 1)
    found = made(patient, "prompts/labels")
    assert (found.state, found.facts["labels"]) == (State.OK, ["summarize@production"])


def test_a_label_that_points_to_what_can_not_be_used_is_a_failure(patient: Patient, ledger: Database) -> None:
    tell(
        ledger,
        "INSERT INTO aikit.prompt_versions (name, version, sha256, source, published_by) "
        "VALUES ('summarize', 3, encode(sha256('from the future'), 'hex'), 'from the future', 'ops')",
        PROMOTED,
    )
    found = made(patient, "prompts/labels")
    assert found.state is State.BROKEN and "summarize@v3, to which production points, can't be used" in found.why


def test_a_label_that_points_to_nothing_or_to_something_else_is_a_failure(patient: Patient, ledger: Database) -> None:
    production(ledger, 1)
    tell(
        ledger,
        "ALTER TABLE aikit.prompt_moves DROP CONSTRAINT prompt_moves_name_version_sha256_fkey",
        "ALTER TABLE aikit.prompt_versions DISABLE TRIGGER USER",
        "ALTER TABLE aikit.prompt_versions DROP CONSTRAINT prompt_versions_check",
        "UPDATE aikit.prompt_versions SET source = source || ' '",
    )
    assert "is not what production was moved to" in made(patient, "prompts/labels").why
    tell(ledger, "DELETE FROM aikit.prompt_versions")
    assert "v1, which was never published" in made(patient, "prompts/labels").why


def test_the_spool_is_looked_at_without_the_database(patient: Patient, tmp_path: Path) -> None:
    patient.place.environ["DATABASE_URL"] = "postgresql://app@127.0.0.1:1/shop"
    patient.forget()
    assert made(patient, "books/spool").state is State.OK
