"""What can be made to go wrong: one fault, and the book of faults that wait for requests to come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer. Chunks are the API's own stream events, counted from the first.

    For an answer that is not streamed, `cut_after` sends half of the body and hangs up, and `truncate_after` or
    `malformed_chunk` sends half of the body as if it were all. `hang` and `close_before_response` bill nothing.
    """

    status: int | None = None
    """Answer with this HTTP status, 400 to 599, and the API's own error body."""
    code: str | None = None
    """The error code in that body, such as `insufficient_quota`, instead of the usual one for the status."""
    retry_after: float | None = None
    """Seconds, as the error's retry headers."""
    delay: float = 0
    """Seconds before the first byte."""
    chunk_delay: float = 0
    """Seconds between two chunks."""
    cut_after: int | None = None
    """Hang up after this many chunks."""
    truncate_after: int | None = None
    """End the stream cleanly after this many chunks, without a terminal event."""
    error_after: int | None = None
    """After this many chunks, send the error event of an overload, with `code` if given, and end."""
    malformed_chunk: int | None = None
    """The chunk with this index, from 0, is broken JSON."""
    missing_usage: bool = False
    """Never say what was used."""
    hang: bool = False
    """Never answer."""
    close_before_response: bool = False
    """Hang up instead of answering."""
    reset: bool = False
    """Hang up by a TCP reset instead of an orderly close."""

    @classmethod
    def read(cls, data: object) -> Fault:
        """A fault out of JSON. Raises ValueError that says which field is wrong."""
        if not isinstance(data, Mapping):
            raise ValueError("a fault must be a JSON object")
        unknown = set(data) - FAULT_FIELDS
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(map(str, unknown)))}; known: {', '.join(FAULT_NAMES)}")
        for name, value in data.items():
            _check(name, value)
        return cls(**data)

    def told(self) -> dict[str, Any]:
        """The fields that say something."""
        return {name: value for name, value in asdict(self).items() if value is not None and value is not False}


FAULT_NAMES = tuple(field.name for field in fields(Fault))
FAULT_FIELDS = frozenset(FAULT_NAMES)
NO_FAULT = Fault()

_COUNTS = frozenset({"cut_after", "truncate_after", "error_after", "malformed_chunk"})
_SECONDS = frozenset({"retry_after", "delay", "chunk_delay"})


def _check(name: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if name == "status":
        if not (isinstance(value, int) and 400 <= value <= 599):
            raise ValueError(f"status must be from 400 to 599, not {value!r}")
    elif name == "code":
        if not isinstance(value, str):
            raise ValueError("code must be a string")
    elif name in _COUNTS:
        if not is_number or not isinstance(value, int) or value < 0:
            raise ValueError(f"{name} must be a whole number, zero or more")
    elif name in _SECONDS:
        if not is_number or not isinstance(value, int | float) or not 0 <= value <= 86_400:
            raise ValueError(f"{name} must be a number of seconds from 0 to 86,400")
    elif not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false")


@dataclass(slots=True)
class _Standing:
    fault: Fault
    model: str | None
    api: str | None
    left: int | None


class FaultBook:
    """Faults for requests to come: of one model, one API, or all; for a number of requests, or until cleared."""

    def __init__(self) -> None:
        self._standing: list[_Standing] = []

    def add(self, order: object) -> None:
        """Take `{"model"?, "api"?, "count"?, …fault fields}`. Raises ValueError that says what is wrong."""
        if not isinstance(order, Mapping):
            raise ValueError("a fault must be a JSON object")
        terms = dict(order)
        model, api, count = (terms.pop(name, None) for name in ("model", "api", "count"))
        if not isinstance(model, str | None) or not isinstance(api, str | None):
            raise ValueError("model and api must be strings")
        if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 1):
            raise ValueError("count must be a whole number, one or more")
        if not terms:
            raise ValueError(f"no fault is named; known: {', '.join(FAULT_NAMES)}")
        self._standing.append(_Standing(Fault.read(terms), model, api, count))

    def take(self, api: str, model: str) -> Fault:
        """The oldest fault that applies to this request, used up by one; NO_FAULT if there is none."""
        for standing in self._standing:
            if standing.model in (None, model) and standing.api in (None, api):
                if standing.left is not None:
                    standing.left -= 1
                    if standing.left == 0:
                        self._standing.remove(standing)
                return standing.fault
        return NO_FAULT

    def clear(self) -> None:
        self._standing.clear()

    def listed(self) -> list[dict[str, Any]]:
        """The standing faults, oldest first, in the form that `add` takes."""
        return [{"model": one.model, "api": one.api, "count": one.left, **one.fault.told()} for one in self._standing]
