"""What stands beside the answer: hosted tools, sources, refusals, and the ways in which servers differ."""

import json
from typing import Any

import pytest

from aikit.errors import GuardBlocked
from aikit.types.guards import Place
from aikit.wire.codec import Codec
from unit.wire.samples import ANTHROPIC, CHAT, GEMINI, RESPONSES, sse
from unit.wire.texts.answers import data_of, guarding, passed, terms

REDACTS = terms("redact", "zebra")


def through(codec: Codec, *told: Any) -> list[Any]:
    return data_of(passed(guarding(codec, REDACTS), sse(*told)))


def whole(codec: Codec, reply: Any) -> Any:
    return json.loads(guarding(codec, REDACTS).response(json.dumps(reply).encode()))


def places(codec: Codec, *told: Any) -> list[Place]:
    guards = guarding(codec, terms("flag", "zebra"))
    passed(guards, sse(*told))
    return [found.place for found in guards.output_findings]


def chat(*choices: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "choices": list(choices), **more}


def choice(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def contents(found: list[Any], index: int = 0, key: str = "content") -> str:
    deltas = [one["delta"] for event in found for one in event["choices"] if one["index"] == index]
    return "".join(delta.get(key) or "" for delta in deltas)


# OpenAI chat

CALLED = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"to": "zebra"}'}}


def test_two_choices_in_one_event_are_two_texts() -> None:
    found = through(
        CHAT,
        chat(choice(0, content="a ze"), choice(1, content="bra ze")),
        chat(choice(0, content="bra!"), choice(1, content="bu", finish="stop")),
        chat(choice(0, finish="stop")),
        "[DONE]",
    )
    assert (contents(found, 0), contents(found, 1)) == ("a [TERM_1]!", "bra zebu")


def test_text_in_the_very_event_that_ends_the_choice_stays_in_it() -> None:
    told = chat(choice(content="a zebra", finish="stop"), usage={"total_tokens": 3})
    assert through(CHAT, told) == [chat(choice(content="a [TERM_1]", finish="stop"), usage={"total_tokens": 3})]


