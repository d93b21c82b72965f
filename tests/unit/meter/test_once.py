"""Idempotency keys as decisions: which of the requests with one key is sent."""

from __future__ import annotations

from typing import Any

import pytest

from aikit.meter.once import ended_now, repeated
from aikit.types import Answer, Earlier, Ending, Entry, Hold, Once, Order, new_id
from support.attempts import NOW, order

ANSWER = Answer(200, "application/json", b"sealed")
ONE, OTHER = b"1" * 32, b"2" * 32


def keyed(request_hash: bytes = ONE, *, key: str = "k", tenant: str = "acme") -> Order:
    return order(tenant)._replace(once=Once(key, request_hash))


def codes(*orders: Order, **known: Earlier) -> list[str | None]:
    taken = {("acme", key): earlier for key, earlier in known.items()}
    return [decision and decision.reason_code for decision in repeated(orders, taken, 1)]


def earlier(**more: Any) -> Earlier:
    return Earlier(new_id(), None, **{"request_hash": ONE, "running": False, **more})


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (earlier(running=True), "IDEMPOTENCY_IN_PROGRESS"),
        (earlier(ending=Ending.SETTLED, answer=ANSWER), "IDEMPOTENCY_REPLAYED"),
        (earlier(ending=Ending.SETTLED), "IDEMPOTENCY_CONFLICT"),
        (earlier(ending=Ending.PRESUMED_SPENT), "IDEMPOTENCY_CONFLICT"),
        (earlier(ending=Ending.VOIDED), None),
        (earlier(), "IDEMPOTENCY_CONFLICT"),
        (earlier(request_hash=OTHER, running=True), "IDEMPOTENCY_CONFLICT"),
        (earlier(request_hash=OTHER, ending=Ending.SETTLED, answer=ANSWER), "IDEMPOTENCY_CONFLICT"),
    ],
)
def test_a_key_that_is_taken_decides_by_what_became_of_the_first(first: Earlier, code: str | None) -> None:
    assert codes(keyed(), k=first) == [code]


def test_of_several_in_one_batch_the_first_is_sent() -> None:
    assert codes(keyed(), keyed(), keyed(OTHER), keyed(key="other"), keyed(tenant="globex"), order("acme")) == [
        None,
        "IDEMPOTENCY_IN_PROGRESS",
        "IDEMPOTENCY_CONFLICT",
        None,
        None,
        None,
    ]


def test_what_ends_in_the_same_batch_counts_as_ended() -> None:
    first = keyed()
    ending = Entry(Hold(first, (), NOW), Ending.SETTLED, 5, answer=ANSWER)
    assert codes(keyed(), k=ended_now([ending])["acme", "k"]) == ["IDEMPOTENCY_REPLAYED"]
    assert ended_now([ending._replace(hold=Hold(order(), (), NOW))]) == {}
