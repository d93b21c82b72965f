"""What a stream comes to: it is read as it passes and ends its attempt, at its terminal event if it has one."""

from __future__ import annotations

from aikit.attempt import Attempt
from aikit.idempotency import MOST_KEPT
from aikit.wire.codec import StreamReader


class StreamAccount:
    """Reads a stream for its attempt, whoever reads it on: its caller, or a drain once the caller has left."""

    def __init__(self, attempt: Attempt, reader: StreamReader) -> None:
        self.attempt = attempt
        self._reader = reader
        self._kept = bytearray() if attempt.is_kept else None

    @property
    def ended(self) -> bool:
        """The attempt has its ending; whatever else comes changes nothing."""
        return self.attempt.receipt is not None

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what to hand on."""
        passed = self._keep(self._reader.feed(chunk))
        if self._reader.done:
            self.settle()
        return passed

    def finish(self) -> bytes:
        """The stream is at its end. Returns what was held back."""
        rest = self._keep(self._reader.flush())
        self.settle()
        return rest

    def settle(self) -> None:
        """End the attempt by what was seen, unless it has ended."""
        self.attempt.outcome(self._reader.outcome(), bytes(self._kept or b""))

    def _keep(self, passed: bytes) -> bytes:
        """Collect the answer for the request's idempotency key, unless it is longer than what is kept."""
        if self._kept is not None and len(self._kept) <= MOST_KEPT:
            self._kept += passed
        return passed
