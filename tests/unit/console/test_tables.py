"""The rows of each tab: what they say of the story's night, and what holds of them whatever is in the ledger."""

from __future__ import annotations

import string
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.breaker.model import State
from aikit.console.filtering import parse
from aikit.console.model import (
    AuditPage,
    CallsPage,
    EvalsPage,
    LimitsPage,
    Overview,
    OverviewRow,
    Plot,
    PromptsPage,
    Tab,
)
from aikit.console.table import Sorting, Table, ordered
from aikit.console.tables import table_of
from aikit.console.words import Style
from aikit.evals.model import Status
from aikit.ledger.calls import State as CallState
from aikit.types import Metric, Window
from support import snapshots
from support.snapshots import CENT, HOSTILE, NOW, snapshot

PLAIN, ASCII = Style(), Style(ascii=True)
WIDTHS = (60, 100, 160, 200)
TABS = list(Tab)
every_tab = pytest.mark.parametrize("tab", TABS)


def shown(table: Table, *names: str) -> list[tuple[str, ...]]:
    """The texts of these columns."""
    columns = [column.name for column in table.columns]
    return [tuple([row.cells[columns.index(name)].text for name in names]) for row in table.rows]


def texts(table: Table) -> list[str]:
    said = [table.empty, table.note, *[row.copied for row in table.rows]]
    return said + [cell.text for row in table.rows for cell in row.cells]


@every_tab
@pytest.mark.parametrize("hostile", [False, True])
def test_a_row_has_a_cell_a_column_and_a_key_of_its_own(tab: Tab, hostile: bool) -> None:
    table = table_of(snapshot(tab, hostile=hostile), PLAIN)
    assert table.rows
    assert all(len(row.cells) == len(table.columns) for row in table.rows)
    assert len({row.key for row in table.rows}) == len(table.rows)
    assert all(row.copied for row in table.rows)


@every_tab
@pytest.mark.parametrize("style", [PLAIN, ASCII])
def test_nothing_that_is_shown_or_copied_can_move_a_cursor(tab: Tab, style: Style) -> None:
    table = table_of(snapshot(tab, hostile=True), style)
    assert [text for text in texts(table) if not text.isprintable()] == []


@every_tab
def test_with_ascii_only_texts_of_others_have_anything_else(tab: Tab) -> None:
    table = table_of(snapshot(tab), ASCII)
    assert [text for text in texts(table) if not text.isascii()] == []


@every_tab
@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_every_column_can_be_sorted_by_and_the_unknown_comes_last(tab: Tab, hostile: bool, reverse: bool) -> None:
    table = table_of(snapshot(tab, hostile=hostile), PLAIN)
    for index, column in enumerate(table.columns):
        rows = ordered(table, Sorting(column.name, reverse))
        assert sorted(row.key for row in rows) == sorted(row.key for row in table.rows)
        keys = [row.cells[index].key is None for row in rows]
        assert keys == sorted(keys)


@every_tab
@pytest.mark.parametrize("width", WIDTHS)
def test_a_terminal_of_this_width_has_room_for_the_columns_meant_for_it(tab: Tab, width: int) -> None:
    """Texts may be shortened down to six cells, numbers never."""
    table = table_of(snapshot(tab), PLAIN)
    kept = [index for index, column in enumerate(table.columns) if column.from_width <= width]
    assert len(kept) >= 3
    room = 2 * (len(kept) - 1)
    for index in kept:
        column = table.columns[index]
        widest = max([len(column.name) + 2, *[len(row.cells[index].text) for row in table.rows]])
        room += column.fixed or (widest if column.right else min(widest, 10))
    assert room <= width


@every_tab
def test_who_has_a_wider_terminal_sees_no_less(tab: Tab) -> None:
    columns = table_of(snapshot(tab), PLAIN).columns
    assert all(column.from_width <= 160 for column in columns)
    assert len({column.name for column in columns}) == len(columns) <= 12


@every_tab
@pytest.mark.parametrize("filter", ["", "tenant:nobody"])
def test_where_nothing_is_it_says_what_there_is_not_and_what_to_do(tab: Tab, filter: str) -> None:
    table = table_of(snapshots.empty(tab, filter=filter), PLAIN)
    assert table.rows == ()
    assert ("Nothing fits /tenant:nobody" in table.empty) is bool(filter)
    assert table.empty.endswith(".") or "aikit" in table.empty
    if filter and tab is Tab.CALLS:
        assert table.note == "searched 20,000"


