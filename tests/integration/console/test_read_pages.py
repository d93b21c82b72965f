"""Each tab shows what the ledger has, the filter picks from it, and thousands of tenants are looked at in turn."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from aikit.breaker.model import State
from aikit.console.filtering import parse
from aikit.console.model import (
    MOST_ROWS,
    AuditPage,
    BreakersPage,
    CallsPage,
    EvalsPage,
    LimitsPage,
    Overview,
    Period,
    PromptsPage,
    Query,
    Tab,
)
from aikit.console.reader import Reader
from aikit.console.reading.evals import NOT_READ
from aikit.database.connect import Database
from aikit.evals.model import Status
from aikit.evals.runs import runs_folder, save_run
from aikit.evals.suites.reading import read_suite
from aikit.ledger.audit import list_audit
from aikit.ledger.breakers import force_breaker, list_breakers, reset_breaker
from aikit.ledger.calls import CallRow, list_calls
from aikit.ledger.calls import State as CallState
from aikit.ledger.limits import list_limits
from aikit.ledger.prompt_gates import record_gate
from aikit.ledger.prompt_labels import promote
from aikit.ledger.tenants import add_tenant, set_limit
from aikit.meter.spool import Spool
from aikit.policy.model import StatedLimit
from aikit.types import Ending, Entry, Metric, PromptId, Window
from integration.prompts.conftest import NAME, publish_versions
from support.eval_projects import EvalProject
from support.eval_runs import run_of
from support.ledger import BOUND, CLAUDE, MINI, SOME, Till, order, price_row, rows
from support.reads import TENANTS, live_through, reader_on, whole

COST = MINI.cost(SOME)


def calls_of(reader: Reader, text: str = "") -> CallsPage:
    page = reader.read(Query(Tab.CALLS, filter=parse(text))).page
    assert isinstance(page, CallsPage)
    return page


def limits_of(reader: Reader, text: str = "") -> LimitsPage:
    page = reader.read(Query(Tab.LIMITS, filter=parse(text))).page
    assert isinstance(page, LimitsPage)
    return page


@pytest.fixture
def busy(ledger: Database, till: Till) -> Till:
    for tenant in TENANTS:
        add_tenant(ledger, tenant, uncapped=True)
    live_through(till)
    return till


def test_the_newest_attempts_are_shown_those_that_are_running_included(ledger: Database, busy: Till) -> None:
    hold = busy.admit("acme")
    busy.flush()
    with reader_on(ledger) as reader:
        page = calls_of(reader)
        assert page.searched is None
        assert page.rows[0].attempt == hold.order.attempt
        assert page.rows[0].state is CallState.RUNNING
        assert list(page.rows) == list_calls(ledger, limit=MOST_ROWS)
        assert [row.attempt for row in page.rows] == sorted([row.attempt for row in page.rows], reverse=True)
        assert len(page.rows) == 61
    busy.void(hold)


def is_ok(row: CallRow) -> bool:
    return row.state is CallState.SETTLED and (row.status or 0) < 400


@pytest.mark.parametrize(
    ("text", "picked"),
    [
        ("status:ok", is_ok),
        ("!status:ok", lambda row: not is_ok(row)),
        ("status:error", lambda row: row.state in (CallState.VOIDED, CallState.PRESUMED_SPENT)),
        ("status:refused", lambda row: row.state is CallState.REFUSED),
        ("status:running", lambda row: row.state is CallState.RUNNING),
        ("status:presumed", lambda row: row.state is CallState.PRESUMED_SPENT),
        ("status:500", lambda row: row.status == 500),
        ("code:tenant_required", lambda row: row.state is CallState.REFUSED),
        ("code:timeout", lambda row: row.error == "ReadTimeout"),
        ("tenant:GLOBEX user:bob", lambda row: row.tenant == "Globex" and row.user == "Bob"),
        ("!user:bob", lambda row: row.user != "Bob"),
        ("claude !chat", lambda row: row.model == "claude" and row.feature != "chat" and "chat" not in "claude"),
        ("suite:none", lambda row: False),
    ],
)
def test_calls_are_picked_by_the_filter(ledger: Database, busy: Till, text: str, picked: object) -> None:
    assert callable(picked)
    hold = busy.admit("Globex", user="Bob")
    busy.flush()
    with reader_on(ledger) as reader:
        page = calls_of(reader, text)
        assert page.searched == 61
        assert list(page.rows) == [row for row in list_calls(ledger, limit=100) if picked(row)]
    busy.void(hold)


def test_an_attempt_is_found_by_a_part_of_its_id(ledger: Database, busy: Till) -> None:
    wanted = list_calls(ledger, limit=30)[-1]
    with reader_on(ledger) as reader:
        assert [row.attempt for row in calls_of(reader, str(wanted.attempt)[-12:]).rows] == [wanted.attempt]


def test_the_limits_are_those_of_the_list_the_nearest_first(ledger: Database, till: Till) -> None:
    limited(ledger, till, *[f"t{i}" for i in range(5)])
    with reader_on(ledger) as reader:
        page = limits_of(reader)
        expected = list_limits(ledger, nearest=True)
        assert sorted(page.rows, key=str) == sorted(expected, key=str)
        assert [row.share for row in page.rows] == [row.share for row in expected]
        assert page.total == len(expected)
        some = limits_of(reader, "tenant:t3 metric:credits")
        assert {(row.tenant, row.metric) for row in some.rows} == {("t3", Metric.CREDITS)}
        assert some.total == 1
        assert [row.counts for row in limits_of(reader, "tenant:t1 user:ann").rows] == ["user ann"]


def test_the_limits_of_many_tenants_are_all_seen_within_a_turn_and_shown_as_they_stand(
    ledger: Database, till: Till
) -> None:
    names = [f"tenant-{i:03}" for i in range(120)]
    for i, name in enumerate(names):
        add_tenant(ledger, name)
        set_limit(ledger, name, StatedLimit(Metric.CREDITS, Window.DAY, (200 + i) * COST))
    till.spend(names[-1])
    till.flush()
    with reader_on(ledger) as reader:
        for _ in range(20):
            page = limits_of(reader)
        assert page.total == len(names)
        assert (page.rows[0].tenant, page.rows[0].used) == (names[-1], COST)
        till.spend(names[-1])
        till.flush()
        assert limits_of(reader).rows[0].used == 2 * COST, "what is shown is read again each tick"
        assert {row.tenant for row in limits_of(reader, "tenant:-05").rows} == {f"tenant-05{i}" for i in range(10)}
        set_limit(ledger, names[7], StatedLimit(Metric.CREDITS, Window.DAY, BOUND))
        till.spend(names[7])
        till.flush()
        for _ in range(20):
            page = limits_of(reader)
        assert (page.rows[0].tenant, page.rows[0].share) == (names[7], Fraction(COST, BOUND))


def limited(ledger: Database, till: Till, *tenants: str) -> None:
    for i, tenant in enumerate(tenants):
        add_tenant(ledger, tenant)
        set_limit(ledger, tenant, StatedLimit(Metric.CREDITS, Window.DAY, (10 + i) * COST))
        set_limit(ledger, tenant, StatedLimit(Metric.REQUESTS, Window.HOUR, 50, each="user"))
        for user in ("ann", "bob")[: 1 + i % 2]:
            till.spend(tenant, user=user)
    till.flush()


def test_breakers_and_their_moves_are_shown_and_open_ones_are_counted(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    till.spend("acme")
    till.spend("acme", price=CLAUDE)
    till.flush()
    force_breaker(ledger, ("openai", ""), open=True, who="ann", why="an outage")
    force_breaker(ledger, ("anthropic", "claude"), open=True, who="bob")
    reset_breaker(ledger, ("anthropic", "claude"), who="bob")
    with reader_on(ledger) as reader:
        snapshot = whole(reader, Query(Tab.BREAKERS))
        assert isinstance(snapshot.page, BreakersPage)
        names = [row.breaker.name for row in snapshot.page.rows]
        assert names == ["openai", "anthropic/claude"], "what needs a look comes first"
        assert sorted(names) == [row.breaker.name for row in list_breakers(ledger)]
        assert [(move.name, move.move.state, move.move.who) for move in snapshot.page.moves] == [
            ("anthropic/claude", "closed", "bob"),
            ("anthropic/claude", "forced_open", "bob"),
            ("openai", "forced_open", "ann"),
        ]
        assert snapshot.header.open_breakers == 1
        overview = whole(reader, Query()).page
        assert isinstance(overview, Overview)
        assert {row.model: row.breaker for row in overview.rows} == {
            "gpt-4o-mini": State.FORCED_OPEN,
            "claude": State.CLOSED,
        }
        assert [row.breaker.name for row in overview.breakers] == ["openai"]
        picked = reader.read(Query(Tab.BREAKERS, filter=parse("status:forced"))).page
        assert isinstance(picked, BreakersPage)
        assert [row.breaker.name for row in picked.rows] == ["openai"]


def test_changes_are_shown_the_newest_first_and_picked_by_the_filter(ledger: Database) -> None:
    for tenant in ("acme", "globex"):
        add_tenant(ledger, tenant, who="ann")
    set_limit(ledger, "acme", StatedLimit(Metric.CREDITS, Window.DAY, 5), who="Bob", why="a request of theirs")
    with reader_on(ledger) as reader:
        page = reader.read(Query(Tab.AUDIT)).page
        assert page == AuditPage(tuple(list_audit(ledger)), None)
        some = reader.read(Query(Tab.AUDIT, filter=parse("who:bob tenant:acme request"))).page
        assert isinstance(some, AuditPage)
        assert [row.who for row in some.rows] == ["Bob"]
        assert some.searched == rows(ledger, "SELECT count(*) FROM aikit.audit")[0][0]


def test_what_waits_in_the_spool_of_this_machine_is_counted(ledger: Database, till: Till, tmp_path: Path) -> None:
    with reader_on(ledger, spool=tmp_path / "none") as reader:
        assert reader.read(Query()).header.spooled == 0
    with reader_on(ledger) as reader:
        assert reader.read(Query()).header.spooled is None
    add_tenant(ledger, "acme", uncapped=True)
    hold = till.admit("acme")
    spool = Spool(tmp_path / "spool", price_row)
    with reader_on(ledger, spool=tmp_path / "spool") as reader:
        spool.append([Entry(hold, Ending.SETTLED, COST, SOME, status=200)])
        assert reader.read(Query()).header.spooled == 1
        assert reader.read(Query()).header.spooled == 1
    spool.release()
    till.void(hold)


def test_versions_are_shown_with_their_labels_gates_and_what_they_came_to(ledger: Database, till: Till) -> None:
    add_tenant(ledger, "acme", uncapped=True)
    first, second, third = publish_versions(ledger, 1, 2, 3, passed=False)
    record_gate(ledger, first, "summaries", passed=True)
    record_gate(ledger, second, "summaries", passed=True)
    record_gate(ledger, second, "others", passed=False)
    promote(ledger, NAME, 1, "production", who="ann")
    for prompt in (first, first, PromptId("older@v9", "9" * 64)):
        spend_with(till, prompt if isinstance(prompt, PromptId) else prompt.id)
    till.flush()
    with reader_on(ledger) as reader:
        page = whole(reader, Query(Tab.PROMPTS, Period.DAY)).page
        assert isinstance(page, PromptsPage)
        told = [(row.id, row.labels, row.gate, row.calls, row.nano, row.p50_ms) for row in page.rows]
        assert told == [
            ("older@v9", (), None, 1, COST, 5),
            (third.id.id, (), None, 0, 0, None),
            (second.id.id, (), False, 0, 0, None),
            (first.id.id, ("production",), True, 2, 2 * COST, 5),
        ]
        assert (page.rows[0].sha256, page.rows[1].sha256) == (None, third.sha256)
        assert [(move.label, move.version, move.who) for move in page.moves] == [("production", 1, "ann")]
        some = reader.read(Query(Tab.PROMPTS, filter=parse("prompt:@production"))).page
        assert isinstance(some, PromptsPage)
        assert ([row.version for row in some.rows], some.total) == ([1], 1)


def spend_with(till: Till, prompt: PromptId) -> None:
    one = order("acme", BOUND)
    decision = till.meter.admit(one._replace(call=one.call._replace(prompt=prompt)))
    assert decision.hold is not None
    till.settle(decision.hold)


def test_stored_runs_are_decided_again_when_their_suite_or_baseline_changes(ledger: Database, tmp_path: Path) -> None:
    project = EvalProject(tmp_path)
    project.suite("answers", cases=4, gate="{min: 0.80}")
    suite = read_suite(project.evals / "answers.eval.yaml")
    for number, score in enumerate((1.0, 0.5)):
        run = run_of(suite, {"right": [[score]] * 4}, id=f"20261121T12000{number}123Z-answers-0a1b2c")
        save_run(runs_folder(project.evals), run)
    (runs_folder(project.evals) / "20261121T120009123Z-answers-0a1b2c.json").write_text("{", "utf-8")
    with reader_on(ledger, evals=project.evals) as reader:
        page = evals_of(reader)
        assert page.folder == str(project.evals)
        assert [(row.status, row.scores) for row in page.rows[1:]] == [
            (Status.FAIL, (("right", 0.5),)),
            (Status.PASS, (("right", 1.0),)),
        ]
        assert page.rows[0].status is None and page.rows[0].why
        project.suite("answers", cases=4, gate="{min: 0.40}")
        assert [row.status for row in evals_of(reader).rows[1:]] == [Status.PASS, Status.PASS]
        (project.evals / "answers.eval.yaml").unlink()
        assert [row.why for row in evals_of(reader).rows[1:]] == ["there is no suite answers any more"] * 2
        assert len(evals_of(reader, "suite:answers").rows) == 3
        assert evals_of(reader, "suite:others").rows == ()


def evals_of(reader: Reader, text: str = "") -> EvalsPage:
    for _ in range(50):
        page = reader.read(Query(Tab.EVALS, filter=parse(text))).page
        assert isinstance(page, EvalsPage)
        if all(row.why != NOT_READ for row in page.rows):
            return page
    raise AssertionError(f"not all is read: {page}")


def test_without_a_folder_of_evals_there_is_none(ledger: Database, tmp_path: Path) -> None:
    for evals in (None, tmp_path / "none"):
        with reader_on(ledger, evals=evals) as reader:
            assert evals_of(reader) == EvalsPage((), None)
