"""What pages say is harmless, and what nobody knows is a dash."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from aikit.console.details.words import count, harmless, took, utc, visible_lines, when
from aikit.page import Item, Page, Section
from support.snapshots import HOSTILE


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_of_a_page_can_move_a_cursor(text: str) -> None:
    item = Item(text, text, (text,), opens=text)
    page = harmless(Page(text, (text,), (Section(text, (item,), (text,), ((text, "~", text),)),), (text,)))
    (part,) = page.sections
    (shown,) = part.items
    for line in (page.heading, *page.paragraphs, *page.below, part.title, shown.name, *shown.remarks, *part.marked):
        assert line.isprintable()
    assert all(line.isprintable() for line in shown.text.split("\n"))
    assert all(side.isprintable() for line in part.beside for side in line)
    assert shown.opens == text, "a key is found by, and never drawn"


def test_lines_stay_lines_and_tabs_become_blanks() -> None:
    assert visible_lines("a\r\n\tb\x1b[2J\u2028c") == "a\n    b\ufffd[2J\ufffdc"


def test_markup_is_left_as_it_is() -> None:
    assert harmless(Page("[bold]acme[/]")).heading == "[bold]acme[/]"


def test_what_nobody_knows_is_a_dash() -> None:
    assert (when(None), utc(None), count(None), took(None)) == ("—", "—", "—", "—")


def test_times_are_in_utc() -> None:
    at = datetime(2026, 11, 21, 4, 5, 6, tzinfo=timezone(timedelta(hours=1)))
    assert (when(at), utc(at)) == ("2026-11-21 03:05:06", "2026-11-21 03:05:06 UTC")
    assert at.astimezone(UTC).hour == 3


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(0, "0 ms"), (999, "999 ms"), (1_000, "1.00 s"), (95_250, "95.25 s")]
)
def test_spans_are_said_with_their_unit(milliseconds: int, said: str) -> None:
    assert took(milliseconds) == said
