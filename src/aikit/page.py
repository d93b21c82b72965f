"""A page about one thing: a heading, what it says in sentences, and named items below titles. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Item:
    """A name, what it comes to (in one or more lines), and remarks. `opens` is the key of another page, "": none."""

    name: str
    text: str
    remarks: tuple[str, ...] = ()
    opens: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Items below a title. `marked` are lines that begin with + - ~ or a blank, as those of a diff; `beside` says the
    same with the two sides beside each other, for whoever has the room: left, mark, right.
    """

    title: str
    items: tuple[Item, ...] = ()
    marked: tuple[str, ...] = ()
    beside: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """`heading` says what it comes to, `paragraphs` why; `below` is said after the sections."""

    heading: str
    paragraphs: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    below: tuple[str, ...] = ()
