"""What the stream readers of all codecs share: they pass bytes on and gather an Outcome on the side."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aikit.types import Usage
from aikit.wire.body import read_object
from aikit.wire.codec import Outcome
from aikit.wire.sse import SSESplitter

_CODE = re.compile(r"[A-Za-z0-9_.]{1,100}")


class EventReader:
    """Reads nothing but the size of the events. Codecs override `see` and set what they find.

    `malformed` counts events that could not be read; they are passed on all the same.
    """

    def __init__(self, *, hold: bool = False, leased: bool = False) -> None:
        self._events = SSESplitter(self.see, hold=hold or leased)
        self.leased = leased
        self.done = False
        self.finished = False
        self.usage: Usage | None = None
        self.model: str | None = None
        self.service_tier: str | None = None
        self.error: str | None = None
        self.output_bytes = 0
        self.malformed = 0

    def feed(self, chunk: bytes) -> bytes:
        return self._events.feed(chunk)

    def flush(self) -> bytes:
        return self._events.flush()

    def outcome(self) -> Outcome:
        return Outcome(
            usage=self.usage,
            finished=self.finished,
            model=self.model,
            service_tier=self.service_tier,
            error=self.error,
            output_bytes=self.output_bytes,
        )

    def cut(self, event: bytes) -> bytes:
        return event

    def see(self, data: bytes) -> bool:
        """The data of one event; True keeps it from the caller."""
        self.output_bytes += self.weight(data)
        return False

    def weight(self, data: bytes) -> int:
        """The bytes of output in the data of one event: of the output alone if the stream is leased."""
        return generated_bytes(self.generated(read_object(data) or {})) if self.leased else len(data)

    def generated(self, event: Mapping[str, Any]) -> object:
        """What of an event has been generated."""
        return event

    def parse(self, data: bytes) -> dict[str, Any] | None:
        """The event's JSON object, or None, counted as malformed."""
        event = read_object(data)
        if event is None:
            self.malformed += 1
        return event

    def note(self, source: Mapping[str, Any]) -> None:
        """Remember the model and the service tier that `source` names."""
        self.model = text(source.get("model")) or self.model
        self.service_tier = text(source.get("service_tier")) or self.service_tier


_NAMES = frozenset({"type", "role", "id", "signature", "thoughtSignature", "thought_signature", "mimeType"})
"""Fields whose strings are not generated."""
_ARGUMENTS = frozenset({"args", "input"})
"""Fields with objects of which the names are generated, too."""


def generated_bytes(value: object) -> int:
    """The UTF-8 bytes of all strings in what was generated; of numbers and the like their digits."""
    match value:
        case str():
            return len(value.encode("utf-8", "replace"))
        case dict():
            return sum(
                len(json.dumps(part)) if name in _ARGUMENTS else generated_bytes(part)
                for name, part in value.items()
                if name not in _NAMES
            )
        case list():
            return sum(generated_bytes(part) for part in value)
        case None | bool():
            return 0
    return len(str(value))


def text(value: object) -> str | None:
    """A string with something in it, else None."""
    return value if isinstance(value, str) and value else None


def error_code(error: object) -> str | None:
    """The code of an error as providers put it into a 200 response, None if there is no error.

    A text that has not the form of a code is not kept: it may repeat the prompt.
    """
    if not error:
        return None
    found = error
    if isinstance(error, Mapping):
        found = error.get("code") or error.get("status") or error.get("type")
    return str(found) if isinstance(found, str | int) and _CODE.fullmatch(str(found)) else "error"
