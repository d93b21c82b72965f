"""Corrections: after any number of them the ledger and the counters say what the last one said."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.meter.corrections import Correction, correct, count, covering
from aikit.meter.counters import Counters
from aikit.meter.rollup import rollup_rows
from aikit.policy.subject import Subject
from aikit.types import Call, Ending, Entry, Hold, Order, Tags, Usage, new_id

MONTH = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
USED = Usage(input=70, output=30)
amounts = st.integers(0, 10**15)


def an_entry(nano: int, usage: Usage | None = None, *, at: datetime = MINUTE, **tags: str) -> Entry:
    call = Call(new_id(), Tags("acme", **{"user": "ann", **tags}), "openai", "gpt-4o-mini", "openai.chat")
    return Entry(Hold(Order(new_id(), call, 0, 0), ("",), at), Ending.SETTLED, nano, usage)


def counters(**used: int) -> Counters:
    """A month that began on the 1st and a minute that began at half past ten, with so much used."""
    starts = [int((MINUTE if "minute" in name else MONTH).timestamp()) for name in SLOTS]
    filled = [used.get(name.partition("/")[0], 0) for name in SLOTS]
    return Counters(0, SLOTS, [value for s, u in zip(starts, filled, strict=True) for value in (s, u, 0, 0)])


SLOTS = ["credits/month", "tokens/month", "output_tokens/minute", "requests/month"]


def used(row: Counters) -> list[int]:
    return [row.slots[name].used for name in SLOTS]


@given(amounts, st.lists(amounts, max_size=20))
def test_after_any_sequence_of_corrections_the_sum_of_entries_is_the_last_amount(first: int, stated: list[int]) -> None:
    entries, row = [first], counters(credits=first)
    for amount in stated:
        correction = Correction(an_entry(amount), sum(entries), len(entries))
        correct([correction], {("acme", ""): row})
        entries.append(correction.nano)
    assert sum(entries) == row.slots["credits/month"].used == [first, *stated][-1]
    assert used(row)[1:] == [0, 0, 0]


@given(amounts, amounts)
def test_a_correction_adds_to_a_rollup_what_it_changes_and_no_call(charged: int, nano: int) -> None:
    (text,) = rollup_rows([], [], MINUTE, [Correction(an_entry(nano, USED), charged)])
    calls, refused, failed, estimated, unpriced, more, read = text.strip('"()').split(",")[7:14]
    assert (calls, refused, failed, estimated, unpriced) == ("0",) * 5
    assert (int(more), int(read)) == (nano - charged, 70)


def test_a_usage_that_becomes_known_counts_its_tokens_and_no_further_request() -> None:
    row = counters(credits=500, requests=1)
    correct([Correction(an_entry(200, USED), 500)], {("acme", ""): row})
    assert used(row) == [200, 100, 30, 1]


def test_an_amount_alone_counts_no_tokens() -> None:
    row = counters(credits=500, tokens=40, requests=1)
    correct([Correction(an_entry(0), 500)], {("acme", ""): row})
    assert used(row) == [0, 40, 0, 1]


def test_an_attempt_of_the_minute_before_is_corrected_there() -> None:
    row = counters(credits=500)
    correct([Correction(an_entry(600, USED, at=MINUTE.replace(minute=29)), 500)], {("acme", ""): row})
    assert used(row) == [600, 100, 0, 0]
    assert row.slots["output_tokens/minute"].previous == 30


def test_an_attempt_of_a_window_that_is_over_changes_no_counter_of_this_one() -> None:
    row = counters(credits=500)
    correct([Correction(an_entry(600, USED, at=MONTH.replace(month=10)), 500)], {("acme", ""): row})
    assert used(row) == [500, 0, 0, 0]
    assert row.slots["output_tokens/minute"].previous == 0


def test_a_counter_that_is_gone_is_passed_over() -> None:
    standing: dict[tuple[str, str], Counters] = {}
    correct([Correction(an_entry(600), 500)], standing)
    assert standing == {}


def test_an_attempt_that_no_hold_stood_for_counts_as_a_request() -> None:
    row = counters()
    count([an_entry(200, USED)], {("acme", ""): row})
    assert used(row) == [200, 100, 30, 1]


@pytest.mark.parametrize(
    ("subject", "covered"),
    [
        (Subject(), True),
        (Subject(user="ann"), True),
        (Subject(user="bob"), False),
        (Subject(user=""), False),
        (Subject(feature=""), True),
        (Subject(feature="chat"), False),
        (Subject(environment="dev", user="ann"), True),
        (Subject(environment="prod", user="ann"), False),
    ],
)
def test_a_correction_goes_to_the_counters_that_its_tags_belong_to(subject: Subject, covered: bool) -> None:
    entry = an_entry(1, environment="dev")
    assert covering(entry, ["user=eve", subject.key]) == ((subject.key,) if covered else ())
