"""The safe cap: through the policy file where nobody has stated a policy, by hand elsewhere, and never over a cap."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.ledger.audit import list_audit
from aikit.ledger.limits import list_limits
from aikit.ledger.policies import put_policy, read_policies
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.money import NANO_PER_USD
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.setup.model import Choices, Place
from aikit.setup.place import open_place
from aikit.setup.steps.files import Files
from aikit.setup.steps.tenant import Tenant
from aikit.types import Metric, Window


@pytest.fixture
def place(tmp_path: Path, ledger: Database) -> Place:
    (tmp_path / "p").mkdir()
    made = open_place(tmp_path / "p", Choices(), {"DATABASE_URL": ledger.conninfo, "HOME": str(tmp_path)})
    Files().apply(made, lambda _: None)
    return made


def caps(ledger: Database, tenant: str = "default") -> list[tuple[str, int]]:
    rows = [row for row in list_limits(ledger, tenant) if row.metric is Metric.CREDITS]
    return [(row.window.value, row.cap // NANO_PER_USD) for row in rows]


def test_a_fresh_ledger_gets_the_file_the_tenant_and_a_record_of_it(place: Place, ledger: Database) -> None:
    assert Tenant().check(place).state == "missing"
    Tenant().apply(place, lambda _: None)
    assert Tenant().verify(place).why == "$5.00/day, 10 requests/min per user"
    assert caps(ledger) == [("day", 5)]
    assert all(not stored.by_hand for stored in read_policies(ledger).policies)
    assert {change.why for change in list_audit(ledger)} == {"aikit init"}


def test_policies_that_somebody_has_stated_are_not_replaced(place: Place, ledger: Database) -> None:
    stated = Policy("default", Scope(), max_output_tokens=77)
    put_policy(ledger, stated)
    Tenant().apply(place, lambda _: None)
    assert Tenant().verify(place).ok and caps(ledger) == [("day", 5)]
    assert next(one.policy for one in read_policies(ledger).policies if one.policy.name == "default") == stated


def test_a_cap_that_is_there_is_enough(place: Place, ledger: Database) -> None:
    add_tenant(ledger, "default")
    set_limit(ledger, "default", StatedLimit(Metric.CREDITS, Window.MONTH, 2 * NANO_PER_USD))
    assert Tenant().check(place).ok
    assert Tenant().check(place).why.startswith("$2.00/month")


def test_a_tenant_without_a_cap_on_money_is_capped(place: Place, ledger: Database) -> None:
    add_tenant(ledger, "default")
    set_limit(ledger, "default", StatedLimit(Metric.REQUESTS, Window.DAY, 100))
    assert Tenant().check(place).why == "default has no cap on its spending"
    Tenant().apply(place, lambda _: None)
    assert caps(ledger) == [("day", 5)]


def test_a_tenant_that_is_meant_to_be_uncapped_stays_so_with_a_warning(place: Place, ledger: Database) -> None:
    add_tenant(ledger, "default", uncapped=True)
    found = Tenant().check(place)
    assert (found.state, found.ok) == ("warning", True)
    assert not any(row.will for row in Tenant().describe(place))