def test_calls_without_index_or_id_and_in_the_last_event_are_checked() -> None:
    call = {"function": {"name": "f", "arguments": '{"a": "zebra"}'}}
    [only] = through(CHAT, chat(choice(tool_calls=[call], finish="tool_calls")))
    assert only["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] == '{"a":"[TERM_1]"}'


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    def call(id: str) -> dict[str, Any]:
        return {"index": 0, "id": id, "type": "function", "function": {"name": "f", "arguments": '{"a": "zebra"}'}}

    found = through(CHAT, chat(choice(tool_calls=[call("1")])), chat(choice(tool_calls=[call("2")])), "[DONE]")
    calls = [one for event in found for one in event["choices"][0]["delta"]["tool_calls"]]
    assert [one["function"]["arguments"] for one in calls] == ['{"a":"[TERM_1]"}'] * 2


def test_the_older_function_call_and_custom_tools_are_checked() -> None:
    found = through(
        CHAT,
        chat(choice(function_call={"name": "f", "arguments": '{"a": "ze'})),
        chat(choice(function_call={"arguments": 'bra"}'})),
        chat(choice(tool_calls=[{"index": 0, "id": "1", "type": "custom", "custom": {"name": "g", "input": "a ze"}}])),
        chat(choice(tool_calls=[{"index": 0, "custom": {"input": "bra"}}])),
        chat(choice(finish="tool_calls")),
    )
    deltas = [event["choices"][0]["delta"] for event in found]
    assert "".join(delta["function_call"]["arguments"] for delta in deltas[:2]) == '{"a":"[TERM_1]"}'
    assert "".join(delta["tool_calls"][0]["custom"]["input"] for delta in deltas[2:4]) == "a [TERM_1]"


def test_refusals_thoughts_and_unknown_strings_are_texts_of_their_own() -> None:
    for key in ("refusal", "reasoning_content", "reasoning", "from_the_future"):
        found = through(CHAT, chat(choice(**{key: "a ze"})), chat(choice(**{key: "bra!"})), chat(choice(finish="stop")))
        assert contents(found, key=key) == "a [TERM_1]!"
        message = {"role": "assistant", "content": None, key: "a zebra"}
        assert (
            whole(CHAT, {"choices": [{"index": 0, "message": message}]})["choices"][0]["message"][key] == "a [TERM_1]"
        )


def test_content_in_parts_and_details_of_thoughts_go_on_from_event_to_event() -> None:
    def parts(text: str) -> list[dict[str, Any]]:
        return [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]

    found = through(CHAT, chat(choice(content=parts("a ze"))), chat(choice(content=parts("bra!"))), "[DONE]")
    told = [event["choices"][0]["delta"]["content"][0]["thinking"][0]["text"] for event in found]
    assert "".join(told) == "a [TERM_1]!"
    details = [[{"type": "reasoning.text", "format": "f-v1", "index": 0, "text": text}] for text in ("a ze", "bra!")]
    found = through(CHAT, *(chat(choice(reasoning_details=one)) for one in details), "[DONE]")
    kept = [one for event in found for one in event["choices"][0]["delta"]["reasoning_details"]]
    assert "".join(one["text"] for one in kept) == "a [TERM_1]!"
    assert {one["format"] for one in kept} == {"f-v1"}


def test_sources_are_checked_and_go_once_the_text_they_point_into_is_altered() -> None:
    source = {"type": "url_citation", "url_citation": {"title": "A zebra", "url": "https://x", "start_index": 0}}
    found = through(CHAT, chat(choice(annotations=[source])), chat(choice(content="a zebra!", annotations=[source])))
    first, second = (event["choices"][0]["delta"]["annotations"] for event in found[:2])
    assert first[0]["url_citation"]["title"] == "A [TERM_1]"
    assert second == []
    message = {"role": "assistant", "content": "a zebra", "annotations": [source]}
    assert whole(CHAT, {"choices": [{"index": 0, "message": message}]})["choices"][0]["message"]["annotations"] == []


def test_sound_is_left_alone_and_its_transcript_is_not() -> None:
    found = through(
        CHAT,
        chat(choice(audio={"id": "zebra", "data": "zebra", "transcript": "a ze"})),
        chat(choice(audio={"data": "AAAA", "transcript": "bra!"})),
        chat(choice(finish="stop")),
    )
    sounds = [event["choices"][0]["delta"].get("audio", {}) for event in found]
    assert "".join(one.get("transcript", "") for one in sounds) == "a [TERM_1]!"
    assert [one["data"] for one in sounds if "data" in one] == ["zebra", "AAAA"]


def test_what_a_choice_tells_beside_its_delta_is_checked_too() -> None:
    """Some servers repeat the message so far with every delta, or answer with one object though a stream was asked."""
    told = choice(content="hi") | {"message": {"role": "assistant", "content": "a zebra"}, "text": "zebra"}
    (found,) = through(CHAT, chat(told))
    assert found["choices"][0]["message"]["content"] == "a [TERM_1]" and found["choices"][0]["text"] == "[TERM_1]"
    alone = {"index": 0, "message": {"content": "a zebra", "tool_calls": [CALLED]}, "finish_reason": "stop"}
    passed_on = json.loads(passed(guarding(CHAT, REDACTS), json.dumps(chat(alone)).encode()))
    assert "zebra" not in json.dumps(passed_on)
    assert whole(CHAT, chat(alone | {"text": "zebra"}))["choices"][0]["text"] == "[TERM_1]"


def test_events_without_choices_and_comments_pass_as_they_are() -> None:
    raw = b": keep alive\r\n\r\n" + sse(
        chat(prompt_filter_results=[]), chat(usage={"total_tokens": 1}), "[DONE]", end="\r\n"
    )
    assert passed(guarding(CHAT, REDACTS), raw, [3]) == raw


# OpenAI Responses


def event(kind: str, number: int, **fields: Any) -> tuple[str, dict[str, Any]]:
    return f"response.{kind}", {"type": f"response.{kind}", "sequence_number": number, **fields}


HOSTED: list[tuple[dict[str, Any], list[Place]]] = [
    ({"type": "web_search_call", "action": {"type": "search", "query": "zebra"}}, [Place.TOOL_ARGUMENTS]),
    ({"type": "file_search_call", "queries": ["q"], "results": [{"text": "zebra"}]}, [Place.TOOL_RESULTS]),
    ({"type": "mcp_call", "arguments": '{"a": "zebra"}', "output": "fine"}, [Place.TOOL_ARGUMENTS]),
    ({"type": "mcp_call", "arguments": "{}", "output": "zebra"}, [Place.TOOL_RESULTS]),
    ({"type": "mcp_list_tools", "tools": [{"name": "t", "description": "zebra"}]}, [Place.TOOL_RESULTS]),
    ({"type": "code_interpreter_call", "code": "zebra", "outputs": None}, [Place.TOOL_ARGUMENTS]),
    ({"type": "code_interpreter_call", "code": "", "outputs": [{"logs": "zebra"}]}, [Place.TOOL_RESULTS]),
    ({"type": "shell_call", "action": {"commands": ["echo zebra"]}}, [Place.TOOL_ARGUMENTS]),
    ({"type": "shell_call_output", "output": [{"stdout": "zebra", "stderr": ""}]}, [Place.TOOL_RESULTS]),
    ({"type": "custom_tool_call", "name": "f", "input": "zebra"}, [Place.TOOL_ARGUMENTS]),
    ({"type": "image_generation_call", "result": "zebra"}, []),
    ({"type": "reasoning", "summary": [], "encrypted_content": "zebra"}, []),
    ({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "zebra"}]}, [Place.OUTPUT]),
    ({"type": "message", "content": [{"type": "refusal", "refusal": "zebra"}]}, [Place.OUTPUT]),
]


