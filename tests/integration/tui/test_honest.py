"""What is on the screen is never said to be newer, or of something else, than it is."""

from __future__ import annotations

import asyncio

import pytest

from aikit.console.model import Period, Query, Tab
from aikit.errors import DatabaseUnavailable
from support.consoles import AWAY, Clock, Gate, Notes, a_console, answer, read_once, said, screen_text, told, until
from support.snapshots import MARKUP, Scripted, a_header, empty, snapshot


async def test_before_anything_is_read_it_says_so() -> None:
    gate = Gate()
    app = a_console(Scripted(gate))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, gate.entered.is_set)
        text = screen_text(app)
        assert "reading …" in text
        assert "$0" not in text
        assert "calls —" in text
        assert "SPEND today —" in text
        gate.open()
        await read_once(pilot)
        assert "reading" not in screen_text(app)


async def test_after_a_failure_the_last_data_stays_dimmed_with_its_age_and_the_time_of_the_next_try() -> None:
    source, clock = Scripted(), Clock()
    app = a_console(source, clock=clock)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        clock.pass_(10)
        app.poller._retry = 4.0
        source.then(AWAY, Gate())
        app.poller.nudge()
        await until(pilot, lambda: app.problem is not None)
        assert "STALE 10s — retry in 4s" in screen_text(app)
        clock.pass_(1)
        await pilot.pause(1.1)
        assert "STALE 11s — retry in 3s" in screen_text(app)
        assert "acme·summarize" in screen_text(app)
        assert AWAY.message in said(app, "#note")
        assert app.grid.has_class("-stale")


async def test_it_recovers_by_itself() -> None:
    source = Scripted(AWAY)
    app = a_console(source, clock=Clock())
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.problem is not None)
        assert "NO DATA" in screen_text(app)
        assert "reading" not in screen_text(app)
        assert "retry in 1s" in screen_text(app)
        await until(pilot, lambda: app.snapshot is not None)
        assert app.problem is None
        assert "STALE" not in screen_text(app)
        assert "live" in screen_text(app)
        assert not app.grid.has_class("-stale")
        assert AWAY.message not in screen_text(app)


async def test_the_message_of_a_failure_is_no_markup_and_on_one_line() -> None:
    error = DatabaseUnavailable("no [bold]such[/bold] host\n\x1b[31mred")
    app = a_console(Scripted(*[error] * 9))
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.problem is not None)
        assert "no [bold]such[/bold] host\ufffd\ufffd[31mred" in screen_text(app)


async def test_paused_during_a_failure_it_does_not_promise_to_try_again() -> None:
    source = Scripted()
    app = a_console(source, clock=Clock())
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("space")
        source.then(AWAY)
        await pilot.press("r")
        await until(pilot, lambda: app.problem is not None)
        text = screen_text(app)
        assert "STALE" in text
        assert "paused" in text
        assert "retry in" not in text


async def test_a_slow_read_blocks_no_key() -> None:
    gate = Gate()
    source = Scripted(answer, gate)
    app = a_console(source)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("r")
        await until(pilot, gate.entered.is_set)
        async with asyncio.timeout(5):
            await pilot.press("j", "j", "s", "question_mark", "escape", "slash", "escape", "plus")
        assert app.grid.position[0] == 3
        gate.open()


async def test_a_slow_page_blocks_no_key_and_is_not_opened_over_another_tab() -> None:
    gate = Gate()

    class Slow(Notes):
        def page(self, tab, key, snapshot):  # type: ignore[no-untyped-def]
            gate(Query())
            return super().page(tab, key, snapshot)

    desk = Slow()
    app = a_console(desk=desk)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("enter")
        await until(pilot, gate.entered.is_set)
        await pilot.press("2")
        await read_once(pilot)
        gate.open()
        await until(pilot, lambda: bool(desk.asked))
        await pilot.pause(0.1)
        assert len(app.screen_stack) == 1


async def test_a_read_for_another_tab_is_never_shown_under_this_one() -> None:
    gate = Gate()
    source = Scripted(gate)
    app = a_console(source)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, gate.entered.is_set)
        later = Gate()
        source.then(later)
        await pilot.press("2")
        gate.open()
        await until(pilot, later.entered.is_set)
        assert "reading …" in screen_text(app)
        assert "acme·summarize" not in screen_text(app)
        later.open()
        await read_once(pilot)
        assert source.asked[-1].tab is Tab.CALLS
        assert "refused" in screen_text(app)


