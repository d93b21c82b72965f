"""What `aikit top` starts: the console, here or behind a page, with the options that it was given."""

from __future__ import annotations

import sys
from dataclasses import replace
from fractions import Fraction

import pytest

from aikit.cli import top, top_web
from aikit.cli.app import command
from aikit.cli.top_once import MOST_IDLE, read_whole
from aikit.console.filtering import parse
from aikit.console.model import Period, Query, Snapshot, Tab
from aikit.console.tables import table_of
from aikit.console.words import Style
from aikit.errors import ConfigError
from aikit.tui.options import Options
from support.snapshots import Scripted, a_header, overview, snapshot

ALL = [
    Options(),
    Options(Tab.CALLS, Period.WEEK, "tenant:'two words' !status:ok", 0.5, True, True, "textual-light"),
    Options(filter="", theme="-odd"),
    Options(Tab.LIMITS, interval=60),
]


@pytest.mark.parametrize("options", ALL)
def test_a_console_behind_a_page_has_the_options_that_were_given(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Options] = []
    monkeypatch.setenv(top.DRIVER, "anything")
    monkeypatch.setattr(top, "_show", started.append)
    command(["top", *top_web.arguments(options)], prog_name="aikit", standalone_mode=False)
    assert started == [options]


def partly(read: Fraction) -> Snapshot:
    page = overview()
    return snapshot(page=replace(page, read=read))


def test_what_is_shown_once_is_read_to_its_end() -> None:
    source = Scripted(*[partly(Fraction(part, 3)) for part in (1, 2, 3)])
    assert read_whole(source, Query()).page == overview()
    assert source.asked == [Query()] * 3


def test_on_every_tab_it_is_read_until_the_header_has_all_of_today() -> None:
    seen = [snapshot(Tab.CALLS, header=a_header(read=Fraction(part, 2))) for part in (1, 2)]
    source = Scripted(*seen)
    wanted = Query(Tab.CALLS, Period.WEEK, parse("tenant:acme"))
    assert read_whole(source, wanted).header.read == 1
    assert source.asked == [wanted] * 2


def test_where_reading_gets_no_further_it_is_shown_as_it_is_and_says_so() -> None:
    source = Scripted(*[partly(Fraction(1, 3))] * 9)
    assert table_of(read_whole(source, Query()), Style()).note.endswith("of which 33% is read yet")
    assert len(source.asked) == 2 + MOST_IDLE


def test_without_textual_serve_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.delitem(sys.modules, "aikit.cli.web.server", raising=False)
    with pytest.raises(ConfigError) as raised:
        top_web.serve(Options(), None)
    assert raised.value.remedy is not None
    assert "pip install 'aikit[web]'" in raised.value.remedy
