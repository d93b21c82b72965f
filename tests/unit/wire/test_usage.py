"""Usage in disjoint classes that sum to the provider's total; unknown where it can't be read."""

from typing import Any

import pytest
from genai_prices import extract_usage
from hypothesis import given
from hypothesis import strategies as st

from aikit.types import Usage
from aikit.wire.codec import Codec
from unit.wire.samples import (
    ALL,
    ANTHROPIC,
    ANTHROPIC_USAGE,
    CHAT,
    CHAT_USAGE,
    EMBEDDINGS,
    GEMINI,
    GENERATING,
    RESPONSES,
    RESPONSES_USAGE,
    raw,
)

counts = st.integers(0, 10_000)


def usage_of(codec: Codec, body: dict[str, Any]) -> Usage | None:
    return codec.read_response(raw(body)).usage


def gemini(**report: Any) -> Usage | None:
    return usage_of(GEMINI, {"usageMetadata": report, "modelVersion": "gemini-2.5-flash"})


def chat(**report: Any) -> Usage | None:
    return usage_of(CHAT, {"model": "gpt-4o", "usage": report})


def test_chat_splits_the_prompt_and_the_completion() -> None:
    assert chat(**CHAT_USAGE) == Usage(input=35, cache_read=60, input_audio=5, output=27, reasoning=20, output_audio=3)


def test_chat_needs_no_details() -> None:
    assert chat(prompt_tokens=9, completion_tokens=0) == Usage(input=9)
    nothing = {"prompt_tokens_details": None, "completion_tokens_details": None, "total_tokens": None}
    assert chat(prompt_tokens=9, completion_tokens=4, **nothing) == Usage(input=9, output=4)


def test_reasoning_beside_the_completion_is_found_in_the_total() -> None:
    named = {"completion_tokens_details": {"reasoning_tokens": 300}}
    assert chat(prompt_tokens=10, completion_tokens=5, total_tokens=315, **named) == Usage(10, output=5, reasoning=300)
    assert chat(prompt_tokens=10, completion_tokens=5, total_tokens=65) == Usage(10, output=5, reasoning=50)


def test_inconsistent_counts_are_taken_upward_and_never_below_zero() -> None:
    assert chat(prompt_tokens=10, completion_tokens=5, prompt_tokens_details={"cached_tokens": 40}) == Usage(
        cache_read=40, output=5
    )
    assert chat(prompt_tokens=10, completion_tokens=5, completion_tokens_details={"reasoning_tokens": 9}) == Usage(
        input=10, reasoning=9
    )


def test_a_search_model_is_billed_for_a_search_each_time() -> None:
    report = {"prompt_tokens": 1, "completion_tokens": 1}
    usage = usage_of(CHAT, {"model": "gpt-4o-search-preview", "usage": report})
    assert usage is not None
    assert usage.searches == 1


def test_responses_count_reasoning_caches_and_completed_searches() -> None:
    output = [
        {"type": "web_search_call"},
        {"type": "web_search_call", "status": "completed"},
        {"type": "web_search_call", "status": "failed"},
        {"type": "file_search_call"},
    ]
    usage = usage_of(RESPONSES, {"status": "completed", "usage": RESPONSES_USAGE, "output": output})
    assert usage == Usage(input=64, cache_read=128, cache_write_5m=8, output=26, reasoning=64, searches=2)


def test_a_response_that_still_runs_is_not_finished() -> None:
    outcome = RESPONSES.read_response(raw({"status": "queued", "usage": None}))
    assert (outcome.finished, outcome.usage) == (False, None)


def test_embeddings_have_input_only() -> None:
    assert usage_of(EMBEDDINGS, {"usage": {"prompt_tokens": 8, "total_tokens": 8}}) == Usage(input=8)


def test_anthropic_keeps_caches_beside_the_input_and_thinking_inside_the_output() -> None:
    report = ANTHROPIC_USAGE | {
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 15},
        "server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 1},
    }
    assert usage_of(ANTHROPIC, {"usage": report}) == Usage(
        input=21, cache_read=1_000, cache_write_5m=500, cache_write_1h=200, output=25, reasoning=15, searches=3
    )


@pytest.mark.parametrize(
    ("report", "for_5m", "for_1h"),
    [
        ({"cache_creation_input_tokens": 90}, 90, 0),
        ({"cache_creation_input_tokens": 90, "cache_creation": {"ephemeral_1h_input_tokens": 30}}, 60, 30),
        ({"cache_creation_input_tokens": 90, "cache_creation": {"ephemeral_5m_input_tokens": 30}}, 90, 0),
        ({"cache_creation_input_tokens": 10, "cache_creation": {"ephemeral_1h_input_tokens": 30}}, 0, 30),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}}, 4, 5),
    ],
)
def test_anthropic_cache_writes_without_a_lifetime_are_short(report: dict[str, Any], for_5m: int, for_1h: int) -> None:
    usage = usage_of(ANTHROPIC, {"usage": {"input_tokens": 1, "output_tokens": 1} | report})
    assert usage is not None
    assert (usage.cache_write_5m, usage.cache_write_1h) == (for_5m, for_1h)