@pytest.mark.parametrize(("item", "found"), HOSTED)
def test_items_of_hosted_tools_are_checked_once_at_their_places(item: dict[str, Any], found: list[Place]) -> None:
    item = {"id": "zebra", "status": "completed", **item}
    told = [
        event("output_item.done", 1, output_index=0, item=item),
        event("completed", 2, response={"id": "zebra", "output": [item]}),
    ]
    assert places(RESPONSES, *told) == found
    for one in through(RESPONSES, *told):
        items = [one["item"]] if "item" in one else one["response"]["output"]
        assert json.dumps(items).count("[TERM_1]") == len(found)
        assert items[0]["id"] == "zebra"


@pytest.mark.parametrize(
    ("base", "field", "place"),
    [
        ("refusal", "refusal", Place.OUTPUT),
        ("reasoning_text", "text", Place.OUTPUT),
        ("function_call_arguments", "arguments", Place.TOOL_ARGUMENTS),
        ("mcp_call_arguments", "arguments", Place.TOOL_ARGUMENTS),
        ("custom_tool_call_input", "input", Place.TOOL_ARGUMENTS),
        ("code_interpreter_call_code", "code", Place.TOOL_ARGUMENTS),
        ("shell_call_command", "command", Place.TOOL_ARGUMENTS),
        ("from_the_future", "text", Place.OUTPUT),
    ],
)
def test_every_text_that_grows_by_deltas_is_checked_as_one(base: str, field: str, place: Place) -> None:
    where = {"item_id": "i", "output_index": 0, "content_index": 0}
    told = [
        event(f"{base}.delta", 1, **where, delta="a ze"),
        event(f"{base}.delta", 2, **where, delta="bra!"),
        event(f"{base}.done", 3, **where, **{field: "a zebra!"}),
    ]
    found = through(RESPONSES, *told)
    assert "".join(one["delta"] for one in found if "delta" in one) == found[-1][field] == "a [TERM_1]!"
    assert places(RESPONSES, *told) == [place]


