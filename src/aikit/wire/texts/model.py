"""What finds texts on the wire and what checks them, as they see each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, NamedTuple, Protocol

from aikit.types.guards import Finding, Place


class Sort(Enum):
    """What a text is for those who read the response."""

    ANSWER = auto()
    "The answer itself."
    ASIDE = auto()
    "What is told beside it: thoughts, refusals, titles of sources, names of tools."
    SIGNED = auto()
    "A thought with a signature, which the API wants back as it was."


class Asked(NamedTuple):
    """A text of the request: as it was sent on, and as the caller asked."""

    sent: str
    asked: str


class Channel(Protocol):
    """One text that comes in pieces."""

    def feed(self, piece: str) -> str:
        """The next piece; what may be handed on now. Raises Stopped."""

    def flush(self) -> str:
        """The text is at its end: what was held back. Raises Stopped."""


class Checks(Protocol):
    """Checks texts. `altered` counts the texts that it gave back changed."""

    altered: int

    def applies(self, place: Place) -> bool:
        """Whether anything checks the texts of this place."""

    def check(self, place: Place, at: str, text: str, sort: Sort = Sort.ANSWER) -> str:
        """The text as it may stand. Raises Stopped."""

    def channel(self, place: Place, at: str, sort: Sort = Sort.ANSWER) -> Channel:
        """For a text that comes in pieces."""

    def known(self, place: Place, text: str, checked: str, sort: Sort = Sort.ANSWER) -> None:
        """This whole text was checked in pieces: where it is told again, this stands for it."""

    def oversize(self, place: Place, at: str) -> None:
        """More is held back than may be. Raises Stopped if anything at this place blocks or redacts."""


@dataclass(slots=True, eq=False)
class Event:
    """One event of a stream. `raw` are its bytes as they came, `head` those of its lines that are no data."""

    data: dict[str, Any]
    raw: bytes = b""
    head: bytes = b""
    changed: bool = False
    dropped: bool = False


@dataclass(eq=False)
class Stopped(Exception):
    """A text may not be handed on. `released` is what of it still may, `events` say so in the stream's own form."""

    findings: tuple[Finding, ...] = ()
    released: str = ""
    events: list[Event] = field(default_factory=list)


class StreamTexts(Protocol):
    """The texts of one stream, in its events. What may be handed on is given as it becomes known, in order."""

    def see(self, event: Event) -> Sequence[Event]:
        """The next event; what may be handed on now. Raises Stopped, whose `events` still may."""

    def end(self) -> Sequence[Event]:
        """There are no more events; the rest. Raises Stopped likewise."""


class Texts(Protocol):
    """Where the texts of an API stand. Methods take parsed JSON and change it in place where a check changed a text.

    `returns` are the places of the texts that a response can have.
    """

    returns: frozenset[Place]

    def request(self, fields: dict[str, Any], checks: Checks) -> None:
        """Have all texts of a request checked. Raises Stopped."""

    def plant(self, fields: dict[str, Any], line: str) -> bool:
        """Write a line at the end of the system prompt; False if there is none to write it to. An empty one asks."""

    def response(self, reply: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
        """Have all texts of a whole response checked. `asked` are the texts among the fields of the request that were
        not sent on as they were asked: a response that repeats one tells it as it was asked. Raises Stopped.
        """

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> StreamTexts:
        """For the texts of one stream."""