def test_anthropic_iterations_beside_the_total_are_added_and_others_are_not() -> None:
    entry = {"input_tokens": 100, "output_tokens": 10, "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
    iterations = [entry | {"type": "message"}, entry | {"type": "compaction"}]
    report = {"input_tokens": 7, "output_tokens": 3, "iterations": iterations}
    assert usage_of(ANTHROPIC, {"usage": report}) == Usage(input=107, output=13)


def test_fast_mode_is_the_tier_that_was_served() -> None:
    report = {"input_tokens": 1, "output_tokens": 1, "service_tier": "standard", "speed": "fast"}
    assert ANTHROPIC.read_response(raw({"usage": report})).service_tier == "fast"


def test_gemini_thoughts_and_tool_prompts_stand_beside() -> None:
    usage = gemini(
        promptTokenCount=100,
        cachedContentTokenCount=40,
        toolUsePromptTokenCount=8,
        candidatesTokenCount=20,
        thoughtsTokenCount=30,
        totalTokenCount=158,
    )
    assert usage == Usage(input=68, cache_read=40, output=20, reasoning=30)


def test_gemini_modalities_have_classes_of_their_own() -> None:
    usage = gemini(
        promptTokenCount=100,
        promptTokensDetails=[
            {"modality": "TEXT", "tokenCount": 10},
            {"modality": "AUDIO", "tokenCount": 60},
            {"modality": "IMAGE", "tokenCount": 25},
            {"modality": "VIDEO", "tokenCount": 5},
        ],
        cachedContentTokenCount=30,
        cacheTokensDetails=[{"modality": "AUDIO", "tokenCount": 20}, {"modality": "IMAGE", "tokenCount": 10}],
        candidatesTokenCount=1_300,
        candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 1_290}],
        totalTokenCount=1_400,
    )
    assert usage == Usage(
        input=15,
        cache_read=10,
        cache_read_audio=20,
        input_audio=40,
        input_image=15,
        output=10,
        output_image=1_290,
    )


def test_gemini_leaves_zeros_out_but_not_everything() -> None:
    assert gemini(promptTokenCount=5) == Usage(input=5)
    assert gemini(promptTokenCount=0) == Usage()
    assert gemini(trafficType="ON_DEMAND") is None
    assert gemini() is None


def test_what_a_gemini_total_has_beyond_its_parts_is_not_lost() -> None:
    assert gemini(promptTokenCount=5, candidatesTokenCount=5, totalTokenCount=25) == Usage(5, output=5, reasoning=15)


@pytest.mark.parametrize(("model", "searches"), [("gemini-2.5-pro", 1), ("gemini-3-pro-preview", 3), ("", 3)])
def test_gemini_bills_queries_since_version_3_and_requests_before(model: str, searches: int) -> None:
    grounding = {"webSearchQueries": ["a", "b", ""], "imageSearchQueries": ["c"]}
    body = {
        "candidates": [{"groundingMetadata": grounding}],
        "usageMetadata": {"promptTokenCount": 1},
        "modelVersion": model,
    }
    usage = usage_of(GEMINI, body)
    assert usage is not None
    assert usage.searches == searches


def test_the_gemini_tier_is_in_its_traffic_type() -> None:
    body = {"usageMetadata": {"promptTokenCount": 1, "trafficType": "ON_DEMAND_PRIORITY"}}
    assert GEMINI.read_response(raw(body)).service_tier == "priority"


BROKEN = [-1, 1.5, "12", True, [1], 10**15]


@pytest.mark.parametrize("value", BROKEN)
def test_a_count_that_is_none_makes_the_usage_unknown(value: Any) -> None:
    assert chat(prompt_tokens=value, completion_tokens=1) is None
    assert chat(prompt_tokens=1, completion_tokens=1, prompt_tokens_details={"cached_tokens": value}) is None
    assert usage_of(RESPONSES, {"usage": {"input_tokens": 1, "output_tokens": value}}) is None
    assert usage_of(EMBEDDINGS, {"usage": {"prompt_tokens": value}}) is None
    assert usage_of(ANTHROPIC, {"usage": {"input_tokens": 1, "output_tokens": value}}) is None
    assert gemini(promptTokenCount=1, candidatesTokenCount=value) is None
    assert gemini(promptTokenCount=1, promptTokensDetails=[{"modality": "AUDIO", "tokenCount": value}]) is None


def test_a_missing_count_is_unknown_and_not_zero() -> None:
    assert chat(prompt_tokens=5) is None
    assert chat(completion_tokens=5) is None
    assert usage_of(ANTHROPIC, {"usage": {"input_tokens": 5}}) is None


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"{}", b'{"usage":7}', b'{"usage":{"a":[]}}', b"[" * 99_999])
def test_a_reply_that_cannot_be_read_has_no_usage_and_raises_nothing(codec: Codec, body: bytes) -> None:
    assert codec.read_response(body).usage is None


