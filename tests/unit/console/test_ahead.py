"""The first snapshot is read before it is asked for, and is what would have been read then."""

from __future__ import annotations

from threading import Event

import pytest

from aikit.console.ahead import FRESH, Ahead
from aikit.console.model import Query, Tab
from aikit.errors import DatabaseError
from support.snapshots import Scripted, snapshot

ASKED, OTHER = Query(), Query(Tab.CALLS)


def test_the_first_answer_was_begun_before_anybody_asked_and_the_next_is_read_anew() -> None:
    begun = Event()

    def first(query: Query) -> object:
        begun.set()
        return snapshot()

    source = Scripted(first)
    ahead = Ahead(source, ASKED)
    assert begun.wait(10)
    assert ahead.read(ASKED) == snapshot()
    assert source.asked == [ASKED]
    ahead.read(ASKED)
    assert source.asked == [ASKED, ASKED]


def test_what_went_wrong_with_it_is_raised_to_whoever_asks_and_it_can_be_asked_again() -> None:
    source = Scripted(DatabaseError("It is away."))
    ahead = Ahead(source, ASKED)
    with pytest.raises(DatabaseError, match="It is away"):
        ahead.read(ASKED)
    assert ahead.read(ASKED).query == ASKED


def test_who_asks_for_something_else_gets_that_once_the_first_read_has_ended() -> None:
    reading, go_on = Event(), Event()

    def first(query: Query) -> object:
        reading.set()
        assert go_on.wait(10)
        reading.clear()
        return snapshot()

    def second(query: Query) -> object:
        assert not reading.is_set()
        return snapshot(Tab.CALLS)

    source = Scripted(first, second)
    ahead = Ahead(source, ASKED)
    assert reading.wait(10)
    go_on.set()
    assert ahead.read(OTHER).query.tab is Tab.CALLS
    assert source.asked == [ASKED, OTHER]


def test_what_was_read_too_long_ago_is_read_anew() -> None:
    times = iter([100.0, 100.0 + FRESH])
    source = Scripted()
    ahead = Ahead(source, ASKED, lambda: next(times))
    ahead.read(ASKED)
    assert source.asked == [ASKED, ASKED]


def test_it_is_closed_with_what_is_behind_it() -> None:
    source = Scripted()
    Ahead(source, ASKED).close()
    assert source.closed
