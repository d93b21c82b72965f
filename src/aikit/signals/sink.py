"""What hears of events, one at a time, in a thread of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from aikit.errors import ConfigError
from aikit.events import Event
from aikit.types import EVENT_KINDS, EventKind

Listener = Callable[[Event], None]


class Sink(ABC):
    """Hears events of its `kinds`. What it raises is logged once and reaches nobody."""

    name = "on_event"
    kinds: frozenset[EventKind] = frozenset(EVENT_KINDS)

    @property
    def awake(self) -> bool:
        """Whether it would do anything with an event now."""
        return True

    @abstractmethod
    def hear(self, event: Event) -> None:
        """Take one event, in the context of the call that it is about."""

    def close(self, seconds: float) -> None:  # noqa: B027 - most have nothing left
        """No event will come any more: pass on what is left, within this time."""


class ListenerSink(Sink):
    """The application's own listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def hear(self, event: Event) -> None:
        self._listener(event)


def missing(setting: str, extra: str) -> ConfigError:
    """A signal is turned on whose package is not there."""
    return ConfigError(
        f"[signals] {setting} is on, but its package is not installed.",
        remedy=f"Install it (pip install 'aikit[{extra}]'), or turn [signals] {setting} off.",
    )
