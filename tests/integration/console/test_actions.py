"""What the console changes: where it is stated, on the record, and only if it is as it was seen."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from aikit.breaker.model import State
from aikit.console.actions import (
    change_limit,
    move_breaker,
    proposed,
    rollback_prompt,
    rollback_target,
    rollback_told,
)
from aikit.database.connect import Database
from aikit.errors import AIKitError, ConfigError, PromptNotFound
from aikit.ledger.audit import AuditRow, list_audit
from aikit.ledger.breakers import force_breaker, get_breaker, reset_breaker
from aikit.ledger.limits import LimitRow, list_limits
from aikit.ledger.plans import set_plan
from aikit.ledger.policies import apply, put_policy
from aikit.ledger.prompt_labels import list_labels, promote
from aikit.ledger.tenants import add_tenant, remove_limit, set_limit
from aikit.policy.file import read_policies
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window
from integration.prompts.conftest import publish_versions
from support.ledger import Till

DOLLAR = 1_000_000_000
CREDITS, REQUESTS = Metric.CREDITS, Metric.REQUESTS
DAY, WEEK, MONTH = Window.DAY, Window.WEEK, Window.MONTH
HAIKU = ("anthropic", "haiku")
MONTHLY = StatedLimit(CREDITS, MONTH, 25 * DOLLAR, soft_cap=20 * DOLLAR)


@pytest.fixture
def acme(ledger: Database) -> Database:
    """acme may spend $25 a month, stated by hand."""
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", MONTHLY)
    return ledger


def the_limit(ledger: Database, tenant: str = "acme") -> LimitRow:
    (row,) = list_limits(ledger, tenant)
    return row


def change(ledger: Database, row: LimitRow, **typed: str) -> str:
    fields = {"cap": None, "soft_cap": None, "window": None, **typed}
    return change_limit(ledger, row, why="more room", **fields)  # type: ignore[arg-type]  # by name


def last(ledger: Database) -> AuditRow:
    return list_audit(ledger, limit=1)[0]


def policy(ledger: Database, text: str) -> None:
    apply(ledger, read_policies(text, where="policies.toml", nano_per_credit=100_000), who="file")


def test_a_limit_of_a_tenant_s_own_is_changed_where_it_is_stated_and_audited(
    acme: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIKIT_ACTOR", "ada@desk")
    said = change(acme, the_limit(acme), cap="$40", soft_cap="30.50")
    assert said == (
        "tenant:acme · credits/month: $25.00 → $40.00, soft cap $20.00 → $30.50. "
        "It touches tenant acme, from the next call on."
    )
    row = the_limit(acme)
    assert (row.cap, row.soft_cap, row.window) == (40 * DOLLAR, 30 * DOLLAR + DOLLAR // 2, MONTH)
    record = last(acme)
    assert (record.who, record.why, record.action, record.subject, record.tenant) == (
        "ada@desk", "more room", "policy.change", "tenant:acme", "acme",
    )  # fmt: skip


def test_the_next_call_meets_the_changed_cap(acme: Database, till: Till) -> None:
    till.spend()
    till.flush()
    change(acme, the_limit(acme), cap="0.000001", soft_cap="")
    assert till.ask().reason_code == "MONTHLY_BUDGET_EXCEEDED"


def test_a_window_is_changed_with_what_was_used_in_it(acme: Database, till: Till) -> None:
    spent = till.spend().nano
    till.flush()
    change(acme, the_limit(acme), window="week")
    row = the_limit(acme)
    assert (row.window, row.used, row.cap, row.soft_cap) == (WEEK, spent, 25 * DOLLAR, 20 * DOLLAR)


def test_a_window_of_another_length_starts_at_its_beginning(ledger: Database) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(CREDITS, MONTH, DOLLAR, zone="Europe/Zurich", anchor=14))
    change(ledger, the_limit(ledger), window="day")
    assert the_limit(ledger).zone == "Europe/Zurich"
    change(ledger, the_limit(ledger), window="hour")
    assert (the_limit(ledger).window, the_limit(ledger).zone) == (Window.HOUR, "UTC")


def test_an_empty_soft_cap_removes_it(acme: Database) -> None:
    assert "soft cap $20.00 → none" in change(acme, the_limit(acme), soft_cap="")
    assert the_limit(acme).soft_cap is None


def test_a_plan_s_limit_is_changed_for_everyone_on_it_and_said_so(ledger: Database) -> None:
    limit = StatedLimit(REQUESTS, DAY, 1_000)
    put_policy(ledger, Policy("plan:free", Scope(plan="free"), limits=(limit,), entitlements=("ai_access",)))
    for tenant in ("acme", "globex"):
        add_tenant(ledger, tenant, plan="free")
    said = change(ledger, the_limit(ledger, "acme"), cap="2.5k")
    assert said.startswith("plan:free · requests/day: 1,000 → 2,500. It touches everyone on the plan free")
    assert the_limit(ledger, "globex").cap == 2_500


def test_the_limit_of_one_feature_or_each_user_is_the_one_that_is_changed(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme")
    set_limit(ledger, "acme", StatedLimit(REQUESTS, DAY, 10))
    set_limit(ledger, "acme", StatedLimit(REQUESTS, DAY, 10, each="user"))
    set_limit(ledger, "acme", StatedLimit(REQUESTS, DAY, 10, each="feature"))
    till.spend(user="ann, feature chat", feature="chat")
    till.flush()
    rows = {row.counts: row for row in list_limits(ledger, "acme")}
    assert set(rows) == {"", "user ann, feature chat", "feature chat"}
    change(ledger, rows["user ann, feature chat"], cap="20")
    change(ledger, rows["feature chat"], cap="30")
    assert {row.counts: row.cap for row in list_limits(ledger, "acme")} == {
        "": 10, "user ann, feature chat": 20, "feature chat": 30,
    }  # fmt: skip


def test_a_limit_of_a_user_who_is_on_a_plan_is_that_of_the_plan(ledger: Database) -> None:
    limit = StatedLimit(REQUESTS, DAY, 5)
    put_policy(ledger, Policy("plan:trial", Scope(plan="trial"), limits=(limit,), entitlements=("ai_access",)))
    add_tenant(ledger, "acme")
    set_plan(ledger, "acme", "trial", user="ann")
    row = the_limit(ledger)
    assert row.counts == "each user"
    assert "everyone on the plan trial" in change(ledger, row, cap="6")


def test_a_policy_of_a_file_is_refused_with_the_way_to_change_it(ledger: Database) -> None:
    policy(ledger, '[tenants.acme]\nlimits = [{ cap_usd = "5.00", window = "day" }]\n')
    add_tenant(ledger, "acme")
    before = len(list_audit(ledger))
    with pytest.raises(ConfigError, match="managed by a file") as refused:
        change(ledger, the_limit(ledger), cap="6")
    assert refused.value.code == "POLICY_OF_FILE"
    assert "aikit policy apply" in refused.value.remedy
    assert (the_limit(ledger).cap, len(list_audit(ledger))) == (5 * DOLLAR, before)


def test_a_limit_that_somebody_else_has_changed_since_is_left_alone(acme: Database) -> None:
    seen = the_limit(acme)
    set_limit(acme, "acme", StatedLimit(CREDITS, MONTH, 7 * DOLLAR))
    with pytest.raises(ConfigError, match=r"changed in the meantime: it is \$7\.00 now") as refused:
        change(acme, seen, cap="40")
    assert refused.value.code == "LIMIT_CHANGED"
    assert the_limit(acme).cap == 7 * DOLLAR


def test_of_several_who_change_what_they_saw_at_once_one_does(acme: Database) -> None:
    seen = the_limit(acme)

    def attempt(dollars: int) -> int | str:
        try:
            change(acme, seen, cap=str(dollars))
        except ConfigError as error:
            return error.code
        return dollars

    with ThreadPoolExecutor(4) as people:
        ended = list(people.map(attempt, [30, 31, 32, 33]))
    assert ended.count("LIMIT_CHANGED") == 3
    assert the_limit(acme).cap == next(end for end in ended if isinstance(end, int)) * DOLLAR


def test_a_limit_that_is_gone_is_not_brought_back(acme: Database) -> None:
    seen = the_limit(acme)
    remove_limit(acme, "acme", CREDITS, MONTH)
    with pytest.raises(ConfigError, match="not in force any more"):
        change(acme, seen, cap="40")
    set_limit(acme, "acme", StatedLimit(REQUESTS, DAY, 1))
    with pytest.raises(ConfigError, match="states no limit credits/month any more"):
        change(acme, seen, cap="40")
    assert the_limit(acme).metric is REQUESTS


def test_a_window_that_the_policy_states_already_is_refused(acme: Database) -> None:
    set_limit(acme, "acme", StatedLimit(CREDITS, DAY, DOLLAR))
    monthly = next(row for row in list_limits(acme) if row.window is MONTH)
    with pytest.raises(ConfigError, match="states a limit credits/day already"):
        change(acme, monthly, window="day")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"cap": "a lot"}, "The cap 'a lot' is not an amount in dollars"),
        ({"cap": "-1"}, "is not an amount in dollars"),
        ({"cap": ""}, "The cap is missing"),
        ({"cap": "19"}, "A soft cap must be below the cap"),
        ({"soft_cap": "25"}, "A soft cap must be below the cap"),
        ({"window": "fortnight"}, "is not a window"),
        ({"cap": "25.00", "soft_cap": "20", "window": "month"}, "Nothing would change"),
        ({"cap": "\x1b[2J"}, "The cap '\ufffd[2J' is not"),
    ],
)
def test_what_can_t_be_is_refused_before_anything_is_written(acme: Database, typed: dict[str, str], said: str) -> None:
    row, before = the_limit(acme), len(list_audit(acme))
    fields = {"cap": None, "soft_cap": None, "window": None, **typed}
    with pytest.raises(ConfigError) as in_advance:
        proposed(row, **fields)  # type: ignore[arg-type]  # by name
    with pytest.raises(ConfigError) as refused:
        change(acme, row, **typed)
    assert said in str(in_advance.value) and str(in_advance.value) == str(refused.value)
    assert refused.value.remedy
    assert (the_limit(acme), len(list_audit(acme))) == (row, before)


def test_a_breaker_is_tripped_closed_and_reset_with_who_and_why(
    ledger: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIKIT_ACTOR", "ada@desk")
    said = move_breaker(ledger, get_breaker(ledger, HAIKU), "trip", lasting=timedelta(minutes=5), why="bad answers")
    assert said.startswith("anthropic/haiku · ● closed → ■ forced open until 20")
    assert said.endswith("UTC, from the next call on.")
    record = last(ledger)
    assert (record.who, record.why, record.subject) == ("ada@desk", "bad answers", "breaker:anthropic/haiku")
    assert "■ forced open → ■ forced closed, from" in move_breaker(ledger, get_breaker(ledger, HAIKU), "close", why="")
    assert last(ledger).why is None
    assert "→ ● closed" in move_breaker(ledger, get_breaker(ledger, HAIKU), "reset", why="over")
    assert get_breaker(ledger, HAIKU).breaker.state is State.CLOSED


@pytest.mark.parametrize("kind", ["trip", "close", "reset"])
def test_a_breaker_that_has_moved_since_is_left_alone(ledger: Database, kind: str) -> None:
    force_breaker(ledger, HAIKU, open=True, who="bob")
    seen = get_breaker(ledger, HAIKU)
    reset_breaker(ledger, HAIKU, who="bob")
    before = len(list_audit(ledger))
    with pytest.raises(ConfigError, match="is closed by now, no longer forced open") as refused:
        move_breaker(ledger, seen, kind, why="")  # type: ignore[arg-type]  # one of its kinds
    assert refused.value.code == "BREAKER_MOVED"
    assert (get_breaker(ledger, HAIKU).breaker.state, len(list_audit(ledger))) == (State.CLOSED, before)


def test_a_breaker_is_not_forced_for_ever_and_a_day(ledger: Database) -> None:
    with pytest.raises(ConfigError, match="can't be forced for"):
        move_breaker(ledger, get_breaker(ledger, HAIKU), "trip", lasting=timedelta(days=366), why="")


def test_a_label_goes_back_to_where_it_came_from(ledger: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIKIT_ACTOR", "ada@desk")
    promoted(ledger, 1, 2)
    way = rollback_target(ledger, "summarize", "production")
    assert way == (2, 1)
    assert rollback_told(way, "summarize", "production")[0] == "summarize@production · v2 → v1"
    said = rollback_prompt(ledger, "summarize", "production", why="worse", seen=way)
    assert said.startswith("summarize@production · v2 → v1, in all processes by 20")
    assert pointed_to(ledger) == 1
    assert (last(ledger).action, last(ledger).who, last(ledger).why) == ("prompt.rollback", "ada@desk", "worse")


def test_a_label_that_has_moved_since_is_left_alone(ledger: Database) -> None:
    promoted(ledger, 1, 2)
    way = rollback_target(ledger, "summarize", "production")
    promoted(ledger, 3)
    with pytest.raises(ConfigError, match="points to v3 by now, no longer to v2") as refused:
        rollback_prompt(ledger, "summarize", "production", why="worse", seen=way)
    assert refused.value.code == "LABEL_MOVED"
    assert pointed_to(ledger) == 3


def test_where_there_is_nothing_to_go_back_to_nothing_is_done(ledger: Database) -> None:
    promoted(ledger, 1)
    with pytest.raises(PromptNotFound, match="pointed to nothing before"):
        rollback_target(ledger, "summarize", "production")
    with pytest.raises(AIKitError) as refused:
        rollback_prompt(ledger, "summarize", "staging", why="worse")
    assert refused.value.remedy
    assert [label.version for label in list_labels(ledger)] == [1]


def test_a_limit_that_only_warns_is_told_apart_from_one_that_blocks(acme: Database) -> None:
    set_limit(acme, "acme", StatedLimit(CREDITS, MONTH, 5 * DOLLAR, action=Action.WARN))
    warning = next(row for row in list_limits(acme) if row.action is Action.WARN)
    assert "credits/month (warn): $5.00 → $6.00" in change(acme, warning, cap="6")
    assert {row.action: row.cap for row in list_limits(acme)} == {Action.WARN: 6 * DOLLAR, Action.BLOCK: 25 * DOLLAR}


def pointed_to(ledger: Database) -> int:
    (label,) = list_labels(ledger, "summarize")
    return label.version


def promoted(ledger: Database, *versions: int) -> None:
    for version in versions:
        publish_versions(ledger, version)
        promote(ledger, "summarize", version, "production", force=True, why="test", who="bob")
