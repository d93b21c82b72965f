"""Streams as events and back: server-sent events, or the elements of a JSON array."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Protocol

from aikit.wire.body import read_object
from aikit.wire.gemini_stream import ObjectSplitter
from aikit.wire.sse import SSESplitter, event_data
from aikit.wire.texts.model import Event

DONE = b"[DONE]"
_SILENT = re.compile(rb"(?:(?::|event:|id:|retry:)[^\r\n]*|[\r\n]+|\xef\xbb\xbf)*")
"""An event without data that says nothing."""
_ENDED = (b"\n\n", b"\r\n\r\n", b"\r\r")

Seen = Callable[[Event], None]
Unread = Callable[[bytes, bytes | None], None]


class Framing(Protocol):
    """How events stand in the bytes of a stream."""

    def feed(self, chunk: bytes) -> None:
        """The next bytes of the stream."""

    def flush(self) -> None:
        """It is at its end."""

    def framed(self, event: Event) -> bytes:
        """An event as it is handed on behind those that were."""

    def plain(self, raw: bytes) -> bytes:
        """What is no event, likewise."""

    def end(self) -> bytes:
        """What stands behind the last event."""

    def cut(self, event: bytes) -> bytes:
        """A server-sent event of ours as the last one."""


class SSEFraming:
    """Calls `seen` with each event that is a JSON object, `unread` with all else: with its data, None if that can't be
    known."""

    def __init__(self, seen: Seen, unread: Unread) -> None:
        self._seen = seen
        self._unread = unread
        self._splitter = SSESplitter(take=self._take)
        self._ends = False

    def feed(self, chunk: bytes) -> None:
        self._splitter.feed(chunk)

    def flush(self) -> None:
        self._ends = True
        self._splitter.flush()

    def framed(self, event: Event) -> bytes:
        if event.changed or not event.raw:
            head = event.head + b"\n" if event.head else b""
            return head + b"data: " + to_json(event.data) + b"\n\n"
        return self.plain(event.raw)

    def plain(self, raw: bytes) -> bytes:
        """Something may be put behind what was cut off at the end. A line feed that came later was left out."""
        if raw.endswith(b"\r\n\r"):
            return raw + b"\n"
        return raw + b"\n\n" if self._ends and not raw.endswith(_ENDED) else raw

    def end(self) -> bytes:
        return b""

    def cut(self, event: bytes) -> bytes:
        return event

    def _take(self, raw: bytes, data: bytes | None) -> None:
        told = read_object(data) if data else None
        if told is not None:
            lines = [line for line in raw.splitlines() if line and not line.startswith(b"data")]
            self._seen(Event(told, raw, b"\n".join(lines)))
        elif data is None or data or not _SILENT.fullmatch(raw):
            if self._ends and data != DONE:
                return  # cut off within: no client could read it
            self._unread(raw, data or None)
        else:
            self._unread(raw, b"")


class ArrayFraming:
    """The elements of a JSON array, or one object. What stands around them is made anew."""

    def __init__(self, seen: Seen, unread: Unread) -> None:
        self._seen = seen
        self._unread = unread
        self._splitter = ObjectSplitter(self._take)
        self._array: bool | None = None
        self._last = b""
        self._written = 0

    def feed(self, chunk: bytes) -> None:
        told = chunk.strip()
        if told:
            self._array = told.startswith(b"[") if self._array is None else self._array
            self._last = told[-1:]
        self._splitter.feed(chunk)
        if self._splitter.too_large:
            self._unread(b"", None)

    def flush(self) -> None:
        pass

    def framed(self, event: Event) -> bytes:
        return self.plain(to_json(event.data) if event.changed or not event.raw else event.raw)

    def plain(self, raw: bytes) -> bytes:
        self._written += 1
        return self._before() + raw

    def end(self) -> bytes:
        if not self._array or self._last != b"]":
            return b""
        return b"]" if self._written else b"[]"

    def cut(self, event: bytes) -> bytes:
        self._written += 1
        return self._before() + event_data(event) + (b"\r\n]" if self._array else b"")

    def _before(self) -> bytes:
        if not self._array:
            return b""
        return b"[" if self._written == 1 else b",\r\n"

    def _take(self, raw: bytes) -> bool:
        told = read_object(raw)
        if told is None:
            self._unread(raw, None)
        else:
            self._seen(Event(told, raw))
        return False


def to_json(told: Any) -> bytes:
    try:
        return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(told, separators=(",", ":")).encode()
