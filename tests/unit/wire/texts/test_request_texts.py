"""Requests: every text of them is found with its place, and nothing that is none."""

import json
from typing import Any

import pytest

from aikit.errors import GuardBlocked
from aikit.types.guards import Place
from aikit.wire.codec import Codec
from unit.wire.samples import ANTHROPIC, CHAT, EMBEDDINGS, GEMINI, RESPONSES
from unit.wire.texts.answers import guarding, terms

IN, CALLED, RETURNED = Place.INPUT, Place.TOOL_ARGUMENTS, Place.TOOL_RESULTS
OPAQUE = "zebra-opaque"
"""Stands where there is no text: were it looked at, it would be found."""

CHAT_ARGUMENTS = '{"~zebra": ["called ~zebra"]}'
CHAT_BODY = {
    "model": OPAQUE,
    "user": OPAQUE,
    "metadata": {"k": OPAQUE},
    "messages": [
        {"role": "system", "content": "system ~zebra"},
        {
            "role": "user",
            "name": "name ~zebra",
            "content": [
                {"type": "text", "text": "user ~zebra"},
                {"type": "image_url", "image_url": {"url": OPAQUE}},
                {"type": "input_audio", "input_audio": {"data": OPAQUE, "format": "wav"}},
                {"type": "file", "file": {"file_data": OPAQUE, "file_id": OPAQUE}},
                {"type": "from_the_future", "said": {"deeply": ["unknown ~zebra"]}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": OPAQUE,
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"~zebra": ["called ~zebra"]}'},
                },
                {"id": OPAQUE, "type": "custom", "custom": {"name": "g", "input": "custom ~zebra"}},
            ],
        },
        {"role": "tool", "tool_call_id": OPAQUE, "content": [{"type": "text", "text": "returned ~zebra"}]},
        {"role": "function", "name": "f", "content": "returned too ~zebra"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "description": "tool ~zebra", "parameters": {"p": {}}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"title": "format ~zebra"}}},
    "prediction": {"type": "content", "content": "prediction ~zebra"},
}
RESPONSES_BODY = {
    "model": OPAQUE,
    "instructions": "instructions ~zebra",
    "previous_response_id": OPAQUE,
    "prompt": {"id": OPAQUE, "variables": {"who": "variable ~zebra"}},
    "input": [
        {"role": "developer", "content": [{"type": "input_text", "text": "developer ~zebra"}]},
        {"role": "user", "content": "user ~zebra"},
        {"type": "function_call", "call_id": OPAQUE, "name": "f", "arguments": '{"a": "called ~zebra"}'},
        {"type": "function_call_output", "call_id": OPAQUE, "output": "returned ~zebra"},
        {"type": "function_call_output", "call_id": OPAQUE, "output": [{"type": "input_text", "text": "part ~zebra"}]},
        {
            "type": "mcp_call",
            "id": OPAQUE,
            "name": "m",
            "arguments": '{"b": "mcp ~zebra"}',
            "output": "mcp back ~zebra",
        },
        {
            "type": "file_search_call",
            "queries": ["query ~zebra"],
            "results": [{"file_id": OPAQUE, "text": "file ~zebra"}],
        },
        {"type": "code_interpreter_call", "code": "code ~zebra", "outputs": [{"type": "logs", "logs": "logs ~zebra"}]},
        {"type": "shell_call", "call_id": OPAQUE, "action": {"commands": ["shell ~zebra"]}},
        {
            "type": "reasoning",
            "encrypted_content": OPAQUE,
            "summary": [{"type": "summary_text", "text": "thought ~zebra"}],
        },
        {"type": "image_generation_call", "id": OPAQUE, "result": OPAQUE},
        {"type": "mcp_list_tools", "tools": [{"name": "t", "description": "listed ~zebra", "input_schema": {}}]},
    ],
    "tools": [
        {
            "type": "mcp",
            "server_url": OPAQUE,
            "authorization": OPAQUE,
            "headers": {"k": OPAQUE},
            "server_description": "s ~zebra",
        }
    ],
}
ANTHROPIC_BODY = {
    "model": OPAQUE,
    "max_tokens": 10,
    "metadata": {"user_id": OPAQUE},
    "mcp_servers": [{"url": OPAQUE, "authorization_token": OPAQUE}],
    "system": [{"type": "text", "text": "system ~zebra", "cache_control": {"type": OPAQUE}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "user ~zebra"},
                {"type": "image", "source": {"type": "base64", "media_type": OPAQUE, "data": OPAQUE}},
                {"type": "document", "title": "title ~zebra", "source": {"type": "text", "data": "document ~zebra"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "thought ~zebra", "signature": OPAQUE},
                {"type": "redacted_thinking", "data": OPAQUE},
                {"type": "tool_use", "id": OPAQUE, "name": "f", "input": {"~zebra": {"type": "called ~zebra"}}},
                {"type": "mcp_tool_use", "id": OPAQUE, "name": "g", "input": {"a": "mcp ~zebra"}},
                {
                    "type": "mcp_tool_result",
                    "tool_use_id": OPAQUE,
                    "content": [{"type": "text", "text": "back ~zebra"}],
                },
                {
                    "type": "web_search_tool_result",
                    "tool_use_id": OPAQUE,
                    "content": [{"type": "web_search_result", "title": "page ~zebra", "encrypted_content": OPAQUE}],
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": OPAQUE,
                    "content": [
                        {"type": "text", "text": "returned ~zebra"},
                        {"type": "document", "source": {"type": "text", "data": "returned page ~zebra"}},
                    ],
                },
                {"type": "tool_result", "tool_use_id": OPAQUE, "content": "returned too ~zebra"},
            ],
        },
    ],
    "tools": [{"name": "f", "description": "tool ~zebra", "input_schema": {"type": "object"}}],
}
GEMINI_BODY = {
    "systemInstruction": {"parts": [{"text": "system ~zebra"}]},
    "cachedContent": OPAQUE,
    "contents": [
        {
            "role": "user",
            "parts": [
                {"text": "user ~zebra"},
                {"inlineData": {"mimeType": "image/png", "data": OPAQUE}},
                {"file_data": {"file_uri": OPAQUE}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "thought ~zebra", "thought": True, "thoughtSignature": OPAQUE},
                {"functionCall": {"id": OPAQUE, "name": "f", "args": {"~zebra": "called ~zebra"}}},
                {"executable_code": {"language": "PYTHON", "code": "code ~zebra"}},
                {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "ran ~zebra"}},
            ],
        },
        {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"~zebra": ["returned ~zebra"]}}}]},
    ],
    "tools": [{"functionDeclarations": [{"name": "f", "description": "tool ~zebra"}]}],
    "generationConfig": {"responseSchema": {"description": "format ~zebra"}, "stopSequences": [OPAQUE]},
}
FOUND = {
    CHAT: {IN: 7, CALLED: 3, RETURNED: 2},
    RESPONSES: {IN: 6, CALLED: 5, RETURNED: 6},
    ANTHROPIC: {IN: 6, CALLED: 3, RETURNED: 5},
    GEMINI: {IN: 5, CALLED: 3, RETURNED: 3},
}
BODIES = {CHAT: CHAT_BODY, RESPONSES: RESPONSES_BODY, ANTHROPIC: ANTHROPIC_BODY, GEMINI: GEMINI_BODY}