def test_the_overview_is_the_table_of_the_story() -> None:
    table = table_of(snapshot(Tab.OVERVIEW), PLAIN)
    names = ("Who", "Model", "Calls", "Err", "In", "Cache", "Out", "p50/p95", "Cost", "Of cap", "Breaker")
    assert tuple([column.name for column in table.columns if column.name != "Refused"]) == names
    assert shown(table, *names) == [
        ("acme·summarize", "anthropic/haiku", "812", "0.5%", "9.1M", "8.4M", "210k", "410ms/2.4s", "$22.10",
         "██████▉  99%!", "● closed"),
        ("acme·chat", "openai/gpt-5-mini", "240", "1.3%", "1.2M", "0", "88k", "410ms/2.4s", "$9.02", "██▏      31%",
         "◐ half-open 1/1"),
        ("globex·extract", "gemini/flash", "96", "11%", "310k", "0", "12k", "410ms/2.4s", "$0.44", "▏         2%",
         "○ OPEN 41s"),
        ("new-team", "openai/gpt-6", "3", "0%", "12k", "0", "1,000", "—", "—", "·", "● closed"),
    ]  # fmt: skip
    assert (table.more, table.note) == (12, "since 00:00 UTC")


def test_on_a_narrow_terminal_the_overview_says_who_what_how_much_and_how_near() -> None:
    columns = table_of(snapshot(Tab.OVERVIEW), PLAIN).columns
    assert [column.name for column in columns if column.from_width <= 60] == ["Who", "Model", "Cost", "Of cap"]


def test_a_row_of_the_overview_is_copied_as_the_filter_that_finds_its_calls() -> None:
    rows = (snapshots.overview_row("two words", "it's", "openai", "gpt-5-mini"),)
    page = Overview(rows, 1, NOW, Fraction(1), Plot(60, ()), ())
    copied = table_of(snapshot(page=page), PLAIN).rows[0].copied
    assert parse(copied).fits({"tenant": "two words", "feature": "it's", "model": "gpt-5-mini"})
    assert not parse(copied).fits({"tenant": "two", "feature": "it's", "model": "gpt-5-mini"})


def test_how_much_of_the_period_is_read_is_told_until_it_is_all() -> None:
    page = Overview((), 0, NOW - timedelta(days=6), Fraction(43, 100), Plot(60, ()), ())
    assert table_of(snapshot(page=page), PLAIN).note == "since 11-15 03:11 UTC, of which 43% is read yet"


def test_the_colour_of_a_share_is_never_alone() -> None:
    shares = [Fraction(n, 100) for n in (79, 80, 90, 100, 130)]
    rows = tuple([snapshots.overview_row(f"t{n}", "", "openai", "m", share=share) for n, share in enumerate(shares)])
    page = Overview(rows, len(rows), NOW, Fraction(1), Plot(60, ()), ())
    cells = [row.cells[10] for row in table_of(snapshot(page=page), PLAIN).rows]
    assert [cell.tone for cell in cells] == ["", "warn", "bad", "bad", "bad"]
    assert [cell.text.split()[-1] for cell in cells] == ["79%", "80%!", "90%!", "100%!", "130%!"]


def test_calls_say_how_they_ended_and_why() -> None:
    table = table_of(snapshot(Tab.CALLS), PLAIN)
    assert shown(table, "Id", "State", "Why", "Cost")[:7] == [
        ("ffee0001", "✗ refused", "DAILY_BUDGET_EXCEEDED", "—"),
        ("ffee0002", "▸ running", "", "—"),
        ("ffee0003", "✓ settled", "ALLOWED_SOFT_CAP", "$0.000091"),
        ("ffee0004", "✓ settled", "estimated", "$0.000091"),
        ("ffee0005", "○ voided", "OVERLOADED", "$0.00"),
        ("ffee0006", "? presumed spent", "TIMEOUT", "$0.07"),
        ("ffee0007", "✓ settled", "would be MINUTE_REQUEST_LIMIT_EXCEEDED, corrected, 2 found", "$0.000091"),
    ]
    assert table.rows[0].key == table.rows[0].copied == str(snapshots.call_id(1))