def test_a_text_that_is_only_told_whole_is_checked_then() -> None:
    where = {"output_index": 0, "content_index": 0}
    [only] = through(RESPONSES, event("output_text.done", 1, **where, text="a zebra", logprobs=[1]))
    assert (only["text"], only["logprobs"]) == ("a [TERM_1]", [])


def test_a_repetition_that_says_something_else_is_checked_itself() -> None:
    where = {"item_id": "i", "output_index": 0, "content_index": 0}
    told = [event("output_text.delta", 1, **where, delta="fine"), event("output_text.done", 2, **where, text="a zebra")]
    assert through(RESPONSES, *told)[-1]["text"] == "a [TERM_1]"


def test_what_a_shell_printed_is_checked_stream_by_stream() -> None:
    where = {"item_id": "i", "output_index": 0, "command_index": 0}
    told = [
        event("shell_call_output_content.delta", 1, **where, delta={"stdout": "a ze", "stderr": "x"}),
        event("shell_call_output_content.delta", 2, **where, delta={"stdout": "bra!"}),
        event("shell_call_output_content.done", 3, **where, output=[{"stdout": "a zebra!", "stderr": "x"}]),
    ]
    found = through(RESPONSES, *told)
    assert "".join(one["delta"].get("stdout", "") for one in found if "delta" in one) == "a [TERM_1]!"
    assert found[-1]["output"][0] == {"stdout": "a [TERM_1]!", "stderr": "x"}


def test_sound_and_unfinished_images_are_no_texts() -> None:
    told = [
        event("audio.delta", 1, delta="zebra"),
        event("image_generation_call.partial_image", 2, output_index=0, partial_image_b64="zebra"),
    ]
    assert places(RESPONSES, *told) == []


def test_annotations_go_once_their_text_is_altered() -> None:
    where = {"item_id": "i", "output_index": 0, "content_index": 0}
    source = {"type": "url_citation", "title": "A zebra", "url": "https://x", "start_index": 0, "end_index": 3}
    part = {"type": "output_text", "text": "a zebra!", "annotations": [source], "logprobs": []}
    found = through(
        RESPONSES,
        event("output_text.annotation.added", 1, **where, annotation_index=0, annotation=source),
        event("output_text.delta", 2, **where, delta="a zebra!", logprobs=[]),
        event("output_text.annotation.added", 3, **where, annotation_index=1, annotation=source),
        event("content_part.done", 4, **where, part=part),
    )
    assert [one["type"].removeprefix("response.") for one in found] == [
        "output_text.annotation.added",
        "output_text.delta",
        "content_part.done",
    ]
    assert found[0]["annotation"]["title"] == "A [TERM_1]"
    assert found[-1]["part"] | {"text": ""} == {"type": "output_text", "text": "", "annotations": [], "logprobs": []}


# Anthropic


def test_results_of_server_tools_come_whole_and_are_checked_so() -> None:
    page = {"type": "web_search_result", "title": "A zebra", "url": "https://x", "encrypted_content": "zebra"}
    block = {"type": "web_search_tool_result", "tool_use_id": "zebra", "content": [page]}
    told = {"type": "content_block_start", "index": 0, "content_block": block}
    [found] = through(ANTHROPIC, told)
    assert found["content_block"]["content"][0] == page | {"title": "A [TERM_1]"}
    assert places(ANTHROPIC, told) == [Place.TOOL_RESULTS]


def test_citations_go_once_their_text_is_altered() -> None:
    def delta(**fields: Any) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": 0, "delta": fields}

    cited = {"type": "char_location", "cited_text": "a zebra", "document_title": "t", "start_char_index": 0}
    found = through(
        ANTHROPIC,
        delta(type="citations_delta", citation=cited),
        delta(type="text_delta", text="The zebra!"),
        delta(type="citations_delta", citation=cited),
        {"type": "content_block_stop", "index": 0},
    )
    assert [one.get("delta", {}).get("type") for one in found] == ["citations_delta", "text_delta", None]
    assert found[0]["delta"]["citation"]["cited_text"] == "a [TERM_1]"
    reply = {"content": [{"type": "text", "text": "a zebra", "citations": [cited]}]}
    assert whole(ANTHROPIC, reply)["content"] == [{"type": "text", "text": "a [TERM_1]", "citations": None}]


