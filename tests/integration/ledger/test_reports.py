"""What was spent: sums by key and period, and a user's usage."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aikit.database.connect import Database
from aikit.errors import ConfigError
from aikit.ledger.reports import spend, user_tokens_today, user_usage
from aikit.ledger.tenants import add_tenant
from aikit.types import TOKEN_CLASSES, Usage
from support.ledger import CLAUDE, MINI, SOME, Till, tell

OTHER = Usage(input=10, cache_write_1h=7, output=3, searches=1)
DAY = datetime(2026, 3, 10, tzinfo=UTC)
ROLLUP = """
    INSERT INTO aikit.rollups
    VALUES ('{tenant}', '{hour}', 'prod', 'u1', '', 'openai', 'gpt',
            1, 0, 0, 0, 0, {nano}, 5, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0)
"""


@pytest.fixture
def spent(ledger: Database, till: Till) -> Database:
    """acme: u1 chats twice, u2 once in dev, an attempt of u1 fails, one is lost; beta asks Claude."""
    for tenant in ("acme", "beta"):
        add_tenant(ledger, tenant, uncapped=True)
    till.spend("acme", user="u1", feature="chat")
    till.spend("acme", user="u1", feature="chat")
    till.spend("acme", user="u2", environment="dev")
    till.spend("beta", OTHER, price=CLAUDE, user="u1")
    till.void(till.admit("acme", user="u1"))
    till.presume(till.admit("acme", 777, user="u1"))
    till.ask("nobody")
    till.flush()
    return ledger


def hour(day: datetime, hours: int, tenant: str = "acme", nano: int = 1) -> str:
    return ROLLUP.format(tenant=tenant, hour=day + timedelta(hours=hours), nano=nano)


def test_spending_by_tenant_has_every_sum_and_their_totals(spent: Database) -> None:
    report = spend(spent)
    acme, beta, nobody = sorted(report.rows, key=lambda row: row.key)
    assert (acme.key, acme.calls, acme.failed, acme.refused) == ("acme", 5, 1, 0)
    assert (acme.nano, acme.estimated_calls, acme.unpriced_calls) == (3 * MINI.cost(SOME) + 777, 1, 0)
    assert acme.tokens == {name: 3 * SOME.classes()[name] for name in TOKEN_CLASSES}
    assert (beta.key, beta.calls, beta.nano) == ("beta", 1, CLAUDE.cost(OTHER))
    assert (nobody.key, nobody.calls, nobody.refused, nobody.nano) == ("nobody", 0, 1, 0)
    totals = report.totals
    assert (totals.key, totals.calls, totals.refused, totals.failed) == ("total", 6, 1, 1)
    assert totals.nano == sum(row.nano for row in report.rows)
    assert totals.tokens["input"] == 3 * SOME.input + OTHER.input


@pytest.mark.parametrize(
    ("by", "keys"),
    [
        ("user", {"u1", "u2", ""}),
        ("feature", {"chat", ""}),
        ("model", {"openai/gpt-4o-mini", "anthropic/claude"}),
        ("provider", {"openai", "anthropic"}),
        ("environment", {"prod", "dev"}),
        ("day", {f"{datetime.now(UTC):%Y-%m-%d}"}),
    ],
)
def test_every_way_to_split_spending_adds_up_to_the_same(spent: Database, by: str, keys: set[str]) -> None:
    report = spend(spent, by)
    assert {row.key for row in report.rows} == keys
    whole, split = spend(spent).totals, report.totals
    assert split == whole


def test_the_dearest_comes_first_and_days_come_in_order(ledger: Database) -> None:
    tell(ledger, hour(DAY, 0, "a", 5), hour(DAY, 24, "b", 9), hour(DAY, 48, "c", 7))
    assert [row.key for row in spend(ledger, since=DAY).rows] == ["b", "c", "a"]
    days = [(row.key, row.nano) for row in spend(ledger, "day", since=DAY).rows]
    assert days == [("2026-03-10", 5), ("2026-03-11", 9), ("2026-03-12", 7)]


def test_a_day_is_a_day_in_utc(ledger: Database) -> None:
    tell(ledger, hour(DAY, 23), hour(DAY, 24))
    assert [row.key for row in spend(ledger, "day", since=DAY).rows] == ["2026-03-10", "2026-03-11"]


def test_a_period_is_rounded_outward_to_the_hour_and_says_so(ledger: Database) -> None:
    tell(ledger, *[hour(DAY, h, nano=10**h) for h in range(5)])
    report = spend(ledger, since=DAY + timedelta(hours=1, minutes=59), until=DAY + timedelta(hours=3, seconds=1))
    assert report.totals.nano == 1110
    assert (report.since, report.until) == (DAY + timedelta(hours=1), DAY + timedelta(hours=4))
    exact = spend(ledger, since=DAY + timedelta(hours=1), until=DAY + timedelta(hours=3))
    assert exact.totals.nano == 110


def test_times_in_other_zones_are_understood(ledger: Database) -> None:
    tell(ledger, hour(DAY, 0))
    ahead = timezone(timedelta(hours=5, minutes=30))
    assert spend(ledger, since=datetime(2026, 3, 10, 5, 40, tzinfo=ahead)).totals.calls == 1
    assert spend(ledger, since=datetime(2026, 3, 10, 6, 40, tzinfo=ahead)).totals.calls == 0


def test_without_a_beginning_the_period_is_this_month(ledger: Database) -> None:
    start = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    tell(ledger, hour(start, 0), hour(start, -1))
    report = spend(ledger)
    assert (report.since, report.until, report.totals.calls) == (start, None, 1)


def test_spending_of_one_tenant_user_feature_or_environment(spent: Database) -> None:
    assert spend(spent, tenant="acme").totals.calls == 5
    assert spend(spent, tenant="acme", user="u1").totals.calls == 4
    assert spend(spent, feature="chat").totals.calls == 2
    assert spend(spent, environment="dev").totals.calls == 1
    assert spend(spent, tenant="acme", user="u3").rows == []


def test_a_report_that_cant_be_made_says_what_can(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="by 'colour'") as caught:
        spend(ledger, "colour")
    assert caught.value.remedy == "Choose one of tenant, user, feature, model, provider, day, environment, prompt."
    with pytest.raises(ConfigError, match="before it begins"):
        spend(ledger, since=DAY, until=DAY)
    with pytest.raises(ConfigError, match="without a time zone"):
        spend(ledger, since=datetime(2026, 3, 10))
    with pytest.raises(ConfigError, match="environment must be dev, staging or prod"):
        spend(ledger, environment="test")
    with pytest.raises(ConfigError, match="user has characters that can't be printed"):
        user_tokens_today(ledger, "acme", "u\0")


def test_a_users_usage_is_of_one_tenant_in_all_and_by_provider(spent: Database, till: Till) -> None:
    till.spend("acme", OTHER, price=CLAUDE, user="u1")
    till.flush()
    usage = user_usage(spent, "acme", "u1", datetime.now(UTC) - timedelta(hours=1))
    assert list(usage.by_provider) == ["anthropic", "openai"]
    claude, openai = usage.by_provider.values()
    assert (claude.requests, claude.tokens, claude.nano) == (1, OTHER, CLAUDE.cost(OTHER))
    assert (openai.requests, openai.nano) == (4, 2 * MINI.cost(SOME) + 777)
    assert usage.requests == 5
    assert usage.nano == claude.nano + openai.nano
    assert usage.tokens.searches == 1
    assert usage.tokens.total_tokens == 2 * SOME.total_tokens + OTHER.total_tokens


def test_a_user_without_usage_has_used_nothing(ledger: Database) -> None:
    usage = user_usage(ledger, "acme", "u1", DAY)
    assert (usage.requests, usage.tokens, usage.nano, usage.by_provider) == (0, Usage(), 0, {})
    assert user_tokens_today(ledger, "acme", "u1") == 0


def test_a_users_tokens_today_leave_out_yesterday(spent: Database) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    tell(spent, hour(today, -1))
    assert user_tokens_today(spent, "acme", "u1") == 2 * SOME.total_tokens
    assert user_usage(spent, "acme", "u1", today - timedelta(minutes=1)).requests == 5
    assert user_usage(spent, "acme", "u1", today).requests == 4