def test_limits_are_told_apart_by_what_they_count_and_what_they_do() -> None:
    table = table_of(snapshot(Tab.LIMITS), PLAIN)
    columns = ("Who", "Limit", "Of cap", "Used", "Held", "Cap", "Soft cap", "At cap", "Resets in")
    found = shown(table, *columns)
    assert found[0] == (
        "acme", "credits/day", "██████▉  99%!", "$49.63", "$0.12", "$50.00", "$40.00", "refuses", "20h 48m"
    )  # fmt: skip
    assert found[2][1:] == ("concurrency", "████▉    70%", "0", "14", "20", "—", "refuses", "")
    assert found[3][1] == "credits/day (warn)"
    assert found[3][7] == "warns"
    assert found[5][2] == "███████ 100%"
    assert found[6] == ("acme·each call", "credits/call", "·", "—", "—", "$1.00", "—", "refuses", "")
    assert found[7][2:5] == ("·", "—", "—")


def test_limits_sort_by_amount_within_each_metric() -> None:
    rows = [
        snapshots.limit("a", cap=10 * CENT, used=9 * CENT),
        snapshots.limit("b", Metric.REQUESTS, Window.MINUTE, cap=5, used=5),
        snapshots.limit("c", cap=10 * CENT, used=None, held=None),
        snapshots.limit("d", cap=90 * CENT, used=80 * CENT),
    ]
    table = table_of(snapshot(Tab.LIMITS, page=LimitsPage(tuple(rows), 9)), PLAIN)
    assert [row.cells[0].text for row in ordered(table, Sorting("Used", True))] == ["a", "d", "b", "c"]
    assert table.more == 5


def test_breakers_say_what_comes_next() -> None:
    table = table_of(snapshot(Tab.BREAKERS), PLAIN)
    assert shown(table, "Breaker", "State", "Err", "Next", "Why", "Who") == [
        ("anthropic/haiku", "● closed", "0.5%", "", "—", "—"),
        ("gemini/flash", "○ OPEN 41s", "63%", "probe in 41s", "too many failures", "—"),
        ("openai/gpt-5-mini", "◐ half-open 1/1", "58%", "1 went well", "a probe failed", "—"),
        ("openai", "■ forced open", "—", "until it is reset", "invoices look wrong", "ops@db1"),
        ("mistral/small", "■ forced closed 9m", "33%", "its own rules in 9m", "by hand", "ops@db1"),
    ]
    assert [row.cells[0].text for row in ordered(table, Sorting("State"))][:2] == ["openai", "gemini/flash"]
    assert shown(table_of(snapshot(Tab.BREAKERS), ASCII), "State")[:3] == [
        ("* closed",), ("o OPEN 41s",), ("~ half-open 1/1",)
    ]  # fmt: skip


def test_prompts_say_where_labels_are_and_what_their_gate_said() -> None:
    table = table_of(snapshot(Tab.PROMPTS), PLAIN)
    assert shown(table, "Prompt", "Labels", "Published", "Gate", "Err", "Cost") == [
        ("summarize@v7", "production, staging", "02:41", "✓ passed", "0.5%", "$22.10"),
        ("summarize@v6", "—", "11-17 03:11", "✓ passed", "—", "$0.00"),
        ("summarize@v5", "—", "11-17 03:11", "✗ FAILED", "100%", "—"),
        ("chat@v2", "production", "11-17 03:11", "—", "1.3%", "$9.02"),
        ("extract@v1", "—", "—", "—", "11%", "$0.44"),
    ]
    assert [row.cells[0].text for row in ordered(table, Sorting("Prompt"))][2:] == [
        "summarize@v5", "summarize@v6", "summarize@v7",
    ]  # fmt: skip
    assert (table.rows[0].key, table.more) == ("summarize@v7", 3)


def test_evals_say_what_the_gate_says_or_why_it_can_not() -> None:
    table = table_of(snapshot(Tab.EVALS), PLAIN)
    assert shown(table, "Gate", "Scores") == [
        ("✗ FAIL", "faithfulness 0.71, length 0.99"),
        ("✓ pass", "faithfulness 0.88, length 0.97"),
        ("! warn", "faithfulness 0.86, length —"),
        ("its suite is not here any more", "—"),
        ("? inconclusive", "faithfulness —"),
    ]
    page = EvalsPage((snapshots.eval_run("1", Status.PASS, (("a", 0.996), ("b", 1.0), ("c", 0.004))),), "evals")
    assert shown(table_of(snapshot(Tab.EVALS, page=page), PLAIN), "Scores") == [("a 0.99, b 1.00, c 0.00",)]


