"""What is read from a request, what is refused, and what is written into it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.errors import RequestInvalid
from aikit.wire.codec import MAX_OUTPUT_TOKENS, Codec
from unit.wire.samples import (
    ALL,
    ANTHROPIC,
    BODIES,
    CHAT,
    EMBEDDINGS,
    GEMINI,
    GENERATING,
    LIMIT_FIELD,
    RESPONSES,
    demand_for,
    demand_of,
    raw,
    with_limit,
)


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe{}",
        b'\xef\xbb\xbf{"model":"x"}',
        b'{"model":"x","temperature":NaN}',
        b'{"model":"x","temperature":-Infinity}',
        b'{"model":"x","seed":' + b"9" * 5_000 + b"}",
        b'{"model":"x","input":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"model":"x","a":1,"a":2}',
        b'{"model":"x","generationConfig":{"maxOutputTokens":1,"maxOutputTokens":2}}',
    ],
    ids=lambda body: repr(body[:30]),
)
def test_a_body_that_is_not_one_plain_json_object_is_invalid(codec: Codec, body: bytes) -> None:
    with pytest.raises(RequestInvalid) as caught:
        demand_for(codec, body)
    assert caught.value.status == 400
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("codec", [CHAT, RESPONSES, EMBEDDINGS, ANTHROPIC], ids=lambda c: c.name)
@pytest.mark.parametrize("model", [None, "", " ", 7, True, ["gpt"], "x" * 201, "gpt\x00", "a\nb"])
def test_a_model_that_cannot_be_used_is_invalid(codec: Codec, model: Any) -> None:
    with pytest.raises(RequestInvalid, match="model"):
        demand_of(codec, model=model)


@pytest.mark.parametrize("codec", [CHAT, RESPONSES, EMBEDDINGS, ANTHROPIC], ids=lambda c: c.name)
@pytest.mark.parametrize(
    "body",
    [
        b'{"model":"cheap","model":"dear"}',
        b'{"model":"cheap","mod\\u0065l":"dear"}',
        b'{"model":"cheap","Model":"dear"}',
        b'{"model":"cheap","MODEL":"dear"}',
    ],
)
def test_a_model_named_twice_is_invalid_however_it_is_spelled(codec: Codec, body: bytes) -> None:
    with pytest.raises(RequestInvalid):
        demand_for(codec, body)


@pytest.mark.parametrize("name", ["Max_Tokens", "max_to\u212aens", "\u017ftream", "N"])
def test_a_limit_in_other_letters_is_invalid(name: str) -> None:
    with pytest.raises(RequestInvalid, match="capitals"):
        demand_of(CHAT, **{name: 1})


@pytest.mark.parametrize("codec", GENERATING, ids=lambda c: c.name)
@pytest.mark.parametrize("value", [0, -5, True, 1.5, "100", [], MAX_OUTPUT_TOKENS + 1, 10**60])
def test_an_impossible_output_limit_is_invalid_and_named(codec: Codec, value: Any) -> None:
    with pytest.raises(RequestInvalid) as caught:
        demand_of(codec, **with_limit(codec, value))
    assert caught.value.facts["field"].lower().startswith("max")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("codec", GENERATING, ids=lambda c: c.name)
def test_an_output_limit_is_the_bound_and_the_body_stays_the_very_same(codec: Codec) -> None:
    body = raw(BODIES[codec.name] | with_limit(codec, 77))
    demand = demand_for(codec, body)
    assert demand.bound.output_tokens == 77
    assert demand.body is body
    assert demand.wrote == ()


@pytest.mark.parametrize("codec", GENERATING, ids=lambda c: c.name)
@pytest.mark.parametrize("given", [{}, None])
def test_a_missing_output_limit_is_written_in(codec: Codec, given: Any) -> None:
    demand = demand_of(codec, default=321) if given == {} else demand_of(codec, default=321, **with_limit(codec, None))
    sent = json.loads(demand.body)
    assert demand.bound.output_tokens == 321
    assert len(demand.wrote) == 1
    if codec is GEMINI:
        assert sent.pop("generationConfig") == {"maxOutputTokens": 321}
        assert demand.wrote == ("generationConfig.maxOutputTokens",)
    else:
        assert sent.pop(LIMIT_FIELD[codec.name]) == 321
        assert demand.wrote == (LIMIT_FIELD[codec.name],)
    assert sent == BODIES[codec.name]


def test_a_compatible_server_gets_the_older_field_name() -> None:
    demand = demand_of(CHAT, native=False, default=9)
    assert json.loads(demand.body)["max_tokens"] == 9
    assert demand.wrote == ("max_tokens",)


def test_of_two_chat_limits_the_larger_is_the_bound_and_choices_multiply_it() -> None:
    assert demand_of(CHAT, max_tokens=10, max_completion_tokens=30).bound.output_tokens == 30
    assert demand_of(CHAT, max_tokens=10, n=5).bound.output_tokens == 50
    with pytest.raises(RequestInvalid, match="n is 0"):
        demand_of(CHAT, n=0)


def test_gemini_fields_are_read_in_camel_case_and_in_snake_case_but_not_both() -> None:
    camel = demand_of(GEMINI, generationConfig={"maxOutputTokens": 5, "candidateCount": 3})
    snake = demand_of(GEMINI, generation_config={"max_output_tokens": 5, "candidate_count": 3})
    assert camel.bound.output_tokens == snake.bound.output_tokens == 15
    assert camel.wrote == snake.wrote == ()
    for both in (
        {"generationConfig": {"maxOutputTokens": 5, "max_output_tokens": 900}},
        {"generationConfig": {"maxOutputTokens": 5}, "generation_config": {"maxOutputTokens": 900}},
        {"generationConfig": {"maxOutputTokens": 5, "candidateCount": 1, "candidate_count": 8}},
        {"cachedContent": None, "cached_content": "c/1"},
    ):
        with pytest.raises(RequestInvalid, match="twice"):
            demand_of(GEMINI, **both)
    with pytest.raises(RequestInvalid, match="generationConfig"):
        demand_of(GEMINI, generationConfig=[1])


def test_a_default_is_written_into_the_gemini_config_that_is_there() -> None:
    demand = demand_of(GEMINI, generation_config={"temperature": 0, "max_output_tokens": None}, default=8)
    assert json.loads(demand.body)["generation_config"] == {"temperature": 0, "max_output_tokens": 8}


@pytest.mark.parametrize("codec", [CHAT, RESPONSES, ANTHROPIC], ids=lambda c: c.name)
def test_stream_is_a_boolean(codec: Codec) -> None:
    assert demand_of(codec, stream=True).stream is True
    assert demand_of(codec, stream=None).stream is False
    for value in (1, "true", "false"):
        with pytest.raises(RequestInvalid, match="stream"):
            demand_of(codec, stream=value)


def test_the_gemini_path_names_the_model_and_says_whether_it_streams() -> None:
    demand = demand_of(GEMINI, path="/v1/models/gemini-3-pro:streamGenerateContent", model="ignored")
    assert (demand.model, demand.stream) == ("gemini-3-pro", True)
    assert demand_of(GEMINI).stream is False


def test_on_azure_the_deployment_in_the_path_is_the_model() -> None:
    path = "/openai/deployments/gpt-5-pro/chat/completions"
    assert demand_of(CHAT, path=path).model == "gpt-5-pro"
    assert demand_for(CHAT, b'{"messages":[]}', path=path).model == "gpt-5-pro"


def test_a_chat_stream_is_asked_for_usage_that_the_caller_does_not_see() -> None:
    demand = demand_of(CHAT, stream=True, max_tokens=5, stream_options={"include_obfuscation": False})
    assert json.loads(demand.body)["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert demand.hide_usage_event
    assert demand.wrote == ("stream_options.include_usage",)
    for options in (None, {"include_usage": False}, {"include_usage": None}, {"include_usage": 1}):
        assert demand_of(CHAT, stream=True, stream_options=options).hide_usage_event
    with pytest.raises(RequestInvalid, match="stream_options"):
        demand_of(CHAT, stream=True, stream_options=[1])


def test_a_caller_who_asks_for_usage_gets_it_and_the_body_is_untouched() -> None:
    body = raw(BODIES["openai.chat"] | {"stream": True, "max_tokens": 5, "stream_options": {"include_usage": True}})
    demand = demand_for(CHAT, body)
    assert demand.body is body
    assert not demand.hide_usage_event


def test_a_plain_chat_call_is_not_asked_for_stream_options() -> None:
    assert "stream_options" not in json.loads(demand_of(CHAT).body)


def test_what_is_written_keeps_text_and_order() -> None:
    body = b'{"z":1.50,"model":"m","messages":[{"role":"user","content":"Gr\xc3\xbc\xc3\x9fe \\ud800"}],"a":[]}'
    sent = demand_for(CHAT, body, default=1).body
    assert list(json.loads(sent)) == ["z", "model", "messages", "a", "max_completion_tokens"]
    assert json.loads(sent)["messages"] == json.loads(body)["messages"]


def test_a_number_that_json_cannot_carry_back_is_invalid_only_if_it_has_to_be_written() -> None:
    with pytest.raises(RequestInvalid):
        demand_for(CHAT, b'{"model":"m","temperature":1e999}')
    body = b'{"model":"m","temperature":1e999,"max_tokens":1}'
    assert demand_for(CHAT, body).body is body


@pytest.mark.parametrize(
    ("codec", "fields"),
    [
        (CHAT, {"models": ["gpt-5-pro"]}),
        (CHAT, {"plugins": [{"id": "web"}]}),
        (CHAT, {"search_parameters": {"mode": "on"}}),
        (CHAT, {"tools": [{"type": "browser_search"}]}),
        (RESPONSES, {"background": True}),
        (RESPONSES, {"tools": [{"type": "image_generation"}]}),
        (ANTHROPIC, {"fallbacks": "default"}),
        (ANTHROPIC, {"fallbacks": [{"model": "claude-opus-4-5"}]}),
        (ANTHROPIC, {"tools": [{"type": "advisor_20260301", "name": "advisor"}]}),
    ],
)
def test_what_is_billed_outside_the_usage_is_refused_with_the_reason(codec: Codec, fields: dict[str, Any]) -> None:
    with pytest.raises(RequestInvalid, match="can't be metered") as caught:
        demand_of(codec, **fields)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("codec", "fields", "tier"),
    [
        (CHAT, {"service_tier": "flex"}, "flex"),
        (RESPONSES, {"service_tier": "priority"}, "priority"),
        (ANTHROPIC, {"service_tier": "auto"}, "auto"),
        (ANTHROPIC, {"service_tier": "auto", "speed": "fast"}, "fast"),
        (GEMINI, {"serviceTier": "FLEX"}, "flex"),
        (CHAT, {"service_tier": 3}, None),
    ],
)
def test_the_tier_that_decides_the_price_is_read(codec: Codec, fields: dict[str, Any], tier: str | None) -> None:
    assert demand_of(codec, **fields).service_tier == tier


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["type", "content", "parts", "source", "data", "tools"]), inner)
        ),
        max_leaves=8,
    ),
    st.sampled_from(ALL),
)
def test_any_json_is_either_a_demand_or_invalid(value: Any, codec: Codec) -> None:
    for body in (
        raw(value),
        raw(
            BODIES[codec.name] | {"messages": value, "contents": value, "input": value, "tools": value, "max_tokens": 1}
        ),
    ):
        try:
            demand = demand_for(codec, body)
        except RequestInvalid:
            continue
        assert demand.bound.input_tokens > 0


@given(st.binary(max_size=200), st.sampled_from(ALL))
def test_any_bytes_are_either_a_demand_or_invalid(body: bytes, codec: Codec) -> None:
    with pytest.raises(RequestInvalid):
        demand_for(codec, b"\x00" + body)
