"""Just enough HTTP/1.1 for a server on loopback: requests out of bytes, response heads into bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

MAX_HEAD_BYTES = 64 * 1024
MAX_BODY_BYTES = 64 * 1024 * 1024
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

Headers = Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Header names are lower case; `path` is decoded."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool


class BadRequest(Exception):
    """The bytes are no request that this server understands; the connection can't go on."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Head:
    method: str
    target: str
    headers: Mapping[str, str]
    keep_alive: bool
    length: int | None
    """None for a chunked body."""


class RequestParser:
    """Bytes in, requests out; no I/O. The pieces that the bytes come in make no difference."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._head: _Head | None = None
        self._chunks = bytearray()
        self.awaits_continue = False

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Request | None:
        """The next whole request, or None until more bytes come. Raises BadRequest."""
        if self._head is None:
            self._head = self._take_head()
            if self._head is None:
                return None
            self.awaits_continue = self._head.headers.get("expect", "").lower() == "100-continue"
        body = self._take_body(self._head.length)
        if body is None:
            return None
        head, self._head = self._head, None
        self.awaits_continue = False
        path, _, query = head.target.partition("?")
        return Request(
            head.method,
            unquote(path) if "%" in path else path,
            dict(parse_qsl(query)) if query else {},
            head.headers,
            body,
            head.keep_alive,
        )

    def _take_head(self) -> _Head | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD_BYTES:
                raise BadRequest(431, f"The request's head is larger than {MAX_HEAD_BYTES:,} bytes.")
            return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        try:
            method, target, version = lines[0].split(" ")
        except ValueError:
            raise BadRequest(400, "The request line is not HTTP/1.1.") from None
        headers = {}
        for line in lines[1:]:
            name, colon, value = line.partition(":")
            if not colon:
                raise BadRequest(400, "A header line has no colon.")
            headers[name.lower()] = value.strip()
        keep_alive = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        return _Head(method, target, headers, keep_alive, _body_length(headers))

    def _take_body(self, length: int | None) -> bytes | None:
        if length is None:
            return self._take_chunked()
        if len(self._buffer) < length:
            return None
        body = bytes(self._buffer[:length])
        del self._buffer[:length]
        return body

    def _take_chunked(self) -> bytes | None:
        while True:
            line_end = self._buffer.find(b"\r\n")
            if line_end < 0:
                return None
            try:
                size = int(bytes(self._buffer[:line_end]).split(b";")[0], 16)
            except ValueError:
                raise BadRequest(400, "A chunk has no length.") from None
            if size < 0 or len(self._chunks) + size > MAX_BODY_BYTES:
                raise BadRequest(413, f"The request's body is larger than {MAX_BODY_BYTES:,} bytes.")
            start, end = line_end + 2, line_end + 2 + size
            if len(self._buffer) < end + 2:
                return None
            self._chunks += self._buffer[start:end]
            del self._buffer[: end + 2]
            if size == 0:
                body = bytes(self._chunks)
                self._chunks.clear()
                return body


def _body_length(headers: Mapping[str, str]) -> int | None:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return None
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise BadRequest(400, "Content-Length is not a number.")
    length = int(text)
    if length > MAX_BODY_BYTES:
        raise BadRequest(413, f"The request's body is larger than {MAX_BODY_BYTES:,} bytes.")
    return length


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}


def head(status: int, headers: Headers, *, length: int | None) -> bytes:
    """A response head; `length` None announces a chunked body."""
    lines = [_STATUS_LINES.get(status) or f"HTTP/1.1 {status} Simulated\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    lines.append("transfer-encoding: chunked\r\n\r\n" if length is None else f"content-length: {length}\r\n\r\n")
    return "".join(lines).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)