@pytest.mark.parametrize(
    ("codec", "told"),
    [
        (CHAT, {"choices": {"0": {"delta": {"content": "a zebra"}}}}),
        (CHAT, {"choices": ["a zebra"]}),
        (CHAT, {"choices": [{"index": 0, "delta": ["a zebra"]}]}),
        (CHAT, {"choices": [{"index": 0, "message": "a zebra"}]}),
        (GEMINI, {"candidates": {"0": {"content": {"parts": [{"text": "a zebra"}]}}}}),
        (GEMINI, {"candidates": [{"content": "a zebra"}]}),
        (GEMINI, {"candidates": [{"content": {"parts": "a zebra"}}]}),
        (GEMINI, {"candidates": [{"content": {"parts": ["a zebra"]}}]}),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_in_a_form_that_nobody_foresaw_is_blocked(codec: Codec, told: Any, streamed: bool) -> None:
    with pytest.raises(GuardBlocked, match="unreadable in the answer"):
        _ = through(codec, told) if streamed else whole(codec, told)


@pytest.mark.parametrize(
    ("codec", "told"),
    [
        (ANTHROPIC, {"type": "message_start", "message": "a zebra"}),
        (ANTHROPIC, {"type": "content_block_start", "index": 0, "content_block": "a zebra"}),
        (ANTHROPIC, {"type": "content_block_delta", "index": 0, "delta": ["a zebra"]}),
        (RESPONSES, {"type": "response.output_text.delta", "output_index": 0, "delta": ["a zebra"]}),
    ],
)
def test_an_event_in_a_form_that_nobody_foresaw_is_blocked(codec: Codec, told: Any) -> None:
    with pytest.raises(GuardBlocked, match="unreadable in the answer"):
        through(codec, told)


def test_a_message_that_is_no_stream_is_checked_though_one_was_asked() -> None:
    message = {"type": "message", "role": "assistant", "content": [{"type": "text", "text": "a zebra"}]}
    found = json.loads(passed(guarding(ANTHROPIC, REDACTS), json.dumps(message).encode()))
    assert found["content"][0]["text"] == "a [TERM_1]"


@pytest.mark.parametrize("content", ["a zebra", ["a zebra"]])
def test_content_in_a_form_that_nobody_foresaw_is_blocked(content: Any) -> None:
    message = {"type": "message", "role": "assistant", "content": content}
    with pytest.raises(GuardBlocked, match="unreadable"):
        whole(ANTHROPIC, message)


def test_an_error_of_anthropic_in_mid_stream_comes_behind_what_was_held_back() -> None:
    start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "a "}}
    text = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ze"}}
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    found = through(ANTHROPIC, ("content_block_start", start), ("content_block_delta", text), ("error", error))
    assert [one["type"] for one in found] == ["content_block_start", "content_block_delta", "error"]
    assert found[1]["delta"]["text"] == "ze"


# Gemini


def gemini(*parts: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    ends = {"finishReason": finish} if finish else {}
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0, **ends, **more}]}


def test_held_back_text_comes_before_the_part_that_follows() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": "zebra"}}, "thoughtSignature": "zebra"}
    found = through(GEMINI, gemini({"text": "a ze"}), gemini(call), gemini({"text": ""}, finish="STOP"))
    parts = [part for one in found for part in one["candidates"][0]["content"]["parts"]]
    called = {"functionCall": {"name": "f", "args": {"a": "[TERM_1]"}}, "thoughtSignature": "zebra"}
    assert parts == [{"text": "a "}, {"text": "ze"}, called, {"text": ""}]


