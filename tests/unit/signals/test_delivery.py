"""One queue, one thread: listeners hear all in order, and neither failures nor slowness reach the caller."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime

import pytest

from aikit.errors import ConfigError
from aikit.events import BreakerEvent, Event
from aikit.signals.delivery import Delivery
from aikit.signals.sink import ListenerSink, Sink


def event(number: int = 0) -> Event:
    return BreakerEvent("breaker", datetime.now(UTC), "openai", str(number), "closed", "open")


class Keeps(Sink):
    name = "keeps"

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.sleeps = False

    @property
    def awake(self) -> bool:
        return not self.sleeps

    def hear(self, event: Event) -> None:
        self.heard.append(event)


@pytest.fixture
def keeps() -> Keeps:
    return Keeps()


@pytest.fixture
def delivery(keeps: Keeps) -> Iterator[Delivery]:
    delivery = Delivery([keeps])
    yield delivery
    delivery.close()


def test_events_come_in_order(delivery: Delivery, keeps: Keeps) -> None:
    events = [event(number) for number in range(100)]
    for one in events:
        delivery.tell(one, None)
    assert delivery.flush()
    assert keeps.heard == events


def test_nobody_is_awake_when_all_sleep_or_nobody_is_there(delivery: Delivery, keeps: Keeps) -> None:
    assert delivery.awake
    keeps.sleeps = True
    assert not delivery.awake
    assert not Delivery().awake


def test_a_sink_hears_only_the_kinds_it_asked_for(keeps: Keeps) -> None:
    keeps.kinds = frozenset({"ended"})
    delivery = Delivery([keeps])
    delivery.tell(event(), None)
    delivery.close()
    assert keeps.heard == []


REQUEST: ContextVar[str] = ContextVar("request")


def test_a_listener_sees_the_context_variables_of_the_call() -> None:
    seen: list[str] = []
    delivery = Delivery([ListenerSink(lambda _: seen.append(REQUEST.get("none")))])
    REQUEST.set("mine")
    context = copy_context()
    REQUEST.set("later")
    delivery.tell(event(), context)
    delivery.tell(event(), None)
    delivery.close()
    assert seen == ["mine", "none"]


def test_what_a_listener_raises_is_logged_once_and_the_others_hear_all(
    keeps: Keeps, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Event) -> None:
        raise SystemExit("broken")

    delivery = Delivery([ListenerSink(broken), keeps])
    for number in range(5):
        delivery.tell(event(number), None)
    delivery.close()
    assert len(keeps.heard) == 5
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_memory_is_bounded_when_a_listener_never_returns(caplog: pytest.LogCaptureFixture) -> None:
    free = threading.Event()
    delivery = Delivery([ListenerSink(lambda _: free.wait(30))], most_queued=10)
    for _ in range(1000):
        delivery.tell(event(), None)
    assert delivery.dropped in (989, 990)
    free.set()
    delivery.close()
    assert len(caplog.records) == 1


def test_closing_is_bounded_and_what_comes_later_is_dropped() -> None:
    free = threading.Event()
    delivery = Delivery([ListenerSink(lambda _: free.wait(30))])
    delivery.tell(event(), None)
    delivery.close(seconds=0.05)
    delivery.tell(event(), None)
    assert delivery.dropped == 1
    free.set()


def test_a_listener_may_flush_and_close_without_waiting_for_itself() -> None:
    done = threading.Event()

    def listener(_: Event) -> None:
        assert delivery.flush()
        delivery.close()
        done.set()

    delivery = Delivery([ListenerSink(listener)])
    delivery.tell(event(), None)
    assert done.wait(10)


def test_an_event_may_be_told_by_a_garbage_collection_in_the_middle_of_telling(
    keeps: Keeps, delivery: Delivery
) -> None:
    class Left:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            delivery.tell(event(-1), None)

    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for number in range(500):
            Left()
            delivery.tell(event(number), None)
    finally:
        gc.set_threshold(*threshold)
    gc.collect()
    assert delivery.flush()
    assert len(keeps.heard) == 1000


def test_metrics_that_are_not_turned_on_are_an_error(delivery: Delivery) -> None:
    with pytest.raises(ConfigError):
        delivery.exposition()
