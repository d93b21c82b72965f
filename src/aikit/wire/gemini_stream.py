"""Gemini streams: server-sent events with `alt=sse`, otherwise one long JSON array."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from aikit.wire.body import dig, objects
from aikit.wire.codec import Demand, Outcome
from aikit.wire.gemini_usage import read_usage, searches_in, tier_of
from aikit.wire.reading import EventReader, error_code, text
from aikit.wire.sse import EVENT_LIMIT, SSESplitter, event_data

_TELLING = re.compile(rb'"(?:usageMetadata|groundingMetadata|finishReason|blockReason|error)"\s*:')
_OUTSIDE_STRING = re.compile(rb'["{}]')
_INSIDE_STRING = re.compile(rb'["\\]')


class ObjectSplitter:
    """Calls `see` with each outermost object of a JSON array, however it is chunked.

    Unless `hold` is set every chunk is handed on as it is. With `hold`, whole objects are.
    """

    def __init__(self, see: Callable[[bytes], bool], *, hold: bool = False) -> None:
        self._see = see
        self._hold = hold
        self._kept = bytearray()
        self.seen = 0
        self.too_large = False
        """An object was too large to be read."""
        self._object = bytearray()
        self._depth = 0
        self._in_string = False
        self._escaped = False
        self._oversize = False

    def feed(self, chunk: bytes) -> bytes:
        at = start = whole = 0
        while at < len(chunk):
            if self._escaped:
                self._escaped = False
                at += 1
                continue
            mark = (_INSIDE_STRING if self._in_string else _OUTSIDE_STRING).search(chunk, at)
            if mark is None:
                break
            at = mark.end()
            match mark[0]:
                case b'"':
                    self._in_string = not self._in_string
                case b"\\":
                    self._escaped = True
                case b"{":
                    self._depth += 1
                    if self._depth == 1:
                        start = mark.start()
                case b"}" if self._depth:
                    self._depth -= 1
                    if not self._depth:
                        self._keep(chunk[start:at])
                        self._end()
                        whole = at
        if self._depth:
            self._keep(chunk[start:])
        return self._let_go(chunk, whole) if self._hold else chunk

    def flush(self) -> bytes:
        rest = bytes(self._kept)
        self._kept.clear()
        return rest

    def _let_go(self, chunk: bytes, whole: int) -> bytes:
        """What is whole: all that was kept, and this much of the chunk; the rest of it is kept."""
        passed = bytes(self._kept) + chunk[:whole] if whole or len(self._kept) > EVENT_LIMIT else b""
        if passed:
            self._kept.clear()
        self._kept += chunk[whole:]
        return passed

    def _keep(self, piece: bytes) -> None:
        self._object += piece
        if len(self._object) > EVENT_LIMIT:
            self._oversize = self.too_large = True
            self._object.clear()

    def _end(self) -> None:
        whole = bytes(self._object)
        self.seen += 1
        self._object.clear()
        if not self._oversize:
            self._see(whole)
        self._oversize = False


class GenerateReader(EventReader):
    """Reads either form of stream. Usage is cumulative and the last one counts.

    There is no closing event: the stream is done when usage and a block reason, or a finish reason of
    each candidate, have been seen.
    """

    def __init__(self, demand: Demand, *, leased: bool = False) -> None:
        super().__init__(leased=leased)
        self._asked_model = demand.model
        self._splitter: SSESplitter | ObjectSplitter | None = None
        self._report: object = None
        self._searches = 0
        self._ended: dict[str, bool] = {}

    def feed(self, chunk: bytes) -> bytes:
        if self._splitter is None:
            first = chunk.lstrip(b" \t\r\n")[:1]
            if first:
                kind = ObjectSplitter if first in b"[{" else SSESplitter
                self._splitter = kind(self.see, hold=self.leased)
        return chunk if self._splitter is None else self._splitter.feed(chunk)

    def flush(self) -> bytes:
        return b"" if self._splitter is None else self._splitter.flush()

    def cut(self, event: bytes) -> bytes:
        """In the array form an event is the array's last element."""
        if not isinstance(self._splitter, ObjectSplitter):
            return event
        return (b",\r\n" if self._splitter.seen else b"[") + event_data(event) + b"\r\n]"

    def generated(self, event: Mapping[str, Any]) -> object:
        return [dig(candidate, "content", "parts") for candidate in objects(event.get("candidates"))]

    def outcome(self) -> Outcome:
        self.usage = read_usage(self._report, self._searches)
        return super().outcome()

    def see(self, data: bytes) -> bool:
        self.output_bytes += self.weight(data)
        event = self.parse(data) if _TELLING.search(data) else None
        if event is not None:
            self._read(event)
        return False

    def _read(self, event: Mapping[str, Any]) -> None:
        self.model = text(event.get("modelVersion")) or self.model
        self.service_tier = tier_of(event) or self.service_tier
        self.error = error_code(event.get("error")) or self.error
        self._report = event.get("usageMetadata") or self._report
        self._searches = max(self._searches, searches_in(event, self.model or self._asked_model))
        for candidate in objects(event.get("candidates")):
            ended = self._ended.get(str(candidate.get("index")), False)
            self._ended[str(candidate.get("index"))] = ended or bool(candidate.get("finishReason"))
        blocked = bool(dig(event, "promptFeedback", "blockReason"))
        self.finished = self.finished or blocked or any(self._ended.values())
        self.done = self.finished and self._report is not None and all(self._ended.values())
