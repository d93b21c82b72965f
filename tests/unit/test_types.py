"""The values that every layer speaks: usable tags, disjoint classes of tokens, ids that sort by time."""

from __future__ import annotations

import time
from typing import Any
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.types import (
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    TAG_LENGTH,
    TOKEN_CLASSES,
    USAGE_CLASSES,
    Limit,
    LimitState,
    Metric,
    Tags,
    Usage,
    Window,
    new_id,
)

counts = st.integers(0, 10**9)
usages = st.builds(Usage, *[counts] * len(USAGE_CLASSES))


@given(usages)
def test_the_classes_sum_to_the_total(usage: Usage) -> None:
    classes = usage.classes()
    assert usage.input_tokens == sum(classes[name] for name in INPUT_CLASSES)
    assert usage.output_tokens == sum(classes[name] for name in OUTPUT_CLASSES)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    assert tuple(classes.values()) == usage.counts()
    assert Usage(**classes) == usage


def test_searches_are_no_tokens() -> None:
    assert set(USAGE_CLASSES) - set(TOKEN_CLASSES) == {"searches"}


@given(st.text())
def test_a_tag_is_taken_as_it_is_or_refused(text: str) -> None:
    try:
        tags = Tags(user=text)
    except ValueError as refused:
        assert str(refused).startswith("user ")
        assert len(str(refused)) < TAG_LENGTH
    else:
        assert tags.user == text
        assert text.encode().decode() == text
        assert "\0" not in text and "\n" not in text


@pytest.mark.parametrize("value", [7, 1.5, b"acme", ["acme"], {"a": 1}, True])
def test_a_tag_that_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="tenant must be a string"):
        Tags(value)


@pytest.mark.parametrize("length", [1, TAG_LENGTH])
def test_a_tag_may_be_long(length: int) -> None:
    assert Tags("x" * length)
    with pytest.raises(ValueError, match=r"200 is the most"):
        Tags("x" * (TAG_LENGTH + 1))


def test_an_environment_is_one_of_three() -> None:
    for name in ("dev", "staging", "prod"):
        assert Tags(environment=name).environment == name
    with pytest.raises(ValueError, match="dev, staging or prod"):
        Tags(environment="production")


tags = st.builds(
    Tags,
    st.none() | st.sampled_from(["a", "b"]),
    st.none() | st.sampled_from(["u", "v"]),
    st.none() | st.sampled_from(["f", "g"]),
    st.none() | st.sampled_from(["dev", "prod"]),
)


@given(tags, tags, tags)
def test_inner_tags_complete_each_other_in_order(first: Tags, second: Tags, third: Tags) -> None:
    assert first.over(second).over(third) == first.over(second.over(third))
    assert first.over(first) == first
    assert first.over(Tags()) == first == Tags().over(first)


@given(st.integers(0, 10**18), st.integers(0, 10**18), st.integers(0, 10**18))
def test_what_remains_is_never_negative(cap: int, used: int, held: int) -> None:
    state = LimitState(Limit(Metric.CREDITS, Window.MONTH, cap, "tenant:acme"), used, held, None)
    assert state.remaining == max(0, cap - used - held)


def test_ids_sort_by_time_and_are_version_7() -> None:
    ids = []
    for _ in range(5):
        ids.append(new_id())
        time.sleep(0.002)
    assert ids == sorted(ids)
    assert {one.version for one in ids} == {7}
    assert len({new_id() for _ in range(10_000)}) == 10_000


def test_ids_of_a_process_sort_in_the_order_in_which_they_were_made() -> None:
    ids = []
    for _ in range(500):
        ids.append(new_id())
        time.sleep(0.000_002)
    assert ids == sorted(ids)
    assert {(made.version, made.variant) for made in ids} == {(7, RFC_4122)}