def test_code_that_ran_and_what_it_printed_are_checked() -> None:
    ran = [{"executableCode": {"language": "PYTHON", "code": "zebra"}}, {"codeExecutionResult": {"output": "zebra"}}]
    assert places(GEMINI, gemini(*ran)) == [Place.TOOL_ARGUMENTS, Place.TOOL_RESULTS]
    assert json.dumps(whole(GEMINI, gemini(*ran))).count("[TERM_1]") == 2


def test_arguments_in_pieces_wait_until_there_are_no_more() -> None:
    def piece(text: str, **more: Any) -> dict[str, Any]:
        return {"functionCall": {"partialArgs": [{"jsonPath": "$.a", "stringValue": text}], **more}}

    told = [
        gemini({"functionCall": {"name": "f", "willContinue": True}}),
        gemini(piece("a ze", willContinue=True)),
        gemini(piece("bra!", willContinue=True)),
        gemini({"functionCall": {}}),
        gemini({"text": "done"}, finish="STOP"),
    ]
    guard = guarding(GEMINI, REDACTS).stream()
    assert guard is not None
    assert len(data_of(guard.feed(sse(*told[:3])))) == 1
    found = through(GEMINI, *told)
    parts = [part for one in found for part in one["candidates"][0]["content"]["parts"]]
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    pieces = [one["stringValue"] for call in calls for one in call.get("partialArgs", [])]
    assert "".join(pieces) == "a [TERM_1]!"


def test_sources_and_odds_go_once_the_text_is_altered_and_stay_if_not() -> None:
    grounding = {"webSearchQueries": ["q"], "groundingSupports": [{"segment": {"text": "a zebra"}}]}
    odds = {"chosenCandidates": [{"token": "x"}]}
    more = {"groundingMetadata": grounding, "citationMetadata": {"citations": [1]}, "logprobsResult": odds}
    for text, kept in (("a zebra!", False), ("a zoo!", True)):
        [candidate] = whole(GEMINI, gemini({"text": text}, finish="STOP", **more))["candidates"]
        assert ("citationMetadata" in candidate, "logprobsResult" in candidate) == (kept, kept)
        assert ("groundingSupports" in candidate["groundingMetadata"]) == kept
        assert candidate["groundingMetadata"]["webSearchQueries"] == ["q"]


def test_odds_wait_with_the_text_that_they_spell() -> None:
    def odds(token: str) -> dict[str, Any]:
        return {"chosenCandidates": [{"token": token}], "topCandidates": [{"candidates": []}]}

    found = through(
        GEMINI,
        gemini({"text": "a "}, logprobsResult=odds("a ")),
        gemini({"text": "ze"}, logprobsResult=odds("ze")),
        gemini({"text": "bu"}, finish="STOP", logprobsResult=odds("bu")),
    )
    told = [one["candidates"][0].get("logprobsResult", {}).get("chosenCandidates", []) for one in found]
    assert [[one["token"] for one in tokens] for tokens in told] == [["a "], [], ["ze", "bu"]]


def test_a_refused_prompt_and_an_unknown_field_are_checked() -> None:
    told = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no zebra"}}
    assert through(GEMINI, told) == [{"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no [TERM_1]"}}]


def test_a_block_at_the_end_of_a_text_releases_what_its_last_event_said() -> None:
    """The piece in the event that ends the text is checked in part when the end blocks it."""
    ends = {
        CHAT: chat(choice(content="Well, a zebra", finish="stop")),
        GEMINI: gemini({"text": "Well, a zebra"}, finish="STOP"),
    }
    for codec, last in ends.items():
        guard = guarding(codec, terms("block", "zebra")).stream()
        assert guard is not None
        with pytest.raises(GuardBlocked) as caught:
            guard.feed(sse(last))
        texts = json.dumps(data_of(caught.value.released))
        assert "Well, a " in texts
        assert "zebra" not in texts
        assert "stop" not in texts.lower()
