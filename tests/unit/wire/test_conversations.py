"""`complete` over the wire: composing a request, and the text of replies and stream events."""

import json
from typing import Any

import pytest

from aikit.wire.codec import ChatRequest, Message
from unit.wire.samples import ANTHROPIC, CHAT, GEMINI, demand_for, raw

TALK = ChatRequest(
    model="m-1",
    messages=[
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Yes?"),
        Message("user", "2+2"),
    ],
    system="You add.",
    max_tokens=50,
    temperature=0.5,
    stream=True,
    extra={"seed": 7},
)
SHORT = ChatRequest(model="m-1", messages=[Message("user", "Hi")])


def test_chat_keeps_system_messages_in_their_place() -> None:
    assert CHAT.compose(TALK) == (
        "/chat/completions",
        {
            "model": "m-1",
            "messages": [
                {"role": "system", "content": "You add."},
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "2+2"},
            ],
            "max_completion_tokens": 50,
            "temperature": 0.5,
            "stream": True,
            "seed": 7,
        },
    )


def test_a_compatible_server_is_asked_with_the_older_field() -> None:
    _, body = CHAT.compose(ChatRequest("m", [Message("user", "Hi")], max_tokens=5, native=False))
    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body


def test_anthropic_takes_system_messages_apart() -> None:
    assert ANTHROPIC.compose(TALK) == (
        "/v1/messages",
        {
            "model": "m-1",
            "messages": [
                {"role": "user", "content": "Hi"},
                {"role": "assistant", "content": "Yes?"},
                {"role": "user", "content": "2+2"},
            ],
            "system": "You add.\n\nBe brief.",
            "max_tokens": 50,
            "temperature": 0.5,
            "stream": True,
            "seed": 7,
        },
    )


def test_gemini_takes_system_messages_apart_and_calls_the_assistant_model() -> None:
    talk = ChatRequest(**{f: getattr(TALK, f) for f in TALK.__slots__} | {"extra": {"generationConfig": {"topK": 3}}})
    path, body = GEMINI.compose(talk)
    assert path == "/v1beta/models/m-1:streamGenerateContent?alt=sse"
    assert body == {
        "contents": [
            {"role": "user", "parts": [{"text": "Hi"}]},
            {"role": "model", "parts": [{"text": "Yes?"}]},
            {"role": "user", "parts": [{"text": "2+2"}]},
        ],
        "systemInstruction": {"parts": [{"text": "You add.\n\nBe brief."}]},
        "generationConfig": {"maxOutputTokens": 50, "temperature": 0.5, "topK": 3},
    }


@pytest.mark.parametrize("codec", [CHAT, ANTHROPIC, GEMINI], ids=lambda c: c.name)
def test_what_is_composed_is_metered_and_gets_the_default_limit(codec: Any) -> None:
    path, body = codec.compose(SHORT)
    below = {"openai.chat": "/v1"}.get(codec.name, "")
    assert codec.matches("POST", below + path)
    demand = demand_for(codec, raw(body), path=below + path, default=12)
    assert (demand.model, demand.bound.output_tokens, len(demand.wrote)) == ("m-1", 12, 1)
    assert "temperature" not in json.dumps(body)


def test_the_text_of_whole_replies() -> None:
    assert CHAT.reply_text({"choices": [{"message": {"content": "four"}}]}) == "four"
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "fo"}, {"type": "text", "text": "ur"}]
    assert ANTHROPIC.reply_text({"content": blocks}) == "four"
    parts = [{"text": "hm", "thought": True}, {"text": "fo"}, {"text": "ur"}]
    assert GEMINI.reply_text({"candidates": [{"content": {"parts": parts}}]}) == "four"


def test_the_text_of_stream_events() -> None:
    assert CHAT.delta_text({"choices": [{"delta": {"content": "fo"}}]}) == "fo"
    assert ANTHROPIC.delta_text({"delta": {"type": "text_delta", "text": "fo"}}) == "fo"
    assert ANTHROPIC.delta_text({"delta": {"type": "input_json_delta", "partial_json": "{"}}) == ""
    assert GEMINI.delta_text({"candidates": [{"content": {"parts": [{"text": "fo"}]}}]}) == "fo"


@pytest.mark.parametrize("codec", [CHAT, ANTHROPIC, GEMINI], ids=lambda c: c.name)
@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": None, "content": None, "candidates": None, "delta": None},
        {"choices": [], "content": ["x"], "candidates": [7], "delta": "x"},
        {"choices": [{"message": {"content": None}, "delta": {"content": 3}}], "delta": {"type": "text_delta"}},
    ],
)
def test_odd_replies_have_no_text(codec: Any, odd: dict[str, object]) -> None:
    assert codec.reply_text(odd) == ""
    assert codec.delta_text(odd) == ""
