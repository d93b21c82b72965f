"""The official SDKs read a stream that guards have rewritten, with their own accumulators."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from anthropic.types import ToolUseBlock
from google import genai

from aikit.errors import GuardBlocked
from aikit.guarding import Guarding
from aikit.types.guards import GuardRule
from aikit.wire.codec import Codec
from unit.wire.samples import ANTHROPIC, CHAT, GEMINI, RESPONSES
from unit.wire.texts.answers import Said, guarding, passed, stream, terms

THOUGHT = Said("thought", "Which zebra? Any zebra.")
TEXT = Said("text", "A zebra, the zebra, and so on: ze")
CALLS = [Said("call", '{"animal": "zebra", "n": 2}', "look_up"), Said("call", '{"all": true}', "list_all")]
REDACTED = "A [TERM_1], the [TERM_1], and so on: ze"
NOTHING = terms("redact", "QWXYV")
ZEBRA = terms("redact", "zebra")


def in_pieces(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(0, len(text), 2)]


def serving(raw: bytes, kind: str = "text/event-stream") -> httpx2.Client:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": kind}, content=raw)

    return httpx2.Client(transport=httpx2.MockTransport(answer))


def guarded(codec: Codec, rule: GuardRule, *answers: list[Said]) -> bytes:
    return passed(guarding(codec, rule), stream(codec, in_pieces, *answers), [7, 50, 200])


def of_chat(raw: bytes, **more: Any) -> Any:
    client = openai.OpenAI(api_key="k", base_url="http://sim/v1", http_client=serving(raw), max_retries=0)
    with client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "?"}], **more) as events:
        return events.get_final_completion()


def of_responses(raw: bytes) -> Any:
    client = openai.OpenAI(api_key="k", base_url="http://sim/v1", http_client=serving(raw), max_retries=0)
    with client.responses.stream(model="m", input="?") as events:
        return events.get_final_response()


def of_messages(raw: bytes) -> Any:
    client = anthropic.Anthropic(api_key="k", base_url="http://sim", http_client=serving(raw), max_retries=0)
    asked: Any = [{"role": "user", "content": "?"}]
    with client.messages.stream(model="m", max_tokens=9, messages=asked) as events:
        return events.get_final_message()


def of_gemini(raw: bytes) -> Iterator[Any]:
    options = genai.types.HttpOptions(base_url="http://sim", httpx_client=serving(raw))
    client = genai.Client(api_key="k", http_options=options)
    yield from client.models.generate_content_stream(model="m", contents="?")


def test_openai_reads_a_redacted_chat_with_parallel_calls_and_two_choices() -> None:
    found = of_chat(guarded(CHAT, ZEBRA, [TEXT, *CALLS], [Said("text", "none")]), n=2)
    first, second = found.choices
    assert (first.message.content, second.message.content) == (REDACTED, "none")
    assert [json.loads(call.function.arguments) for call in first.message.tool_calls] == [
        {"animal": "[TERM_1]", "n": 2},
        {"all": True},
    ]
    assert [call.function.name for call in first.message.tool_calls] == ["look_up", "list_all"]


@pytest.mark.parametrize("said", [[THOUGHT, TEXT, *CALLS], [TEXT], CALLS], ids=["all", "text", "calls"])
def test_what_the_sdks_accumulate_is_the_same_if_nothing_is_found(said: list[Said]) -> None:
    assert of_chat(guarded(CHAT, NOTHING, said)) == of_chat(stream(CHAT, in_pieces, said))
    assert of_responses(guarded(RESPONSES, NOTHING, said)) == of_responses(stream(RESPONSES, in_pieces, said))
    assert of_messages(guarded(ANTHROPIC, NOTHING, said)) == of_messages(stream(ANTHROPIC, in_pieces, said))
    chunks = [list(of_gemini(raw)) for raw in (guarded(GEMINI, NOTHING, said), stream(GEMINI, in_pieces, said))]
    assert parts_of(chunks[0]) == parts_of(chunks[1])


READ: dict[str, Any] = {
    CHAT.name: of_chat,
    RESPONSES.name: of_responses,
    ANTHROPIC.name: of_messages,
    GEMINI.name: lambda raw: list(of_gemini(raw)),
}


def parts_of(chunks: list[Any]) -> list[Any]:
    """The parts of a stream, texts of one kind that follow each other as one."""
    found: list[Any] = []
    for part in (part for chunk in chunks for part in chunk.candidates[0].content.parts):
        kind = (bool(part.thought), part.function_call)
        if found and part.text is not None and found[-1][0] == kind:
            found[-1] = (kind, found[-1][1] + part.text)
        else:
            found.append((kind, part.text))
    return found


def test_openai_reads_a_redacted_response() -> None:
    found = of_responses(guarded(RESPONSES, ZEBRA, [THOUGHT, TEXT, *CALLS]))
    assert found.output_text == REDACTED
    assert found.output[0].summary[0].text == "Which [TERM_1]? Any [TERM_1]."
    assert json.loads(found.output[2].arguments) == {"animal": "[TERM_1]", "n": 2}


def test_anthropic_reads_a_redacted_message_with_its_signature() -> None:
    found = of_messages(guarded(ANTHROPIC, ZEBRA, [THOUGHT, TEXT, *CALLS]))
    thought, text, *calls = found.content
    assert (thought.thinking, thought.signature) == ("Which [TERM_1]? Any [TERM_1].", "c2lnbmF0dXJl")
    assert text.text == REDACTED
    assert [call.input for call in calls if isinstance(call, ToolUseBlock)] == [
        {"animal": "[TERM_1]", "n": 2},
        {"all": True},
    ]


def test_google_reads_a_redacted_stream() -> None:
    found = parts_of(list(of_gemini(guarded(GEMINI, ZEBRA, [THOUGHT, TEXT, *CALLS]))))
    assert [text for _, text in found] == ["Which [TERM_1]? Any [TERM_1].", REDACTED, None, None]
    assert found[2][0][1].args == {"animal": "[TERM_1]", "n": 2}


@pytest.mark.parametrize("codec", [CHAT, RESPONSES, ANTHROPIC, GEMINI], ids=lambda codec: codec.name)
def test_an_sdk_raises_our_error_behind_what_was_released(codec: Codec) -> None:
    guard = guarding(codec, terms("block", "zebra")).stream()
    assert guard is not None
    with pytest.raises(GuardBlocked) as caught:
        guard.feed(stream(codec, in_pieces, [Said("text", "All was well, until a zebra came.")]))
    error = caught.value
    raw = error.released + guard.cut(codec.stream_error(error, request_id="r"))
    pieces = in_pieces("All was well, until a ")
    assert all(json.dumps(piece).encode() in raw for piece in pieces)
    assert json.dumps("ze").encode() not in raw
    with pytest.raises(Exception, match="banned_terms found term in the answer"):
        READ[codec.name](raw)
    assert (guard.feed(b"data: {}\n\n"), guard.flush()) == (b"", b"")


def test_a_block_in_the_array_form_ends_the_array() -> None:
    def block(guards: Guarding, raw: bytes) -> bytes:
        guard = guards.stream()
        assert guard is not None
        with pytest.raises(GuardBlocked) as caught:
            guard.feed(raw)
        return caught.value.released + guard.cut(GEMINI.stream_error(caught.value, request_id="r"))

    told = [{"candidates": [{"content": {"parts": [{"text": text}]}, "index": 0}]} for text in ("Well, ", "a zebra!")]
    rule = terms("block", "zebra")
    *before, last = json.loads(block(guarding(GEMINI, rule), json.dumps(told).encode()))
    assert "".join(one["candidates"][0]["content"]["parts"][0]["text"] for one in before) == "Well, a "
    assert last["error"]["details"][0]["reason"] == "GUARD_BLOCKED"
    [only] = json.loads(block(guarding(GEMINI, rule), json.dumps(told[1:]).replace("a zebra!", "zebra!").encode()))
    assert only["error"]["code"] == 422
