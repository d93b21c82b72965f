"""A webhook: events are posted as signed JSON, in lots, by a thread of its own, and again until they are taken."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any

import httpx2

from aikit.config.signals import WebhookSettings
from aikit.events import Event
from aikit.signals.signature import signed
from aikit.signals.sink import Sink
from aikit.types import EventKind, new_id

log = logging.getLogger("aikit.signals")

SCHEMA = "aikit.events/1"
MOST_QUEUED = 10_000
"""Events that wait to be posted. When the receiver is away for long, those that come later are dropped and counted."""
LOT = 100
LOT_SECONDS = 1.0
"""A lot is posted when it has this many events, or when its first has waited for this long."""
TIMEOUT = httpx2.Timeout(10.0, connect=5.0)
PAUSES = (0.5, 60.0)
"""First and longest pause before a lot is posted again, in seconds; each is twice the last, less up to half of it."""
MOST_TRIES = 20
"""After these, ten minutes or so, a lot is given up: it may be the lot that the receiver fails at."""
AGAIN = frozenset({408, 409, 425, 429})
"""Statuses below 500 after which the same lot may be taken."""


class Webhook(Sink):
    """Posts events of the kinds that were asked for. At least once, as long as this process lives."""

    name = "webhook"

    def __init__(self, settings: WebhookSettings, most_queued: int = MOST_QUEUED) -> None:
        self.kinds: frozenset[EventKind] = frozenset(settings.events)
        self.dropped = 0
        """Events that were not posted, for too many waited or the receiver would not take them."""
        self._settings = settings
        self._most = most_queued
        self._queue: SimpleQueue[dict[str, Any] | None] = SimpleQueue()
        self._closing = threading.Event()
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="aikit-webhook", daemon=True)
        self._thread.start()

    def hear(self, event: Event) -> None:
        if self._queue.qsize() >= self._most:
            self._drop(1, "too many events wait")
        else:
            self._queue.put({"id": str(new_id()), **event.facts()})

    def close(self, seconds: float) -> None:
        """Post what is left, each lot at most once more, within this time."""
        self._deadline = time.monotonic() + seconds
        self._closing.set()
        self._queue.put(None)
        self._thread.join(seconds)
        if self._thread.is_alive():
            log.warning("the webhook did not take the last events in time")

    def _run(self) -> None:
        with httpx2.Client(timeout=TIMEOUT, follow_redirects=False) as client:
            while lot := self._lot():
                try:
                    self._post(client, lot)
                except Exception:
                    log.exception("a lot of events could not be posted")
                    self.dropped += len(lot)

    def _lot(self) -> list[dict[str, Any]]:
        """The next events; none at the end."""
        first = self._queue.get()
        lot = [] if first is None else [first]
        due = time.monotonic() + LOT_SECONDS
        while lot and len(lot) < LOT:
            try:
                wait = 0.0 if self._closing.is_set() else max(0.0, due - time.monotonic())
                found = self._queue.get(timeout=wait) if wait else self._queue.get_nowait()
            except Empty:
                break
            if found is None:
                self._queue.put(None)
                break
            lot.append(found)
        return lot

    def _post(self, client: httpx2.Client, lot: list[dict[str, Any]]) -> None:
        body = json.dumps(
            {"schema": SCHEMA, "dropped": self.dropped, "events": lot}, ensure_ascii=False, separators=(",", ":")
        ).encode("utf-8", "replace")
        message_id, pause, why = f"msg_{new_id()}", PAUSES[0], ""
        for _ in range(MOST_TRIES):
            if self._deadline is not None and time.monotonic() >= self._deadline:
                break
            last = self._closing.is_set()
            again, why = self._try(client, message_id, body)
            if why == "":
                return
            if last or not again:
                break
            self._closing.wait(pause * (1 - random.random() / 2))
            pause = min(PAUSES[1], pause * 2)
        self._drop(len(lot), why)

    def _try(self, client: httpx2.Client, message_id: str, body: bytes) -> tuple[bool, str]:
        """Whether it is worth another try, and why it was not taken: "" if it was."""
        stamp = int(time.time())
        headers = {"content-type": "application/json", **signed(self._settings.secret, message_id, stamp, body)}
        try:
            with client.stream("POST", self._settings.url, content=body, headers=headers) as response:
                status = response.status_code
        except httpx2.HTTPError as error:
            return True, type(error).__name__
        if status < 300:
            return False, ""
        return status >= 500 or status in AGAIN, f"status {status}"

    def _drop(self, count: int, why: str) -> None:
        """Count events that won't be posted; said the first time, and then at every thousandth."""
        if self.dropped == 0 or (self.dropped + count) // 1000 > self.dropped // 1000:
            log.warning("the webhook has lost %d events in all (%s)", self.dropped + count, why or "it is closed")
        self.dropped += count
