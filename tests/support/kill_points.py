"""Where a caller can be made to stand still, so that it is killed exactly there."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2

from aikit.meter.engine import Meter

Say = Callable[..., None]
POINTS = ("admitting", "held", "sent", "reading", "read", "committing")
"""In the order in which a call passes them. `sent` is left to the simulator, which takes its time to answer."""


def stand_still_at(point: str, say: Say, go: str) -> None:
    """Have this process stand still at that point: it says `here` when it gets there."""

    def here() -> None:
        say(here=point)
        threading.Event().wait()

    def tell_and_go_on() -> None:
        say(here=point)
        while not Path(go).exists():
            time.sleep(0.001)

    match point:
        case "admitting":  # the decision is committed, and its answer never comes
            _before(Meter, "admit", tell_and_go_on)
        case "held":
            _before(httpx2.HTTPTransport, "handle_request", here)
        case "sent":
            pass
        case "reading":
            _in_the_body(here)
        case "read":
            _before(Meter, "end", here)
        case "committing":  # the ending is committed, and the answer never comes
            _before(Meter, "end", tell_and_go_on)
        case _:
            raise ValueError(point)


def _before(owner: Any, name: str, hook: Callable[[], None]) -> None:
    original = getattr(owner, name)

    def patched(*arguments: Any, **named: Any) -> Any:
        hook()
        return original(*arguments, **named)

    setattr(owner, name, patched)


def _in_the_body(hook: Callable[[], None]) -> None:
    """Hook in when the first part of a body has been received, and there is more to come."""
    original = httpx2.HTTPTransport.handle_request

    def patched(self: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
        response = original(self, request)
        response.stream = _Halting(response.stream, hook)
        return response

    httpx2.HTTPTransport.handle_request = patched  # type: ignore[method-assign]


class _Halting(httpx2.SyncByteStream):
    def __init__(self, stream: Any, hook: Callable[[], None]) -> None:
        self._stream = stream
        self._hook = hook

    def __iter__(self) -> Iterator[bytes]:
        for part in self._stream:
            yield part[: max(1, len(part) // 2)]
            self._hook()

    def close(self) -> None:
        self._stream.close()
