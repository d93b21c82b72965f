"""The header: how current it is, what is spent of what, and what is wrong; never more than is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.console.header import header_lines
from aikit.console.model import Snapshot
from aikit.console.status import Status
from aikit.console.words import Style, cells
from support.snapshots import CENT, HOSTILE, NOW, a_header, empty, snapshot

PLAIN, ASCII = Style(), Style(ascii=True)
LIVE = Status()


def said(read: Snapshot | None, status: Status = LIVE, width: int = 200, style: Style = PLAIN) -> tuple[str, str, str]:
    first, second, third = ["".join([part.text for part in line]) for line in header_lines(read, status, style, width)]
    return first, second, third


def tones(read: Snapshot | None, status: Status = LIVE) -> dict[str, str]:
    return {part.text.strip(): part.tone for line in header_lines(read, status, PLAIN, 200) for part in line}


def with_header(**changes: object) -> Snapshot:
    return snapshot(header=a_header(**changes))


def with_budget(**changes: object) -> Snapshot:
    budget = a_header().budget
    assert budget is not None
    return with_header(budget=replace(budget, **changes))


def test_it_is_the_header_of_the_story() -> None:
    first, second, third = said(snapshot(), Status(age=0.4), 160)
    assert first.split("   ")[:5] == ["aikit top", "prod@db1", "env prod", "● live 2s", "data 0.4s old"]
    assert first.endswith("UTC 03:11:42")
    assert cells(first) == 160
    assert second.startswith("SPEND today $41.20 of $60.00 ██████████████▍░░░░░░ 68%   $9.80/h → cap at ~05:06 (acme)")
    assert "in flight 14 ($0.31)" in second
    assert third == ("calls 1,204   refused 318   err 1.2%   unpriced 0   estimated 3   spool 0   breakers 1 open")


def test_a_narrow_terminal_keeps_which_database_how_current_and_what_is_spent() -> None:
    first, second, third = said(snapshot(), Status(age=0.4), 60)
    assert first == "prod@db1   ● live 2s   data 0.4s old   read-only"
    assert second == "SPEND today $41.20 of $60.00 ████░░ 68%"
    assert third.startswith("calls 1,204   refused 318   err 1.2%")


def test_a_database_with_a_long_name_is_told_by_its_ends() -> None:
    read = with_header(database="aikit@/run/a/very/long/path/to/the/socket/of/postgres:5432/ledger_of_production")
    first = said(read, Status(age=0.4), 100)[0]
    assert first.startswith("aikit top   aikit@/run/a/ver…er_of_production   ● live 2s   data 0.4s old   read-only")
    assert first.endswith("UTC 03:11:42")


def test_it_says_that_it_is_paused_or_stale_and_what_may_be_done() -> None:
    assert "‖ paused   data 9s old   read-only" in said(snapshot(), Status(paused=True, age=9.97))[0]
    assert "! STALE 14s — retry in 4s   actions" in said(snapshot(), Status(age=14.2, retry=3.6, actions=True))[0]
    assert "! STALE 14s - retry in 4s" in said(snapshot(), Status(age=14.2, retry=3.6), style=ASCII)[0]
    assert "! STALE 14s — paused" in said(snapshot(), Status(age=14.2, retry=3.6, paused=True))[0]
    assert tones(snapshot(), Status(age=14.2, retry=3.6))["! STALE 14s — retry in 4s"] == "bad"


def test_the_clock_is_the_databases_and_goes_on_while_the_data_grow_old() -> None:
    assert said(snapshot(), Status(age=78))[0].endswith("UTC 03:13:00")


def test_before_anything_was_read_nothing_is_known() -> None:
    assert said(None, Status(age=None)) == (
        "aikit top   —   ● live 2s   reading   read-only", "SPEND today —", "calls —",
    )  # fmt: skip
    assert "! NO DATA — retry in 2s" in said(None, Status(age=None, retry=2))[0]


def test_what_is_read_once_has_no_age() -> None:
    assert said(snapshot(), Status(interval=None))[0] == "aikit top   prod@db1   env prod   2026-11-21 03:11:42 UTC"


def test_without_a_cap_it_says_so() -> None:
    second = said(empty())[1]
    assert second == "SPEND today $0.00   no cap   —/h   in flight 0"
    assert "spool —" in said(empty())[2]
    assert "err —" in said(empty())[2]


def test_before_all_caps_are_read_it_does_not_say_that_there_is_none() -> None:
    lines = said(with_header(budget=None, caps_read=Fraction(2, 5)))
    assert "no cap" not in lines[1] and "cap —" in lines[1]
    assert "40% of caps read" in lines[2]
    assert tones(with_header(caps_read=Fraction(2, 5)))["40% of caps read"] == "warn"
    assert "of caps read" not in said(with_header())[2]


def test_calls_without_a_price_cost_nobody_knows_what() -> None:
    second = said(with_header(spent=0, unpriced=3, budget=None))[1]
    assert second.startswith("SPEND today —   no cap")
    assert tones(with_header(unpriced=3))["unpriced 3"] == "warn"


def test_a_cap_that_counts_something_else_than_today_stands_beside_it() -> None:
    monthly = said(with_budget(window="month", spent=81_200 * CENT, cap=100_000 * CENT))[1]
    assert monthly.startswith("SPEND today $41.20   capped this month $812.00 of $1,000.00 █")
    partly = said(with_budget(spent=4_000 * CENT))[1]
    assert partly.startswith("SPEND today $41.20   capped today $40.00 of $60.00 █")


@pytest.mark.parametrize(
    ("changes", "told", "tone"),
    [
        ({"reached_at": None}, "$9.80/h → below the cap", ""),
        ({"reached_at": NOW}, "$9.80/h → cap reached (acme)", "bad"),
        ({"reached_at": NOW + timedelta(days=2)}, "$9.80/h → cap at ~11-23 03:11 (acme)", "warn"),
        ({"reached_at": None, "spent": 6_000 * CENT}, "$9.80/h", ""),
    ],
)
def test_when_the_cap_is_reached_at_this_rate(changes: dict[str, object], told: str, tone: str) -> None:
    assert tones(with_budget(**changes))[told] == tone


def test_amber_from_the_soft_cap_and_red_from_90_percent_on() -> None:
    found = []
    for spent in (4_999, 5_000, 5_400, 6_000):
        read = with_header(spent=spent * CENT)
        budget = read.header.budget
        assert budget is not None
        read = replace(read, header=replace(read.header, budget=replace(budget, spent=spent * CENT)))
        found += [part for part in header_lines(read, LIVE, PLAIN, 200)[1] if "%" in part.text]
    assert [(part.text.strip(), part.tone) for part in found] == [
        ("83%", ""), ("83%!", "warn"), ("90%!", "bad"), ("100%!", "bad"),
    ]  # fmt: skip


def test_who_spends_without_a_cap_is_counted() -> None:
    assert "1 tenant without a cap" in said(snapshot())[1]
    assert "3 tenants without a cap" in said(with_budget(uncapped=3))[1]
    assert "without a cap" not in said(with_budget(uncapped=0))[1]


def test_breakers_that_are_not_open_are_said_to_be_closed() -> None:
    assert said(with_header(open_breakers=0))[2].endswith("breakers closed")


statuses = st.builds(
    Status,
    interval=st.none() | st.floats(0.5, 60),
    paused=st.booleans(),
    age=st.floats(0, 10**6),
    retry=st.none() | st.floats(0, 60),
    actions=st.booleans(),
)
counts = st.integers(0, 10**12)
money = st.integers(0, 10**18)


@given(
    statuses,
    st.builds(
        lambda **changes: with_header(**changes),
        database=st.text(max_size=80) | st.sampled_from(HOSTILE),
        spent=money,
        rate=st.none() | money,
        calls=counts,
        failed=counts,
        unpriced=counts,
        in_flight=counts,
        held=money,
        spooled=st.none() | counts,
    ),
    st.integers(20, 200),
    st.booleans(),
)
def test_whatever_it_says_fits_and_can_not_move_a_cursor(
    status: Status, read: Snapshot, width: int, ascii: bool
) -> None:
    for line in said(read, status, width, Style(ascii=ascii)):
        assert cells(line) <= width
        assert line.isprintable()


def test_with_ascii_it_is_ascii() -> None:
    for status in (Status(), Status(paused=True), Status(retry=2), Status(interval=None)):
        assert all(line.isascii() for line in said(snapshot(), status, style=ASCII))


def test_sums_that_are_not_whole_yet_are_told_as_such() -> None:
    assert said(with_header(read=Fraction(38, 100)))[2].startswith("38% of today read   calls ")
    assert said(with_header(read=Fraction(1)))[2].startswith("calls ")
