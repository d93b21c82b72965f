"""The three APIs' own forms of tools, calls and results; and answers that are none."""

from __future__ import annotations

from typing import Any

import pytest

from aikit.setup.agent.apis import api_of
from aikit.setup.agent.model import History, Nonsense, Result, Said, Told, Tool, ToolCall

TOOL = Tool("check", "Look.", {"type": "object", "properties": {"step": {"type": "string"}}, "required": ["step"]})
CALL = ToolCall("c1", "check", {"step": "files"})


def composed(kind: str, history: History, *, native: bool = True) -> tuple[str, dict[str, Any]]:
    return api_of(kind).compose("the-model", "Be good.", history, [TOOL], 700, native=native)


def test_openai_has_functions_and_messages_of_tools() -> None:
    said = api_of("openai").read(
        {
            "choices": [
                {
                    "message": {
                        "content": None,
                        "tool_calls": [
                            {"id": "c1", "function": {"name": "check", "arguments": '{"step": "files"}'}},
                        ],
                    }
                }
            ]
        }
    )
    assert said.calls == (CALL,) and said.text == ""
    path, body = composed("openai", [Told("Hello."), said, (Result(CALL, "ok"),)])
    assert path == "/chat/completions"
    assert body["tools"][0] == {
        "type": "function",
        "function": {"name": "check", "description": "Look.", "parameters": TOOL.schema},
    }
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][3] == {"role": "tool", "tool_call_id": "c1", "content": "ok"}
    assert body["max_completion_tokens"] == 700 and body["parallel_tool_calls"] is False


def test_a_server_that_is_compatible_with_openai_is_sent_only_what_all_of_them_know() -> None:
    _, body = composed("openai", [Told("Hello.")], native=False)
    assert body["max_tokens"] == 700 and "parallel_tool_calls" not in body and "max_completion_tokens" not in body


def test_anthropic_has_blocks_and_thoughts_go_back_as_they_came() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    used = {"type": "tool_use", "id": "c1", "name": "check", "input": {"step": "files"}}
    said = api_of("anthropic").read({"content": [thought, {"type": "text", "text": "Well."}, used]})
    assert said.text == "Well." and said.calls == (CALL,)
    path, body = composed("anthropic", [Told("Hello."), said, (Result(CALL, "ok"),)])
    assert path == "/v1/messages" and body["system"] == "Be good." and body["max_tokens"] == 700
    assert body["tools"] == [{"name": "check", "description": "Look.", "input_schema": TOOL.schema}]
    assert body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert body["messages"][1]["content"][0] == thought
    assert body["messages"][2] == {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "ok"}],
    }


def test_gemini_has_parts_and_their_signatures_go_back() -> None:
    wanted = {"functionCall": {"name": "check", "args": {"step": "files"}}, "thoughtSignature": "sig"}
    thought = {"text": "hidden", "thought": True}
    said = api_of("gemini").read({"candidates": [{"content": {"parts": [thought, {"text": "Well."}, wanted]}}]})
    assert said.text == "Well." and said.calls[0].arguments == {"step": "files"}
    path, body = composed("gemini", [Told("Hello."), said, (Result(said.calls[0], "ok"),)])
    assert path == "/v1beta/models/the-model:generateContent"
    assert body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == TOOL.schema
    assert wanted in body["contents"][1]["parts"] and thought not in body["contents"][1]["parts"]
    assert body["contents"][2]["parts"] == [{"functionResponse": {"name": "check", "response": {"result": "ok"}}}]
    assert body["generationConfig"] == {"maxOutputTokens": 700}


def test_gemini_gets_back_the_id_that_it_gave() -> None:
    said = api_of("gemini").read(
        {"candidates": [{"content": {"parts": [{"functionCall": {"id": "g7", "name": "check", "args": {}}}]}}]}
    )
    _, body = composed("gemini", [Told("Hello."), said, (Result(said.calls[0], "ok"),)])
    assert body["contents"][2]["parts"][0]["functionResponse"]["id"] == "g7"


def test_a_model_with_a_slash_or_a_question_in_its_name_reaches_no_other_path() -> None:
    path, _ = api_of("gemini").compose("../x?y=1", "", [], [TOOL], 1, native=True)
    assert path == "/v1beta/models/..%2Fx%3Fy%3D1:generateContent"


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("body", [{}, {"choices": []}, {"content": 3}, {"candidates": [{}]}, {"candidates": "x"}])
def test_what_is_no_answer_is_nonsense(kind: str, body: dict[str, Any]) -> None:
    with pytest.raises(Nonsense):
        api_of(kind).read(body)


@pytest.mark.parametrize("arguments", ["not json", "[1]", "3", None, 7, "[" * 100_000])
def test_arguments_that_are_no_object_are_none_and_can_still_be_answered(arguments: object) -> None:
    said = api_of("openai").read(
        {"choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "check", "arguments": arguments}}]}}]}
    )
    assert said.calls[0].arguments is None
    assert said.message["tool_calls"][0]["function"]["arguments"] == "{}"


@pytest.mark.parametrize(("name", "id"), [("../x", "a b"), ("", ""), ("x" * 65, None), (None, 5), ("a\nb", "é")])
def test_names_and_ids_that_no_provider_takes_back_are_replaced(name: object, id: object) -> None:
    used = {"type": "tool_use", "id": id, "name": name, "input": {}}
    said = api_of("anthropic").read({"content": [used]})
    assert said.calls[0].name == "unknown" and said.calls[0].id == "call_0"
    assert said.message["content"][0]["name"] == "unknown"


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
def test_no_more_than_eight_calls_of_an_answer_are_read(kind: str) -> None:
    body = {
        "choices": [{"message": {"tool_calls": [{"id": "c", "function": {"name": "x", "arguments": "{}"}}] * 500}}],
        "content": [{"type": "tool_use", "id": "c", "name": "x", "input": {}}] * 500,
        "candidates": [{"content": {"parts": [{"functionCall": {"name": "x", "args": {}}}] * 500}}],
    }
    assert len(api_of(kind).read(body).calls) == 8


def test_an_empty_answer_leaves_no_empty_message_behind() -> None:
    for kind, body in (("anthropic", {"content": []}), ("gemini", {"candidates": [{"content": {"parts": []}}]})):
        said = api_of(kind).read(body)
        assert said == Said("", (), said.message)
        _, sent = composed(kind, [Told("Hello."), said, Told("Again.")])
        assert len(sent.get("messages") or sent["contents"]) == 2
