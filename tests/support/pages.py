"""Looks into a page: its sections by the beginning of their titles, and all that it says."""

from __future__ import annotations

from collections.abc import Iterator

from aikit.page import Page, Section


def section(page: Page, begins: str) -> Section:
    """The first whose title begins so."""
    return next(part for part in page.sections if part.title.startswith(begins))


def items(page: Page, begins: str) -> dict[str, str]:
    """What its items say, by name."""
    return {item.name: item.text for item in section(page, begins).items}


def words(page: Page) -> str:
    """All that is on a page."""
    return "\n".join(_texts(page))


def _texts(page: Page) -> Iterator[str]:
    yield from (page.heading, *page.paragraphs, *page.below)
    for part in page.sections:
        yield part.title
        yield from part.marked
        yield from (text for line in part.beside for text in line)
        for item in part.items:
            yield from (item.name, item.text, *item.remarks)
