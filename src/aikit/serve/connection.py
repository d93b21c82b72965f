"""One connection: uvicorn's HTTP, with bounds on the head of a request and on how long each side may keep the other.

What is no HTTP is told so in JSON, like all errors. Of requests that come before their turn, the one that is running
hears it, too, when the caller leaves.
"""

from __future__ import annotations

import asyncio
from asyncio.events import TimerHandle
from enum import Enum, auto
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from aikit.errors import AIKitError, RequestInvalid, RequestTooLarge
from aikit.serve.answers import SECURITY, of_error
from aikit.serve.leaving import told_of_leaving
from aikit.serve.model import ServeOptions

LONGEST_HEAD = 64 * 1024
MOST_HEADERS = 200
BODIED = frozenset({b"content-length", b"transfer-encoding"})
"""What says that a body follows."""


class At(Enum):
    """Where in a request the bytes are that come next."""

    REST = auto()
    HEAD = auto()
    BODY = auto()


class ServeConfig(uvicorn.Config):
    """uvicorn's, with what the server was asked for beside it."""

    def __init__(self, options: ServeOptions, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
        self.options = options


class Connection(HttpToolsProtocol):
    """Of one caller. `_answering` is the request that is running; uvicorn's `cycle` is the one that came last."""

    config: ServeConfig

    def __init__(self, *rest: Any, **named: Any) -> None:
        super().__init__(*rest, **named)
        self._answering: RequestResponseCycle | None = None
        self._at = At.REST
        self._head_bytes = 0
        """Of a head, or of what comes between and behind the pieces of a body, that came in parts."""
        self._came = False
        """Something of a body, with the bytes that came last."""
        self._refusal: AIKitError | None = None
        self._head_timer: TimerHandle | None = None
        self._stall_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_timer = _cancel(self._head_timer)
        self._stall_timer = _cancel(self._stall_timer)
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()
            told_of_leaving(self._answering.scope)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        was, self._came = self._at, False
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._at is was and (was is At.HEAD or (was is At.BODY and not self._came)):
            self._head_bytes += len(data)
        if self._head_bytes > LONGEST_HEAD:
            self._refuse(_head_too_large())
        elif self._at is At.HEAD or (self._at is At.REST and not self._answers()):
            self._expect_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        """What comes behind a body is no header: nobody looks at it."""
        if self._at is At.HEAD:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        self._came, self._head_bytes = True, 0
        super().on_body(body)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._at = At.HEAD

    def on_headers_complete(self) -> None:
        self._at = At.BODY
        self._head_bytes = 0
        self._head_timer = _cancel(self._head_timer)
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers])
        if size > LONGEST_HEAD or len(self.headers) > MOST_HEADERS:
            self._refusal = _head_too_large()
            raise ValueError("too large")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._at = At.REST
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()  # which a large body has paused: who does not read does not see the caller leave

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._at is At.BODY or self.transport.get_write_buffer_size():
            self._expect_progress()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._expect_progress()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stall_timer = _cancel(self._stall_timer)

    def timeout_keep_alive_handler(self) -> None:
        self.transport.abort()

    def _unsupported_upgrade_warning(self) -> None:
        """A wish for another protocol is passed over, unless it hides the body of the request from us."""
        if any(name in BODIED and value != b"0" for name, value in self.headers):
            self._refuse(_no_upgrade())

    def send_400_response(self, msg: str) -> None:
        refusal, self._refusal = self._refusal, None
        self._refuse(refusal or _no_http())

    def _no_head(self) -> None:
        """The head of the next request did not come in time. One that is answered meanwhile is not disturbed."""
        self._head_timer = None
        if self._answers():
            return
        if self._at is At.HEAD:
            self._refuse(_too_slow(self.config.options.head_seconds))
        else:
            self.transport.abort()

    def _refuse(self, error: AIKitError) -> None:
        """Answer what is no request, and hang up. In the middle of another answer there is no place for it."""
        if not (self._answers() and self._answering is not None and self._answering.response_started):
            answer = of_error(error, "native")
            headers = {**{name.encode(): value.encode() for name, value in answer.headers.items()}, **SECURITY}
            lines = [b"%b: %b\r\n" % item for item in (*self.server_state.default_headers, *headers.items())]
            length = b"content-length: %d\r\nconnection: close\r\n\r\n" % len(answer.body)
            self.transport.write(b"".join([STATUS_LINE[answer.status], *lines, length, answer.body]))
        self.transport.close()
        self._expect_progress()

    def _answers(self) -> bool:
        return self._answering is not None and not self._answering.response_complete

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.config.options.head_seconds, self._no_head)

    def _expect_progress(self) -> None:
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self.config.options.take_seconds, self._stalled)

    def _stalled(self) -> None:
        """The caller has taken nothing, or not sent the rest: it is taken for gone."""
        self._stall_timer = None
        if self._at is At.BODY or self.transport.get_write_buffer_size():
            self.transport.abort()


def _cancel(timer: TimerHandle | None) -> TimerHandle | None:
    """What takes the timer's place: nothing."""
    if timer is not None:
        timer.cancel()
    return None


def _no_http() -> RequestInvalid:
    return RequestInvalid("This is no HTTP request.", code="HTTP_INVALID", remedy="Speak HTTP/1.1.")


def _no_upgrade() -> RequestInvalid:
    return RequestInvalid(
        "The server speaks HTTP/1.1 alone, and the request asks for another protocol.",
        code="HTTP_UPGRADE",
        remedy="Have the client ask for HTTP/1.1, without an upgrade: in Java HttpClient.Version.HTTP_1_1.",
    )


def _head_too_large() -> RequestTooLarge:
    return RequestTooLarge(
        f"The head of the request is larger than {LONGEST_HEAD:,} bytes, or has more than {MOST_HEADERS} headers.",
        code="HEAD_TOO_LARGE",
        status=431,
        remedy="Send fewer and shorter headers.",
    )


def _too_slow(seconds: float) -> RequestInvalid:
    return RequestInvalid(
        f"The head of the request took longer than {seconds:g} s to arrive.",
        code="REQUEST_TIMEOUT",
        status=408,
        remedy="Send it faster.",
    )
