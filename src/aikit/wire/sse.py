"""Server-sent events (WHATWG HTML, section 9.2) cut out of a byte stream as it passes, however it is chunked."""

from __future__ import annotations

import re
from collections.abc import Callable

EVENT_LIMIT = 16 * 1024 * 1024
"""A larger event is passed on but not read, so that memory stays bounded. In bytes."""

_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_BOM = b"\xef\xbb\xbf"
_LOOK_BACK = 3
"""A blank line that began in an earlier chunk began at most this many bytes before its end."""


class SSESplitter:
    """Calls `see` with the data of each event; `see` returns True to keep the event from being handed on.

    Unless `hold` is set every chunk is handed on at once as the same object. With `hold`, whole events are. With `take`
    nothing is: it is called with each event and its data, with None for one that is too large to be read.
    """

    def __init__(
        self,
        see: Callable[[bytes], bool] = lambda data: False,
        *,
        hold: bool = False,
        take: Callable[[bytes, bytes | None], None] | None = None,
    ) -> None:
        self._see = see
        self._hold = hold or take is not None
        self._taker = take
        self._pending = bytearray()
        self._oversize = False
        self._hid = False
        self._ended_in_cr = False

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes of the stream; returns what to hand on now."""
        kept: list[bytes] = []
        self._take(chunk, kept)
        return b"".join(kept) if self._hold else chunk

    def flush(self) -> bytes:
        """The stream ended: an event without its blank line counts too. Returns what was held back."""
        rest, kept = bytes(self._pending), list[bytes]()
        self._pending.clear()
        if rest:
            self._pass(rest, kept)
        return b"".join(kept)

    def _take(self, chunk: bytes, kept: list[bytes]) -> None:
        if self._ended_in_cr and chunk:
            self._ended_in_cr = False
            if chunk[0] == ord("\n"):
                chunk = chunk[1:]
                if not self._hid:
                    kept.append(b"\n")
        pending = self._pending
        search_from = max(0, len(pending) - _LOOK_BACK)
        pending += chunk
        taken = 0
        while match := _BLANK_LINE.search(pending, search_from):
            search_from = match.end()
            self._pass(bytes(pending[taken:search_from]), kept)
            taken = search_from
        if taken:
            self._ended_in_cr = taken == len(pending) and pending[-1] == ord("\r")
            del pending[:taken]
        if len(pending) > EVENT_LIMIT:
            self._oversize = True
            if self._taker is None:
                kept.append(bytes(pending[:-_LOOK_BACK]))
            else:
                self._taker(bytes(pending[:-_LOOK_BACK]), None)
            del pending[:-_LOOK_BACK]

    def _pass(self, event: bytes, kept: list[bytes]) -> None:
        readable = not self._oversize and len(event) <= EVENT_LIMIT
        self._oversize = False
        data = event_data(event) if readable else b""
        if self._taker is not None:
            self._hid = True
            self._taker(event, data if readable else None)
            return
        self._hid = bool(data) and self._see(data)
        if self._hold and not self._hid:
            kept.append(event)


def event_data(event: bytes) -> bytes:
    """The `data` of one event, its lines joined; empty for a comment or an event without data."""
    lines = event.removeprefix(_BOM).splitlines()
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))