@given(st.binary(max_size=300), st.sampled_from(ALL))
def test_no_bytes_make_a_reply_raise(body: bytes, codec: Codec) -> None:
    outcome = codec.read_response(body)
    assert outcome.usage is None or outcome.usage.total_tokens >= 0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["usage", "usageMetadata", "choices", "candidates", "output", "prompt_tokens", "completion_tokens",
                 "input_tokens", "output_tokens", "prompt_tokens_details", "cache_creation", "iterations",
                 "promptTokenCount", "groundingMetadata", "webSearchQueries", "error", "type", "model"]
            ),
            inner,
            max_size=5,
        ),
    ),
    st.sampled_from(GENERATING),
)  # fmt: skip
def test_no_json_makes_a_reply_raise(value: Any, codec: Codec) -> None:
    for body in (value, {"usage": value, "usageMetadata": value, "candidates": value, "output": value}):
        outcome = codec.read_response(raw(body))
        assert outcome.usage is None or min(outcome.usage.counts()) >= 0


def test_an_error_in_a_200_reply_is_seen() -> None:
    assert CHAT.read_response(raw({"error": {"code": 502, "message": "x"}})).error == "502"
    assert ANTHROPIC.read_response(raw({"type": "error", "error": {"type": "overloaded_error"}})).error == (
        "overloaded_error"
    )


@given(prompt=counts, completion=counts, data=st.data())
def test_chat_classes_sum_to_the_total(prompt: int, completion: int, data: st.DataObject) -> None:
    cached = data.draw(st.integers(0, prompt))
    reasoning = data.draw(st.integers(0, completion))
    usage = chat(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details={"cached_tokens": cached},
        completion_tokens_details={"reasoning_tokens": reasoning},
    )
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (prompt, completion)


@given(prompt=counts, tool=counts, candidates=counts, thoughts=counts, data=st.data())
def test_gemini_classes_sum_to_the_total(
    prompt: int, tool: int, candidates: int, thoughts: int, data: st.DataObject
) -> None:
    total = prompt + tool + candidates + thoughts
    usage = gemini(
        promptTokenCount=prompt,
        cachedContentTokenCount=data.draw(st.integers(0, prompt)),
        toolUsePromptTokenCount=tool,
        candidatesTokenCount=candidates,
        thoughtsTokenCount=thoughts,
        totalTokenCount=total,
    )
    assert (usage or Usage()).total_tokens == total


@given(st.dictionaries(st.sampled_from(["prompt_tokens", "completion_tokens", "total_tokens"]), counts),
       st.dictionaries(st.sampled_from(["cached_tokens", "audio_tokens", "cache_write_tokens"]), counts),
       st.dictionaries(st.sampled_from(["reasoning_tokens", "audio_tokens"]), counts))  # fmt: skip
def test_no_report_gives_a_negative_class(report: Any, prompt: Any, completion: Any) -> None:
    usage = chat(**report, prompt_tokens_details=prompt, completion_tokens_details=completion)
    if usage is not None:
        assert min(usage.classes().values()) >= 0
        assert usage.total_tokens >= report.get("total_tokens", 0)
        assert usage.total_tokens >= report["prompt_tokens"] + report["completion_tokens"]


AGREED = [
    (CHAT, "openai", "chat", {"model": "gpt-4o", "usage": CHAT_USAGE}),
    (RESPONSES, "openai", "responses", {"model": "gpt-5-mini", "usage": RESPONSES_USAGE}),
    (EMBEDDINGS, "openai", "embeddings", {"model": "text-embedding-3-small", "usage": {"prompt_tokens": 8}}),
    (
        ANTHROPIC,
        "anthropic",
        "default",
        {"model": "claude-haiku-4-5", "usage": ANTHROPIC_USAGE | {"output_tokens": 40}},
    ),
    (
        GEMINI,
        "google",
        "default",
        {
            "modelVersion": "gemini-2.5-flash",
            "usageMetadata": {
                "promptTokenCount": 100,
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 60}],
                "cachedContentTokenCount": 30,
                "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 20}],
                "toolUsePromptTokenCount": 8,
                "candidatesTokenCount": 20,
                "thoughtsTokenCount": 30,
                "totalTokenCount": 158,
            },
        },
    ),
]


@pytest.mark.parametrize(
    ("codec", "provider", "flavor", "body"), AGREED, ids=lambda value: getattr(value, "name", None)
)
def test_genai_prices_reads_the_same_totals(codec: Codec, provider: str, flavor: str, body: dict[str, Any]) -> None:
    ours = usage_of(codec, body)
    theirs = extract_usage(body, provider_id=provider, api_flavor=flavor).usage
    assert ours is not None
    assert ours.input_tokens == theirs.input_tokens
    assert ours.output_tokens == (theirs.output_tokens or 0)
    assert ours.cache_read + ours.cache_read_audio == (theirs.cache_read_tokens or 0)
    assert ours.cache_write_5m + ours.cache_write_1h == (theirs.cache_write_tokens or 0)
    assert ours.input_audio + ours.cache_read_audio == (theirs.input_audio_tokens or 0)
