"""What a simulated API is: it reads a request, renders an answer whole or as events, and words its errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from aikit.sim import catalogue
from aikit.sim.http import Request
from aikit.types import Usage

if TYPE_CHECKING:
    from aikit.sim.generate import Generation

encode = json.JSONEncoder(separators=(",", ":")).encode

MAX_CHOICES = 128


@dataclass(frozen=True, slots=True)
class Ask:
    """A request as the simulated model sees it. `input` is what it counts as input, by class."""

    model: str
    body: Mapping[str, Any]
    prompt: str
    last_user_text: str
    input: Usage
    stream: bool = False
    max_tokens: int | None = None
    reasons: bool = False
    choices: int = 1


Answering = Callable[[Ask], str | None]
"""What a simulated model says instead of prose: a text, or None for prose. Called in the simulator's thread."""


class BadAsk(Exception):
    """The request is none that the API accepts; the message says why."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream. `pieces` is how many pieces of text have been generated when it is sent."""

    payload: Mapping[str, Any] | str
    pieces: int
    name: str | None = None

    @property
    def data(self) -> str:
        return self.payload if isinstance(self.payload, str) else encode(self.payload)


class Api(Protocol):
    """One provider API. `name` is the one that the ledger knows it by."""

    name: str
    reportable: frozenset[str]
    """The usage classes that it can report."""
    id_header: str
    """The response header in which it gives its request id."""

    def read(self, request: Request) -> Ask:
        """Raises BadAsk."""

    def reply(self, ask: Ask, made: Generation, id: str) -> dict[str, Any]:
        """The whole answer."""

    def events(self, ask: Ask, made: Generation, id: str) -> Iterator[Event]:
        """The answer as a stream of events, the terminal ones included."""

    def stream_type(self, request: Request) -> str:
        """The content type of a stream."""

    def frame(self, request: Request, data: str, event: Event, index: int, last: bool) -> str:
        """One event as it goes over the wire; `data` is its JSON, perhaps broken."""

    def error(self, status: int, code: str | None, message: str, id: str, retry_after: float | None) -> dict[str, Any]:
        """The body of an error response."""

    def error_event(self, status: int, code: str | None, message: str, id: str) -> Event:
        """The error in the middle of a stream."""


def read_body(request: Request) -> dict[str, Any]:
    """The request's JSON object. Raises BadAsk."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise BadAsk("The request's body is no JSON.") from None
    if not isinstance(body, dict):
        raise BadAsk("The request's body is no JSON object.")
    return body


def required_text(body: Mapping[str, Any], name: str) -> str:
    """A field that must be a string with something in it. Raises BadAsk."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise BadAsk(f"Missing required parameter: '{name}'.")
    return value


def required_list(body: Mapping[str, Any], name: str) -> list[Any]:
    """A field that must be a list with something in it. Raises BadAsk."""
    value = body.get(name)
    if not isinstance(value, list) or not value:
        raise BadAsk(f"Missing required parameter: '{name}'.")
    return value


def positive(value: object, name: str) -> int | None:
    """A whole number from 1, or None where there is none. Raises BadAsk."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise BadAsk(f"Invalid '{name}': it must be a whole number, one or more.")
    return value


def choices(value: object, name: str) -> int:
    """How many answers are wanted. Raises BadAsk."""
    count = positive(value, name) or 1
    if count > MAX_CHOICES:
        raise BadAsk(f"Invalid '{name}': {MAX_CHOICES} is the most.")
    return count


def texts(value: object) -> Iterator[str]:
    """Every text in a message, a list of messages, or a part of one, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, dict):
        for key in ("text", "content", "parts", "output", "arguments"):
            if key in value:
                yield from texts(value[key])


def last_user_text(messages: object) -> str:
    """The text of the last message of a user; of `messages` itself if that is a text."""
    if isinstance(messages, list):
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role", "user") == "user":
                return "\n".join(texts(message))
    return messages if isinstance(messages, str) else ""


def automatic_input(model: str, prompt: str) -> Usage:
    """Input of a provider that caches by itself: one token a word, and a quarter of a long enough prompt is cached."""
    words = max(1, len(prompt.split()))
    cached = words // 4 if words >= 8 and catalogue.caches(model) else 0
    return Usage(input=words - cached, cache_read=cached)


def numbered(pieces: Sequence[str]) -> Iterator[tuple[int, str]]:
    """Each piece with how many have been generated once it is there."""
    return enumerate(pieces, start=1)
