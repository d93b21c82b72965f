"""What Enter opens on the overview, limits, breakers and the audit."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from aikit.console.details import Details
from aikit.console.model import Overview, Snapshot, Tab
from aikit.console.row_keys import limit_key, overview_key
from aikit.console.words import visible
from aikit.database.connect import Database
from aikit.errors import AIKitError
from aikit.ledger.audit import list_audit
from aikit.ledger.breakers import force_breaker, reset_breaker
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.plans import set_plan
from aikit.ledger.policies import apply, put_policy
from aikit.ledger.tenants import add_tenant, remove_limit, set_limit
from aikit.money import format_usd
from aikit.page import Page
from aikit.policy.file import read_policies
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from support.ledger import MINI, SOME, Till, tell
from support.ledger import rows as read
from support.pages import items, section, words
from support.snapshots import BIDI, CONTROLS, LONG, MARKUP, WIDE, overview, overview_row, snapshot

DOLLAR = 1_000_000_000
COST = format_usd(MINI.cost(SOME))
CREDITS, REQUESTS = Metric.CREDITS, Metric.REQUESTS
DAY, MONTH = Window.DAY, Window.MONTH
MODEL = ("openai", "gpt-4o-mini")


@pytest.fixture
def details(ledger: Database) -> Details:
    return Details(ledger, nano_per_credit=100_000)


def open_limit(details: Details, row: LimitRow) -> Page:
    return details.page(Tab.LIMITS, limit_key(row), snapshot(Tab.LIMITS))


def since_yesterday(ledger: Database) -> Snapshot:
    """The overview as it is read now."""
    (now,) = read(ledger, "SELECT now()")[0]
    return snapshot(Tab.OVERVIEW, at=now, page=replace(overview(), since=now - timedelta(days=1)))


def test_a_row_of_the_overview_is_told_in_full(details: Details, ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(CREDITS, DAY, DOLLAR))
    set_limit(ledger, "acme", StatedLimit(REQUESTS, DAY, 100))
    for _ in range(2):
        till.spend(feature="chat")
        till.spend(feature="other")
    till.flush()
    set_limit(ledger, "acme", StatedLimit(CREDITS, DAY, 4 * MINI.cost(SOME) + 1))
    till.void(till.admit(nano=1, feature="chat"))
    assert till.ask(feature="chat").hold is None
    assert till.ask(feature="other").hold is None
    till.flush()
    key = overview_key(overview_row("acme", "chat", *MODEL))
    page = details.page(Tab.OVERVIEW, key, since_yesterday(ledger))
    assert page.heading == "acme, chat, openai/gpt-4o-mini"
    counts = items(page, "Calls")
    assert (counts["calls"], counts["refused"], counts["failed"]) == ("3", "1 on top, not sent", "1")
    assert counts["cost"] == format_usd(2 * MINI.cost(SOME))
    assert items(page, "Tokens")["cache read"] == "400"
    assert items(page, "Why they were refused") == {"DAILY_BUDGET_EXCEEDED": "1"}
    limits = section(page, "Limits that apply").items
    assert [item.name for item in limits] == ["credits/day", "requests/day"]
    assert limits[0].remarks == ("counts the whole tenant · tenant:acme",)
    calls = section(page, "Its last calls, 4").items
    assert calls[0].text == "refused DAILY_BUDGET_EXCEEDED"
    assert details.page(Tab.OVERVIEW, calls[0].opens, snapshot()).heading == "Refused: DAILY_BUDGET_EXCEEDED"
    assert details.page(Tab.OVERVIEW, limits[0].opens, snapshot()).heading.startswith("acme: credits/day, ")
    assert calls[-1].text == f"settled · 1,550 tokens · {COST} · 5 ms"


def test_calls_without_a_feature_have_a_row_of_their_own(details: Details, ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend()
    till.spend(feature="chat")
    till.flush()
    page = details.page(Tab.OVERVIEW, overview_key(overview_row("acme", "", *MODEL)), since_yesterday(ledger))
    assert items(page, "Calls")["calls"] == "1"
    assert len(section(page, "Its last calls, 1").items) == 1
    assert items(page, "Limits that apply") == {"none": "no policy states one"}


def test_how_long_calls_took_is_told_from_the_snapshot_or_not_at_all(
    details: Details, ledger: Database, till: Till
) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend(feature="chat")
    till.flush()
    row, seen = overview_row("acme", "chat", *MODEL), since_yesterday(ledger)
    assert "took" not in items(details.page(Tab.OVERVIEW, overview_key(row), seen), "Calls")
    assert isinstance(seen.page, Overview)
    shown = replace(seen, page=replace(seen.page, rows=(row,)))
    took = items(details.page(Tab.OVERVIEW, overview_key(row), shown), "Calls")["took"]
    assert took == "half of them at most 410 ms, 95 of 100 at most 2.40 s"


def test_a_row_that_nothing_is_left_of_is_told_with_a_remedy(details: Details, ledger: Database) -> None:
    with pytest.raises(AIKitError, match="Nothing was called since") as told:
        details.page(Tab.OVERVIEW, overview_key(overview_row("gone", "", *MODEL)), since_yesterday(ledger))
    assert told.value.remedy


def test_a_limit_tells_what_it_counts_where_it_stands_and_who_changed_it(
    details: Details, ledger: Database, till: Till
) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(CREDITS, MONTH, 5 * DOLLAR, soft_cap=4 * DOLLAR), who="bob", why="trial")
    set_limit(ledger, "acme", StatedLimit(CREDITS, MONTH, 6 * DOLLAR, soft_cap=4 * DOLLAR), who="ada", why="they grow")
    till.spend()
    till.admit()
    till.flush()
    (row,) = list_limits(ledger, "acme")
    page = open_limit(details, row)
    assert page.heading.startswith("acme: credits/month, ▏")
    standing = items(page, "Where it stands")
    assert {name: standing[name] for name in ("counts", "cap", "soft cap", "held", "used")} == {
        "counts": "the whole tenant", "cap": "$6.00", "soft cap": "$4.00", "held": "$0.001", "used": COST,
    }  # fmt: skip
    assert standing["window began"].endswith("-01 00:00:00 UTC")
    assert standing["resets"].endswith("-01 00:00:00 UTC")
    stated = items(page, "Where it is stated")
    assert (stated["policy"], stated["is for"], stated["managed"]) == ("tenant:acme", "tenant:acme", "by hand")
    newest, first = section(page, "Changes of tenant:acme").items
    assert newest.text == "credits/month: $5.00 → $6.00 (50,000 → 60,000 credits) · ada"
    assert newest.remarks == ("they grow",)
    assert first.remarks == ("trial",)


FILE = """
[default]
limits = [{ metric = "requests", window = "day", cap = 1000 }]
[plans.pro]
entitlements = ["ai_access"]
limits = [{ metric = "requests", window = "day", cap = 500 }]
[tenants.acme]
limits = [{ metric = "requests", window = "day", cap = 50 }]
"""


def test_a_limit_tells_which_others_it_overrides_and_that_a_file_manages_it(details: Details, ledger: Database) -> None:
    apply(ledger, read_policies(FILE, where="policies.toml", nano_per_credit=100_000), who="file")
    add_tenant(ledger, "acme", plan="pro")
    (row,) = list_limits(ledger, "acme")
    page = open_limit(details, row)
    assert items(page, "What it overrides") == {
        "plan:pro": "500: plan:pro is less specific than tenant:acme",
        "default": "1,000: default is less specific than tenant:acme",
    }
    assert items(page, "Where it is stated")["managed"].startswith("by a file: edit policies.toml")


def test_a_limit_of_a_plan_that_a_user_is_on_tells_what_it_overrides(details: Details, ledger: Database) -> None:
    for name, scope, cap in (("default", Scope(), 9), ("plan:trial", Scope(plan="trial"), 5)):
        limits = (StatedLimit(REQUESTS, DAY, cap, each=None if scope.plan else "user"),)
        put_policy(ledger, Policy(name, scope, limits=limits, entitlements=("ai_access",) if scope.plan else None))
    add_tenant(ledger, "acme")
    set_plan(ledger, "acme", "trial", user="ann")
    row = next(row for row in list_limits(ledger, "acme") if row.source == "plan:trial")
    page = open_limit(details, row)
    assert items(page, "Where it stands")["counts"] == "each user"
    assert items(page, "Where it stands")["used"] == "—"
    assert list(items(page, "What it overrides")) == ["default"]


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (StatedLimit(CREDITS, DAY, 0), "It is used up"),
        (StatedLimit(CREDITS, DAY, 1, action=Action.WARN), "It only warns"),
        (StatedLimit(CREDITS, Window.CALL, DOLLAR), "Calls that do not fit"),
        (StatedLimit(Metric.CONCURRENCY, Window.TOTAL, 3), "Calls that do not fit"),
        (StatedLimit(Metric.TOKENS, Window.MINUTE, 3), "Calls that do not fit"),
    ],
)
def test_every_kind_of_limit_can_be_opened(details: Details, ledger: Database, limit: StatedLimit, said: str) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", limit)
    (row,) = list_limits(ledger, "acme")
    page = open_limit(details, row)
    assert page.paragraphs[0].startswith(said)
    standing = items(page, "Where it stands")
    assert ("window began" in standing) is (limit.window in (DAY, Window.MINUTE))
    assert ("used" in standing) is (limit.window not in (Window.CALL, Window.TOTAL))


def test_a_limit_that_is_gone_is_told_with_a_remedy(details: Details, ledger: Database) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(CREDITS, DAY, DOLLAR))
    (row,) = list_limits(ledger, "acme")
    remove_limit(ledger, "acme", CREDITS, DAY)
    with pytest.raises(AIKitError, match="is not in force any more") as told:
        open_limit(details, row)
    assert told.value.remedy


def test_a_breaker_tells_who_forced_it_and_how_it_came_here(details: Details, ledger: Database) -> None:
    key = ("anthropic", "haiku")
    force_breaker(ledger, key, open=True, lasting=timedelta(hours=1), who="ada", why="bad answers")
    page = details.page(Tab.BREAKERS, "anthropic/haiku", snapshot(Tab.BREAKERS))
    assert page.heading.startswith("anthropic/haiku: ■ forced open ")
    state = items(page, "State")
    assert state["forced until"].endswith(("in 1h", "in 59m 59s"))
    assert items(page, "Forced by")["who"] == "ada"
    assert items(page, "Forced by")["why"] == "bad answers"
    reset_breaker(ledger, key, who="bob")
    page = details.page(Tab.BREAKERS, "anthropic/haiku", snapshot(Tab.BREAKERS))
    assert page.heading == "anthropic/haiku: ● closed"
    newest, first = section(page, "Moves").items
    assert newest.text == "■ forced open → ● closed"
    assert newest.remarks == ("by bob",)
    assert first.text.startswith("● closed → ■ forced open until 20")


def test_an_open_breaker_tells_when_it_is_tried_again(details: Details, ledger: Database) -> None:
    tell(
        ledger,
        """INSERT INTO aikit.breakers (provider, model, state, since, until, reason, trips, successes, probes, leases,
                                       revision)
           VALUES ('gemini', 'flash', 'open', now(), now() + interval '41 s', 'failure_rate', 2, 0, '{}', '{}', 1)""",
    )
    page = details.page(Tab.BREAKERS, "gemini/flash", snapshot(Tab.BREAKERS))
    state = items(page, "State")
    assert state["why"] == "too many failures"
    assert state["next probe"].endswith(("in 41s", "in 40s"))
    assert state["opened"] == "2 times in a row"


def test_a_breaker_that_nobody_has_heard_of_is_closed(details: Details) -> None:
    page = details.page(Tab.BREAKERS, "openai", snapshot(Tab.BREAKERS))
    assert page.heading == "openai: ● closed"
    assert items(page, "Moves") == {"none": "it has always been closed"}


def test_a_breaker_of_a_model_with_an_endless_name_can_be_opened(details: Details) -> None:
    assert details.page(Tab.BREAKERS, f"openai/{LONG}", snapshot(Tab.BREAKERS)).heading == f"openai/{LONG}: ● closed"


def test_a_change_is_told_with_both_sides_and_its_hash(details: Details, ledger: Database) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(CREDITS, DAY, 5 * DOLLAR), who="bob")
    set_limit(ledger, "acme", StatedLimit(CREDITS, DAY, 6 * DOLLAR), who="ada", why="they grow")
    row = list_audit(ledger, limit=1)[0]
    page = details.page(Tab.AUDIT, str(row.seq), snapshot(Tab.AUDIT))
    assert page.heading == f"Change {row.seq}: policy.change tenant:acme"
    facts = items(page, "What was done")
    assert (facts["who"], facts["why"], facts["hash"]) == ("ada", "they grow", row.hash)
    assert facts["policy version"] == f"{row.policy_version}"
    marked = section(page, "Before").marked
    assert [line[0] for line in marked if "cap_usd" in line] == ["-", "+"]


@pytest.mark.parametrize("key", ["0", "999", "x", "", "9" * 40, "-1"])
def test_a_change_that_is_not_there_is_told_with_a_remedy(details: Details, key: str) -> None:
    with pytest.raises(AIKitError, match="There is no change") as told:
        details.page(Tab.AUDIT, key, snapshot(Tab.AUDIT))
    assert told.value.remedy


@pytest.mark.parametrize("tenant", [MARKUP, WIDE, "a" * 200, "r\u00e9sum\u00e9 $(x)"])
def test_a_tenant_of_any_name_is_told_as_it_is(details: Details, ledger: Database, till: Till, tenant: str) -> None:
    add_tenant(ledger, tenant)
    set_limit(ledger, tenant, StatedLimit(CREDITS, DAY, DOLLAR, each="user"))
    till.spend(tenant, user=tenant, feature=tenant)
    till.flush()
    (row,) = list_limits(ledger, tenant)
    assert row.counts == f"user {tenant}"
    assert tenant in open_limit(details, row).heading
    key = overview_key(overview_row(tenant, tenant, *MODEL))
    assert tenant in details.page(Tab.OVERVIEW, key, since_yesterday(ledger)).heading


@pytest.mark.parametrize("model", [CONTROLS, BIDI, LONG, "a\x1fb\x1fc", MARKUP])
def test_a_model_of_any_name_has_its_row(details: Details, ledger: Database, till: Till, model: str) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend(feature="chat")
    till.flush()
    tell(ledger, "ALTER TABLE aikit.entries DISABLE TRIGGER USER")
    with ledger.connect(role="test") as connection:
        connection.execute("UPDATE aikit.entries SET model = %s", [model])
        connection.execute("UPDATE aikit.rollups SET model = %s", [model])
    page = details.page(
        Tab.OVERVIEW, overview_key(overview_row("acme", "chat", "openai", model)), since_yesterday(ledger)
    )
    assert page.heading == f"acme, chat, openai/{visible(model)}"
    assert items(page, "Calls")["calls"] == "1"
    (call,) = section(page, "Its last calls, 1").items
    assert details.page(Tab.OVERVIEW, call.opens, snapshot()).heading == "Allowed: ALLOWED"


@pytest.mark.parametrize("text", [CONTROLS, BIDI])
def test_what_could_move_a_cursor_is_taken_out(details: Details, ledger: Database, text: str) -> None:
    with ledger.connect(role="test") as connection:
        connection.execute(
            "INSERT INTO aikit.audit VALUES (1, now(), %s, %s, %s, NULL, NULL, to_jsonb(%s::text), %s, 1, 'x')",
            [text] * 5,
        )
        connection.execute(
            "INSERT INTO aikit.breaker_moves (at, provider, model, was, state, reason, who, why) "
            "VALUES (now(), 'openai', %s, 'closed', 'forced_open', 'operator', %s, %s)",
            [text] * 3,
        )
    for page in (
        details.page(Tab.AUDIT, "1", snapshot(Tab.AUDIT)),
        details.page(Tab.BREAKERS, f"openai/{text}", snapshot(Tab.BREAKERS)),
    ):
        assert "\ufffd" in page.heading
        assert all(line.isprintable() for line in words(page).split("\n"))