@pytest.mark.parametrize("codec", BODIES, ids=lambda codec: codec.name)
def test_every_text_is_found_at_its_place_and_redacted(codec: Codec) -> None:
    raw = json.dumps(BODIES[codec]).encode()
    guards = guarding(codec, terms("redact", "~zebra"))
    sent = guards.request(raw)
    times = dict.fromkeys((IN, CALLED, RETURNED), 0)
    for found in guards.input_findings:
        times[found.place] += found.times
    assert times == FOUND[codec]
    assert sum(times.values()) == raw.count(b"~zebra")
    assert b"~zebra" not in sent
    assert json.loads(sent.replace(b"[TERM_1]", b"~zebra")) == json.loads(
        json.dumps(BODIES[codec])
        .replace(r"{\"~zebra\": [\"called ~zebra\"]}", r"{\"~zebra\":[\"called ~zebra\"]}")
        .replace(r"{\"a\": \"called", r"{\"a\":\"called")
        .replace(r"{\"b\": \"mcp", r"{\"b\":\"mcp")
    )


@pytest.mark.parametrize("codec", BODIES, ids=lambda codec: codec.name)
@pytest.mark.parametrize("place", [IN, CALLED, RETURNED])
def test_a_guard_sees_the_texts_of_its_places_only(codec: Codec, place: Place) -> None:
    guards = guarding(codec, terms("flag", "~zebra", places=[place]))
    raw = json.dumps(BODIES[codec]).encode()
    assert guards.request(raw) is raw
    assert {found.place for found in guards.input_findings} == {place}
    assert sum(found.times for found in guards.input_findings) == FOUND[codec][place]


@pytest.mark.parametrize("codec", [*BODIES, EMBEDDINGS], ids=lambda codec: codec.name)
def test_paths_have_no_names_that_the_caller_or_the_model_chose(codec: Codec) -> None:
    guards = guarding(codec, terms("flag", "~zebra"))
    guards.request(json.dumps(BODIES.get(codec, {"model": "m", "input": ["~zebra"]})).encode())
    assert guards.input_findings
    assert not [found.at for found in guards.input_findings if "zebra" in found.at]


@pytest.mark.parametrize("given", ["a zebra", ["one", "a zebra"]])
def test_embeddings_are_checked_too(given: Any) -> None:
    guards = guarding(EMBEDDINGS, terms("block", "zebra"))
    with pytest.raises(GuardBlocked, match="banned_terms found term in"):
        guards.request(json.dumps({"model": "m", "input": given}).encode())
    [found] = guards.input_findings
    assert found.at in ("input", "input/1")


def test_embeddings_of_tokens_pass() -> None:
    raw = b'{"model": "m", "input": [[1, 2], [3]]}'
    assert guarding(EMBEDDINGS, terms("block", "zebra")).request(raw) is raw


@pytest.mark.parametrize(
    ("arguments", "sent"),
    [
        ('{"a": "x"}', '{"a": "x"}'),
        ('{"a": "\\u007aebra"}', '{"a":"[TERM_1]"}'),
        ('{"a": "\\u007aebra"', '{"a": "[TERM_1]"'),
        ('{"a": "x", "a": "zebra"}', '{"a": "x", "a": "[TERM_1]"}'),
        ('{"a": 1e999, "b": "zebra"}', '{"a": 1e999, "b": "[TERM_1]"}'),
        ("run zebra", "run [TERM_1]"),
        ('"zebra"', '"[TERM_1]"'),
    ],
)
def test_arguments_are_checked_as_what_they_say(arguments: str, sent: str) -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    raw = json.dumps({"model": "m", "messages": [{"role": "assistant", "tool_calls": calls}]}).encode()
    told = json.loads(guarding(CHAT, terms("redact", "zebra")).request(raw))
    assert told["messages"][0]["tool_calls"][0]["function"]["arguments"] == sent