def test_the_audit_says_what_changed_in_a_few_words() -> None:
    table = table_of(snapshot(Tab.AUDIT), PLAIN)
    assert shown(table, "Action", "Change") == [
        ("breaker.open", "closed → forced open"),
        ("prompt.promote", "v6 → v7"),
        ("limit.set", "credits/day: $40.00 → $50.00"),
        ("tenant.add", "uncapped: true"),
        ("plan.move", "free → pro"),
        ("policy.owner", "by hand → by a file"),
    ]
    assert (table.rows[0].key, table.rows[0].copied) == ("318", "318")


anything = st.text(max_size=30) | st.sampled_from([text[:40] for text in HOSTILE])
maybe = st.none() | st.integers(min_value=0, max_value=10**18)
counts = st.integers(min_value=0, max_value=10**12)
times = st.none() | st.integers(min_value=0, max_value=10**12)
fractions = st.none() | st.fractions(min_value=0, max_value=1000)
overview_rows = st.builds(
    OverviewRow, anything, anything, anything, anything, counts, counts, counts, counts, counts, counts, maybe, counts,
    counts, times, times, fractions, st.none() | anything, fractions, st.sampled_from(State),
)  # fmt: skip
call_rows = st.builds(
    snapshots.call, st.integers(0, 1_000), tenant=anything, user=anything, feature=st.none() | anything,
    provider=anything, model=anything, state=st.sampled_from(CallState), code=anything,
    would_refuse=st.none() | anything, error=st.none() | anything, estimated=st.booleans(), corrected=st.booleans(),
    tokens=maybe, nano=maybe, took=times, prompt=st.none() | anything,
)  # fmt: skip
limit_rows = st.builds(
    snapshots.limit, anything, st.sampled_from(Metric), st.sampled_from(Window), cap=counts, soft=maybe, used=maybe,
    held=maybe, source=anything, counts=anything, resets=st.none() | st.datetimes(timezones=st.just(NOW.tzinfo)),
)  # fmt: skip
prompt_rows = st.builds(
    snapshots.prompt, anything, counts, published=st.none() | st.just(NOW), by=st.none() | anything,
    labels=st.lists(anything, max_size=3), gate=st.none() | st.booleans(), calls=counts, failed=counts, nano=maybe,
    p50=times, p95=times,
)  # fmt: skip
eval_rows = st.builds(
    snapshots.eval_run, st.text(string.digits, max_size=4), st.none() | st.sampled_from(Status),
    st.lists(st.tuples(anything, st.none() | st.floats(0, 1)), max_size=3), suite=anything, subject=anything,
    mode=anything, why=st.none() | anything,
)  # fmt: skip
bodies = st.recursive(
    st.none() | st.booleans() | st.integers() | anything,
    lambda inner: st.lists(inner) | st.dictionaries(anything, inner),
)
actions = anything | st.sampled_from(["breaker.open", "prompt.promote", "limit.set"])
sides = st.none() | st.dictionaries(anything, bodies, max_size=3)
change_rows = st.builds(
    snapshots.change, counts, actions, anything, sides, sides, who=anything, why=st.none() | anything
)
pages = st.one_of(
    st.lists(overview_rows, max_size=6).map(
        lambda rows: (Tab.OVERVIEW, Overview(tuple(rows), 9, NOW, Fraction(1), Plot(60, ()), ()))
    ),
    st.lists(call_rows, max_size=6).map(lambda rows: (Tab.CALLS, CallsPage(tuple(rows), None))),
    st.lists(limit_rows, max_size=6).map(lambda rows: (Tab.LIMITS, LimitsPage(tuple(rows), 9))),
    st.lists(prompt_rows, max_size=6).map(
        lambda rows: (Tab.PROMPTS, PromptsPage(tuple(rows), 9, (), NOW, Fraction(1)))
    ),
    st.lists(eval_rows, max_size=6).map(lambda rows: (Tab.EVALS, EvalsPage(tuple(rows), "evals"))),
    st.lists(change_rows, max_size=6).map(lambda rows: (Tab.AUDIT, AuditPage(tuple(rows), None))),
)


@given(pages, st.booleans(), st.booleans())
def test_whatever_is_in_the_ledger_is_shown_on_one_line_a_row_and_sorted(
    read: tuple, ascii: bool, turned: bool
) -> None:
    tab, page = read
    table = table_of(snapshot(tab, page=page), Style(ascii=ascii))
    assert len(table.rows) == len(page.rows)
    assert [text for text in texts(table) if not text.isprintable()] == []
    for column in table.columns:
        assert len(ordered(table, Sorting(column.name, turned))) == len(table.rows)
