"""A provider's response that is being read, and the connections that it comes over."""

from __future__ import annotations

import threading
from typing import Generic, Protocol, TypeVar

import httpx2

from aikit.errors import MeteringUnavailable
from aikit.streams.account import StreamAccount
from aikit.types import Decision, Extension

Inner = TypeVar("Inner", httpx2.BaseTransport, httpx2.AsyncBaseTransport)


class Connections(Generic[Inner]):
    """What a metered transport sends through. Asked to close, it waits for the drains that still read over it."""

    def __init__(self, transport: Inner) -> None:
        self.transport: Inner = transport
        self._drains = 0
        self._closing = False
        self._lock = threading.RLock()  # a garbage collection inside may let another reader leave

    def keep(self) -> None:
        """A drain begins."""
        with self._lock:
            self._drains += 1

    def release(self) -> bool:
        """A drain has ended. True: it was the last one that a close has waited for, so close the transport."""
        with self._lock:
            self._drains -= 1
            return self._closing and not self._drains

    def close(self) -> bool:
        """Nothing will be sent any more. True: no drain is under way, so close the transport."""
        with self._lock:
            self._closing = True
            return not self._drains


class Extender(Protocol):
    """Decides whether leased streams may hold more; the meter does. Raises MeteringUnavailable if it can't."""

    def extend(self, extension: Extension) -> Decision: ...

    async def extend_async(self, extension: Extension) -> Decision: ...


class Upstream:
    """A response under way and its account, which may be settled from any thread while another one reads."""

    def __init__(self, response: httpx2.Response, account: StreamAccount) -> None:
        self.response = response
        self.left = False
        """The caller reads no more."""
        self.over = threading.Event()
        """Nothing will be read any more."""
        self.deadline = 0.0
        """When a drain gives up, by the monotonic clock."""
        self._account = account
        self._books = threading.Lock()

    @property
    def settled(self) -> bool:
        return self._account.ended

    @property
    def blocked(self) -> bool:
        """Its caller gets nothing more."""
        return self._account.blocked

    def is_long(self, chunk: bytes) -> bool:
        """Whether guards look at these bytes longer than an event loop should wait."""
        return self._account.is_long(chunk)

    def feed(self, chunk: bytes) -> bytes:
        with self._books:
            return self._account.feed(chunk)

    def wanted(self) -> Extension | None:
        return self._account.wanted()

    def answered(self, answer: Decision | MeteringUnavailable) -> bytes | None:
        """Take the answer to what was wanted. Returns None to read on, else what the stream is to end with."""
        with self._books:
            if isinstance(answer, Decision):
                return self._account.extended(answer)
            return self._account.unanswered(answer)

    def finish(self) -> bytes:
        """The response is at its end. Returns what was held back."""
        with self._books:
            return self._account.finish()

    def settle(self, error: BaseException | None = None) -> None:
        """End the attempt by what was seen, unless it has ended. `error` broke it off; None: nobody reads on."""
        with self._books:
            self._account.settle(error)

    def waits(self) -> bool:
        """Whether it is worth waiting for: it is being drained and will be over by its deadline."""
        return self.left and not self.over.is_set()

    def give_up(self) -> None:
        """The deadline has passed: settle by what was seen, and hang up."""
        self.settle()
