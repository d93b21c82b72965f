"""The characters of a prompt: all text that a model reads, wherever it stands, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.wire.characters import prose
from aikit.wire.codec import Codec
from unit.wire.samples import ALL, ANTHROPIC, CHAT, EMBEDDINGS, GEMINI, RESPONSES, demand_of

TEXT = "Grüße 🌍, 世界"
LONG = len(TEXT)
BLOB = "QUJD" * 500
SCHEMA = {"type": "object", "properties": {"city": {"description": TEXT}}}
IN_SCHEMA = LONG + len("typeobjectpropertiescitydescription")


def chat(*messages: dict[str, Any]) -> dict[str, Any]:
    return {"messages": list(messages)}


def user(*parts: dict[str, Any]) -> dict[str, Any]:
    return chat({"role": "user", "content": list(parts)})


def contents(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(parts)}]}


def called(arguments: str) -> dict[str, Any]:
    calls = [{"id": "call_1", "type": "function", "function": {"name": "find", "arguments": arguments}}]
    return {"role": "assistant", "content": None, "tool_calls": calls}


@pytest.mark.parametrize(
    ("codec", "fields", "characters"),
    [
        (CHAT, chat({"role": "system", "content": TEXT}, {"role": "user", "content": TEXT}), 2 * LONG),
        (CHAT, chat({"role": "user", "name": "ann", "content": TEXT}), LONG + 3),
        (CHAT, user({"type": "text", "text": TEXT}, {"type": "text", "text": TEXT}), 2 * LONG),
        (CHAT, chat(called(TEXT)), LONG + len("find")),
        (CHAT, chat({"role": "tool", "tool_call_id": "call_1", "content": TEXT}), LONG),
        (CHAT, chat({"role": "assistant", "refusal": TEXT}), LONG),
        (CHAT, chat() | {"tools": [{"function": {"name": "f", "parameters": SCHEMA}}]}, IN_SCHEMA + 23),
        (CHAT, chat() | {"functions": [{"name": "f", "parameters": SCHEMA}]}, IN_SCHEMA + 15),
        (CHAT, chat() | {"response_format": {"json_schema": {"schema": SCHEMA}}}, IN_SCHEMA + 6),
        (RESPONSES, {"input": TEXT, "instructions": TEXT}, 2 * LONG),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_text", "text": TEXT}]}]}, LONG),
        (RESPONSES, {"input": [{"type": "function_call", "name": "f", "arguments": TEXT}]}, LONG + 1),
        (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "c", "output": TEXT}]}, LONG),
        (RESPONSES, {"input": [{"type": "custom_tool_call", "name": "f", "input": TEXT}]}, LONG + 1),
        (RESPONSES, {"input": "", "prompt": {"id": "p", "variables": {"id": TEXT, "b": {"text": TEXT}}}}, 2 * LONG),
        (RESPONSES, {"input": "", "text": {"format": {"schema": SCHEMA}}}, IN_SCHEMA + 6),
        (EMBEDDINGS, {"input": TEXT}, LONG),
        (EMBEDDINGS, {"input": [TEXT, TEXT]}, 2 * LONG),
        (EMBEDDINGS, {"input": [[1, 2], [3]]}, 0),
        (ANTHROPIC, chat({"role": "user", "content": TEXT}) | {"system": TEXT}, 2 * LONG),
        (ANTHROPIC, chat() | {"system": [{"type": "text", "text": TEXT, "cache_control": {"type": "x"}}]}, LONG),
        (ANTHROPIC, user({"type": "document", "title": "T", "source": {"type": "text", "data": TEXT}}), LONG + 1),
        (ANTHROPIC, user({"type": "document", "source": {"type": "content", "content": TEXT}}), LONG),
        (ANTHROPIC, user({"type": "tool_use", "id": "t", "name": "f", "input": {"id": TEXT, "n": 1}}), LONG + 4),
        (ANTHROPIC, user({"type": "tool_result", "tool_use_id": "t", "content": [{"text": TEXT}]}), LONG),
        (ANTHROPIC, user({"type": "thinking", "thinking": TEXT, "signature": BLOB}), LONG),
        (ANTHROPIC, chat() | {"tools": [{"name": "f", "input_schema": SCHEMA}]}, IN_SCHEMA + 17),
        (ANTHROPIC, chat() | {"output_config": {"format": {"schema": SCHEMA}}}, IN_SCHEMA + 6),
        (GEMINI, contents({"text": TEXT}, {"text": TEXT, "thoughtSignature": BLOB}), 2 * LONG),
        (GEMINI, contents() | {"systemInstruction": {"parts": [{"text": TEXT}]}}, LONG),
        (GEMINI, contents() | {"system_instruction": {"parts": [{"text": TEXT}]}}, LONG),
        (GEMINI, contents({"functionCall": {"name": "f", "args": {"type": TEXT}}}), LONG + 5),
        (GEMINI, contents({"function_response": {"name": "f", "response": {"data": [TEXT]}}}), LONG + 5),
        (GEMINI, contents() | {"tools": [{"functionDeclarations": [SCHEMA]}]}, IN_SCHEMA + 20),
        (GEMINI, contents() | {"generationConfig": {"responseSchema": SCHEMA}}, IN_SCHEMA),
    ],
)
def test_text_counts_whoever_wrote_it(codec: Codec, fields: dict[str, Any], characters: int) -> None:
    assert demand_of(codec, **fields).characters == characters


@pytest.mark.parametrize(
    ("codec", "fields"),
    [
        (CHAT, user({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{BLOB}"}})),
        (CHAT, user({"type": "input_audio", "input_audio": {"data": BLOB, "format": "wav"}})),
        (CHAT, user({"type": "file", "file": {"file_data": f"data:application/pdf;base64,{BLOB}"}})),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": BLOB}]}]}),
        (RESPONSES, {"input": [{"role": "user", "content": [{"type": "input_file", "file_data": BLOB}]}]}),
        (RESPONSES, {"input": [{"type": "reasoning", "id": "r", "summary": [], "encrypted_content": BLOB}]}),
        (RESPONSES, {"input": [{"type": "image_generation_call", "id": "i", "result": BLOB}]}),
        (ANTHROPIC, user({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": BLOB}})),
        (ANTHROPIC, user({"type": "redacted_thinking", "data": BLOB})),
        (GEMINI, contents({"inlineData": {"mimeType": "image/png", "data": BLOB}})),
        (GEMINI, contents({"inline_data": {"mime_type": "audio/mp3", "data": BLOB}})),
    ],
)
def test_what_is_sent_in_base64_is_no_text(codec: Codec, fields: dict[str, Any]) -> None:
    assert demand_of(codec, **fields).characters == 0


@pytest.mark.parametrize("codec", ALL, ids=lambda c: c.name)
def test_characters_are_counted_and_not_bytes(codec: Codec) -> None:
    assert demand_of(codec).characters == len("Hellothere" if codec is EMBEDDINGS else "Hello")
    field = {"contents": [{"parts": [{"text": TEXT}]}]} if codec is GEMINI else {"messages": [{"content": TEXT}]}
    if codec in (RESPONSES, EMBEDDINGS):
        field = {"input": [TEXT]}
    assert demand_of(codec, **field).characters == LONG


def test_no_depth_is_too_deep() -> None:
    deep: Any = {"type": "text", "text": TEXT}
    for _ in range(20_000):
        deep = {"type": "text", "data": [{"content": [deep]}, {"input": {"k": deep["type"]}}]}
    assert prose(deep) == LONG + 20_000 * (len("k") + len("text"))


keys = st.sampled_from(["text", "content", "parts", "thinking", "output", "title", "name", "functionCall", "unknown"])
messages = st.recursive(
    st.text() | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


def strings(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return sum(strings(item) for item in value)
    return len(value) if isinstance(value, str) else 0


@given(messages, st.sampled_from(["system", "user"]))
def test_no_text_is_missed_however_it_is_nested(value: Any, role: str) -> None:
    message = {"role": role, "content": value}
    assert prose([message]) == strings(value)
    assert demand_of(CHAT, messages=[message], max_tokens=1).characters == strings(value)


@given(messages)
def test_a_prompt_has_no_more_characters_than_its_json(value: Any) -> None:
    assert prose(value) <= len(json.dumps(value, ensure_ascii=False))