async def test_the_next_query_is_read_as_soon_as_the_read_that_is_under_way_has_ended() -> None:
    gate = Gate()
    source = Scripted(gate)
    app = a_console(source)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, gate.entered.is_set)
        await pilot.press("2", "3", "4")
        assert len(source.asked) == 1, "one read at a time"
        gate.open()
        await read_once(pilot)
        assert [query.tab for query in source.asked] == [Tab.OVERVIEW, Tab.BREAKERS]


@pytest.mark.parametrize("change", ["t", "filter"])
async def test_sums_of_another_range_or_filter_are_not_shown_as_those_that_were_asked_for(change: str) -> None:
    gate = Gate()
    source = Scripted(answer, gate)
    app = a_console(source)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        if change == "t":
            await pilot.press("t")
        else:
            await pilot.press("slash", "a", "c", "m", "e", "enter")
        await until(pilot, gate.entered.is_set)
        assert "reading …" in said(app, "#note")
        assert app.grid.has_class("-stale")
        gate.open()
        await read_once(pilot)
        assert "reading" not in screen_text(app)
        assert not app.grid.has_class("-stale")


async def test_a_tab_that_could_not_be_read_says_so_and_shows_nothing_of_another() -> None:
    source = Scripted(answer, *[AWAY] * 9)
    app = a_console(source)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        await pilot.press("2")
        await until(pilot, lambda: app.problem is not None)
        text = screen_text(app)
        assert "acme·summarize" not in text
        assert "reading …" not in text
        assert "not read" in text
        assert AWAY.message in text


async def test_unknown_is_a_dash_and_an_empty_ledger_is_said() -> None:
    app = a_console(Scripted(*[lambda query: empty(query.tab)] * 20))
    async with app.run_test(size=(160, 48)) as pilot:
        for number, tab in enumerate(Tab, 1):
            await pilot.press(str(number))
            await read_once(pilot)
            assert app.tab is tab
            text = screen_text(app)
            assert app.table.empty[:30] in text
            assert "spool —" in text
            assert "no cap" in text


async def test_the_price_that_nobody_knows_is_not_nothing() -> None:
    unpriced = snapshot(header=a_header(spent=0, unpriced=3, rate=None, budget=None, spooled=None))
    app = a_console(Scripted(unpriced))
    async with app.run_test(size=(160, 48)) as pilot:
        await read_once(pilot)
        header = said(app, "#header")
        assert "SPEND today —" in header
        assert "—/h" in header
        assert "$0.00" not in header
        row = next(line for line in screen_text(app).splitlines() if "new-team" in line)
        assert "—" in row
        assert "$0" not in row


async def test_the_age_grows_while_nothing_is_read_and_says_paused() -> None:
    clock = Clock()
    app = a_console(clock=clock)
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        assert "data 0.0s old" in screen_text(app)
        await pilot.press("space")
        clock.pass_(75)
        await pilot.pause(1.1)
        assert "paused" in screen_text(app)
        assert "data 1m old" in screen_text(app)
        assert "03:12:57" in screen_text(app), "the database's clock goes on"


async def test_a_page_that_cannot_be_read_is_said_with_its_remedy() -> None:
    app = a_console(desk=Notes(refuses=DatabaseUnavailable(f"No way to {MARKUP}.", remedy="Is it [i]up[/i]?")))
    async with app.run_test(size=(100, 30), notifications=True) as pilot:
        await read_once(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: told(app))
        assert told(app) == [f"No way to {MARKUP}. Is it [i]up[/i]?"]
        await pilot.pause(0.1)
        assert f"No way to {MARKUP}. Is it [i]up[/i]?" in screen_text(app)


async def test_a_filter_and_a_range_given_at_the_start_reach_the_source() -> None:
    source = Scripted()
    app = a_console(source, tab=Tab.AUDIT, period=Period.WEEK, filter="who:kim")
    async with app.run_test(size=(100, 30)) as pilot:
        await read_once(pilot)
        assert source.asked == [Query(Tab.AUDIT, Period.WEEK, app.poller.query.filter)]
        assert source.asked[0].filter.text == "who:kim"
