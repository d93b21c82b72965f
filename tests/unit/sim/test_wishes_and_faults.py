"""What tests may ask of the simulator, and how it says that something was asked wrongly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from aikit.sim.faults import NO_FAULT, Fault, FaultBook
from aikit.sim.wish import NO_WISH, read_wish
from aikit.types import USAGE_CLASSES, Usage

EVERY_CLASS = frozenset(USAGE_CLASSES)


def test_without_a_wish_there_is_none() -> None:
    assert read_wish({}, "hello", EVERY_CLASS) is NO_WISH


def test_usage_and_fault_come_by_header() -> None:
    wish = read_wish(
        {"x-sim-usage": '{"input": 7, "cache_read": 2}', "x-sim-fault": '{"status": 529}'}, "", EVERY_CLASS
    )
    assert wish.usage == Usage(input=7, cache_read=2)
    assert wish.fault == Fault(status=529)


def test_everything_comes_inside_the_text_and_the_last_directive_counts() -> None:
    text = 'See [[sim: {"text": "old"}]] and [[sim: {"usage": {"output": 3}, "text": "a ]] b", "delay": 0.5}]]'
    wish = read_wish({}, text, EVERY_CLASS)
    assert (wish.usage, wish.text, wish.fault) == (Usage(output=3), "a ]] b", Fault(delay=0.5))


def test_a_header_goes_before_the_text() -> None:
    wish = read_wish({"x-sim-usage": '{"input": 1}'}, '[[sim: {"usage": {"input": 2}, "hang": true}]]', EVERY_CLASS)
    assert wish.usage == Usage(input=1)
    assert wish.fault == Fault(hang=True)


@pytest.mark.parametrize(
    ("headers", "text", "complaint"),
    [
        ({"x-sim-usage": "{"}, "", "x-sim-usage is no JSON"),
        ({"x-sim-usage": "[]"}, "", "usage must be a JSON object"),
        ({"x-sim-usage": '{"tokens": 1}'}, "", "no such usage class: 'tokens'"),
        ({"x-sim-usage": '{"input": -1}'}, "", "usage of input must be"),
        ({"x-sim-usage": '{"input": true}'}, "", "usage of input must be"),
        ({"x-sim-fault": '{"explode": true}'}, "", "no such fault: explode"),
        ({}, "[[sim: {]]", "is no JSON"),
        ({}, '[[sim: {"hang": true}', "between"),
        ({}, '[[sim: {"text": 1}]]', "text must be a string"),
    ],
)
def test_a_wrong_wish_is_refused_with_the_reason(headers: dict[str, str], text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("[", r"\[")):
        read_wish(headers, text, EVERY_CLASS)


def test_usage_that_the_api_cannot_report_is_refused_rather_than_billed_in_secret() -> None:
    with pytest.raises(ValueError, match="reports no cache_write_1h; it reports input, output"):
        read_wish({"x-sim-usage": '{"cache_write_1h": 1}'}, "", frozenset({"input", "output"}))


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 200},
        {"status": "500"},
        {"code": 1},
        {"cut_after": -1},
        {"cut_after": True},
        {"malformed_chunk": 1.5},
        {"delay": -1},
        {"delay": "1"},
        {"hang": 1},
        "hang",
    ],
)
def test_a_wrong_fault_is_refused(fault: Any) -> None:
    with pytest.raises(ValueError, match="must be"):
        Fault.read(fault)


def test_a_counted_fault_is_used_up_and_the_next_one_follows() -> None:
    book = FaultBook()
    book.add({"count": 2, "status": 500})
    book.add({"status": 429})
    taken = [book.take("openai.chat", "m").status for _ in range(4)]
    assert taken == [500, 500, 429, 429]


def test_a_fault_of_one_model_or_api_leaves_the_others_alone() -> None:
    book = FaultBook()
    book.add({"model": "a", "api": "openai.chat", "hang": True})
    assert book.take("openai.chat", "b") is NO_FAULT
    assert book.take("openai.responses", "a") is NO_FAULT
    assert book.take("openai.chat", "a").hang


def test_the_list_of_faults_can_be_given_back_to_set_them_again() -> None:
    book, copy = FaultBook(), FaultBook()
    book.add({"model": "a", "count": 3, "cut_after": 0, "delay": 0.25})
    for order in json.loads(json.dumps(book.listed())):
        copy.add(order)
    assert copy.listed() == book.listed()
    assert copy.take("openai.chat", "a") == Fault(cut_after=0, delay=0.25)


@pytest.mark.parametrize(
    "order", [[], {}, {"count": 0, "hang": True}, {"count": True, "hang": True}, {"model": 1, "hang": True}]
)
def test_an_order_without_a_fault_or_with_wrong_terms_is_refused(order: Any) -> None:
    with pytest.raises(ValueError, match=r"fault|count|strings"):
        FaultBook().add(order)
