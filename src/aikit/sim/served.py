"""The simulator's own books: what it served and billed, so that a test can compare a ledger with them."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from aikit.types import USAGE_CLASSES, Usage

MAX_RECORDS = 100_000
NOTHING = Usage()


class Ending(StrEnum):
    """How the simulator's answer to one request ended."""

    COMPLETED = "completed"
    CUT = "cut"
    """Hung up in the middle, on request."""
    TRUNCATED = "truncated"
    """Ended cleanly but early, on request; an error event in the stream is such an end."""
    LEFT = "left"
    """The client left before the end."""
    ERROR = "error"
    """An HTTP error, on request or deserved."""
    UNANSWERED = "unanswered"
    """Not a byte was sent, on request."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `billed` is what was generated, whether or not the client got it all."""

    id: str
    api: str
    model: str | None
    stream: bool
    status: int | None
    ending: Ending
    billed: Usage

    def told(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "api": self.api,
            "model": self.model,
            "stream": self.stream,
            "status": self.status,
            "ending": self.ending.value,
            "completed": self.ending is Ending.COMPLETED,
            "billed": _nonzero(self.billed),
        }


class Served:
    """Totals since the last reset, and the last 100,000 requests. `in_flight` outlives a reset."""

    def __init__(self) -> None:
        self.in_flight = 0
        self._last_id = 0
        self.reset()

    def reset(self) -> None:
        self._records: deque[Record] = deque(maxlen=MAX_RECORDS)
        self._requests: Counter[str] = Counter()
        self._endings: dict[str, Counter[str]] = {}
        self._billed: dict[str, Counter[str]] = {}

    def begin(self) -> str:
        """A request came: its id. Exactly one `end` must follow."""
        self.in_flight += 1
        self._last_id += 1
        return f"sim-{self._last_id}"

    def end(self, record: Record) -> None:
        self.in_flight -= 1
        self._records.append(record)
        self._requests[record.api] += 1
        self._endings.setdefault(record.api, Counter())[record.ending.value] += 1
        if record.billed is not NOTHING:
            billed = self._billed.setdefault(record.api, Counter())
            for name in USAGE_CLASSES:
                if tokens := getattr(record.billed, name):
                    billed[name] += tokens

    def told(self, limit: int | None = None) -> dict[str, Any]:
        """Everything as JSON has it, with the last `limit` requests, oldest first."""
        records = list(self._records)
        shown = records if limit is None else records[max(0, len(records) - limit) :]
        return {
            "in_flight": self.in_flight,
            "totals": {
                "requests": self._requests.total(),
                **{ending.value: sum(one[ending.value] for one in self._endings.values()) for ending in Ending},
                "billed": dict(sum(self._billed.values(), Counter())),
            },
            "by_api": {
                api: {
                    "requests": requests,
                    **{ending.value: self._endings[api][ending.value] for ending in Ending},
                    "billed": dict(self._billed.get(api, {})),
                }
                for api, requests in sorted(self._requests.items())
            },
            "requests": [record.told() for record in shown],
        }


def _nonzero(usage: Usage) -> dict[str, int]:
    return {name: tokens for name, tokens in usage.classes().items() if tokens}
