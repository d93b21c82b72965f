"""The output limit that is written: for all answers together, lowered when told to, never raised."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.wire.codec import MAX_OUTPUT_TOKENS, Codec, Demand
from unit.wire.samples import ANTHROPIC, CHAT, EMBEDDINGS, GEMINI, GENERATING, RESPONSES, demand_for, demand_of
from unit.wire.samples import with_limit as limited

counts = st.integers(1, 1_000_000)
answers = st.integers(1, 128)


def asking(codec: Codec, answers: int, limit: int | None) -> dict[str, Any]:
    """The fields that ask for so many answers of this length, in the codecs that have alternatives."""
    fields = {} if limit is None else limited(codec, limit)
    if codec is CHAT:
        return fields | {"n": answers}
    if codec is GEMINI:
        return {"generationConfig": fields.get("generationConfig", {}) | {"candidateCount": answers}}
    return fields


def reread(codec: Codec, demand: Demand) -> Demand:
    return demand_for(codec, demand.body, default=7, most=demand.bound.output_tokens)


@pytest.mark.parametrize(
    ("codec", "given_fields", "written"),
    [
        (CHAT, {"n": 3}, {"n": 3, "max_completion_tokens": 33}),
        (GEMINI, {"generationConfig": {"candidateCount": 3}}, {"candidateCount": 3, "maxOutputTokens": 33}),
        (GEMINI, {"generation_config": {"candidate_count": 3}}, {"candidate_count": 3, "maxOutputTokens": 33}),
        (RESPONSES, {}, {"max_output_tokens": 100}),
        (ANTHROPIC, {}, {"max_tokens": 100}),
    ],
)
def test_the_default_is_shared_among_the_answers(
    codec: Codec, given_fields: dict[str, Any], written: dict[str, int]
) -> None:
    demand = demand_of(codec, default=100, **given_fields)
    sent = json.loads(demand.body)
    assert (sent.get("generationConfig") or sent.get("generation_config") or sent).items() >= written.items()
    assert demand.bound.output_tokens == (99 if demand.answers == 3 else 100)
    assert not demand.named_output


def test_an_answer_gets_a_token_however_little_there_is() -> None:
    assert demand_of(CHAT, n=5, default=2).bound.output_tokens == 5
    assert demand_of(CHAT, n=5, max_tokens=9, most=2).bound.output_tokens == 5


@pytest.mark.parametrize(
    ("codec", "fields", "wrote", "sent"),
    [
        (CHAT, {"max_tokens": 900}, ("max_tokens",), {"max_tokens": 100}),
        (CHAT, {"max_completion_tokens": 900}, ("max_completion_tokens",), {"max_completion_tokens": 100}),
        (CHAT, {"max_tokens": 900, "n": 4}, ("max_tokens",), {"max_tokens": 25}),
        (
            CHAT,
            {"max_tokens": 900, "max_completion_tokens": 800},
            ("max_completion_tokens", "max_tokens"),
            {"max_tokens": 100, "max_completion_tokens": 100},
        ),
        (
            CHAT,
            {"max_tokens": 10, "max_completion_tokens": 800},
            ("max_completion_tokens",),
            {"max_tokens": 10, "max_completion_tokens": 100},
        ),
        (RESPONSES, {"max_output_tokens": 900}, ("max_output_tokens",), {"max_output_tokens": 100}),
        (ANTHROPIC, {"max_tokens": 900}, ("max_tokens",), {"max_tokens": 100}),
        (
            GEMINI,
            {"generationConfig": {"maxOutputTokens": 900, "candidateCount": 2}},
            ("generationConfig.maxOutputTokens",),
            {"generationConfig": {"maxOutputTokens": 50, "candidateCount": 2}},
        ),
        (
            GEMINI,
            {"generation_config": {"max_output_tokens": 900, "temperature": 0}},
            ("generation_config.max_output_tokens",),
            {"generation_config": {"max_output_tokens": 100, "temperature": 0}},
        ),
    ],
)
def test_a_larger_limit_is_lowered_in_the_field_that_named_it(
    codec: Codec, fields: dict[str, Any], wrote: tuple[str, ...], sent: dict[str, Any]
) -> None:
    demand = demand_of(codec, most=100, **fields)
    assert demand.wrote == wrote
    assert json.loads(demand.body).items() >= sent.items()
    assert demand.bound.output_tokens == 100
    assert demand.named_output


@pytest.mark.parametrize("codec", GENERATING, ids=lambda c: c.name)
@pytest.mark.parametrize("most", [None, 77, 78])
def test_a_limit_that_fits_stays_as_it_is(codec: Codec, most: int | None) -> None:
    demand = demand_of(codec, default=5, most=most, **limited(codec, 77))
    assert (demand.bound.output_tokens, demand.wrote) == (77, ())


@pytest.mark.parametrize("codec", GENERATING, ids=lambda c: c.name)
def test_what_is_written_is_no_more_than_the_most(codec: Codec) -> None:
    assert demand_of(codec, default=4_096, most=50).bound.output_tokens == 50
    assert demand_of(codec, default=40, most=50).bound.output_tokens == 40


def test_an_empty_gemini_configuration_is_filled_in_its_own_spelling() -> None:
    for spelling in ("generationConfig", "generation_config"):
        demand = demand_of(GEMINI, default=8, **{spelling: None})
        assert json.loads(demand.body)[spelling] == {"maxOutputTokens": 8}
        assert demand.wrote == (f"{spelling}.maxOutputTokens",)
        assert reread(GEMINI, demand).wrote == ()


@given(st.sampled_from(GENERATING), answers, st.none() | counts, st.integers(1, MAX_OUTPUT_TOKENS), st.none() | counts)
def test_the_body_that_is_sent_says_what_was_bounded(
    codec: Codec, answers: int, limit: int | None, default: int, most: int | None
) -> None:
    demand = demand_of(codec, default=default, most=most, **asking(codec, answers, limit))
    again = reread(codec, demand)
    assert again.bound == demand.bound
    assert (again.body, again.wrote, again.named_output) == (demand.body, (), True)
    assert again.answers == demand.answers == (answers if codec in (CHAT, GEMINI) else 1)
    assert demand.bound.output_tokens % demand.answers == 0


@given(st.sampled_from(GENERATING), answers, st.none() | counts, counts, counts)
def test_the_bound_is_within_what_may_be_had(
    codec: Codec, answers: int, limit: int | None, default: int, most: int
) -> None:
    fields = asking(codec, answers, limit)
    demand, free = demand_of(codec, default=default, most=most, **fields), demand_of(codec, default=default, **fields)
    assert demand.bound.output_tokens <= max(most, demand.answers)
    assert demand.bound.output_tokens <= free.bound.output_tokens
    assert demand.named_output is free.named_output is (limit is not None)
    if limit is not None:
        assert free.bound.output_tokens == free.answers * limit
        assert free.wrote == ()


@given(answers, st.none() | counts, st.integers(1, 5_000), counts)
def test_a_prediction_counts_toward_what_may_be_had(answers: int, limit: int | None, length: int, most: int) -> None:
    fields = asking(CHAT, answers, limit) | {"prediction": {"type": "content", "content": "x" * length}}
    demand = demand_of(CHAT, default=most, most=most, **fields)
    assert demand.least_output_tokens > answers * length
    assert demand.bound.output_tokens <= max(most, demand.least_output_tokens)
    assert reread(CHAT, demand).bound == demand.bound


def test_the_least_output_is_what_the_api_would_still_take() -> None:
    assert demand_of(CHAT, n=3).least_output_tokens == 3
    assert demand_of(GEMINI, generationConfig={"candidateCount": 2}).least_output_tokens == 2
    assert demand_of(RESPONSES).least_output_tokens == RESPONSES.least_output_tokens == 16
    assert demand_of(ANTHROPIC).least_output_tokens == 1
    thinking = {"type": "enabled", "budget_tokens": 1_024}
    assert demand_of(ANTHROPIC, thinking=thinking, max_tokens=4_000).least_output_tokens == 1_025
    for odd in ({"type": "adaptive"}, {"budget_tokens": "1024"}, [], None):
        assert demand_of(ANTHROPIC, thinking=odd).least_output_tokens == 1


def test_embeddings_have_no_output_to_be_limited() -> None:
    demand = demand_of(EMBEDDINGS, default=5, most=5)
    assert (demand.named_output, demand.answers, demand.bound.output_tokens) == (True, 1, 0)
    assert demand.wrote == ()
