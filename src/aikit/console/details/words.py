"""How pages say things: times, spans, amounts that may be unknown; and text of others, made harmless. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from aikit.console.words import visible
from aikit.errors import AIKitError
from aikit.page import Item, Page, Section

UNKNOWN = "—"


def when(at: datetime | None) -> str:
    """A time for people, in UTC and to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at else UNKNOWN


def utc(at: datetime | None) -> str:
    """The same with its zone."""
    return f"{when(at)} UTC" if at else UNKNOWN


def count(number: int | None) -> str:
    return UNKNOWN if number is None else f"{number:,}"


def took(milliseconds: int | None) -> str:
    """`340 ms`, `2.40 s`."""
    if milliseconds is None:
        return UNKNOWN
    return f"{milliseconds:,} ms" if milliseconds < 1000 else f"{milliseconds / 1000:,.2f} s"


def visible_lines(text: str) -> str:
    """With U+FFFD in place of whatever can't be printed, on as many lines as it has, with tabs as blanks."""
    return "\n".join([visible(line) for line in text.replace("\r\n", "\n").expandtabs(4).split("\n")])


def gone(what: str, remedy: str) -> AIKitError:
    """The error of a page whose thing is not there any more."""
    return AIKitError(what, code="GONE", status=404, remedy=remedy)


def harmless(page: Page) -> Page:
    """The page without anything that could move a cursor. Whoever draws it takes none of it for markup."""
    return Page(
        visible(page.heading),
        tuple([visible(text) for text in page.paragraphs]),
        tuple([_section(section) for section in page.sections]),
        tuple([visible(text) for text in page.below]),
    )


def _section(section: Section) -> Section:
    marked = tuple([_line(line) for line in section.marked])
    beside = tuple([(_line(left), mark, _line(right)) for left, mark, right in section.beside])
    return Section(visible(section.title), tuple([_item(item) for item in section.items]), marked, beside)


def _line(text: str) -> str:
    return visible(text.expandtabs(4))


def _item(item: Item) -> Item:
    remarks = tuple([visible(remark) for remark in item.remarks])
    return replace(item, name=visible(item.name), text=visible_lines(item.text), remarks=remarks)
