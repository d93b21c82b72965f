"""Streams: what is handed on, when it is done, and what is read on the way, however the bytes are chunked."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aikit.types import Usage
from aikit.wire import sse as sse_module
from aikit.wire.codec import Codec, Outcome, StreamReader
from aikit.wire.sse import SSESplitter, event_data
from unit.wire.samples import (
    ANTHROPIC,
    ANTHROPIC_EVENTS,
    CHAT,
    CHAT_EVENTS,
    CHAT_USAGE,
    EMBEDDINGS,
    GEMINI,
    GEMINI_EVENTS,
    RESPONSES,
    RESPONSES_EVENTS,
    chat_chunk,
    demand_of,
    gemini_chunk,
    sse,
)

STREAMING = "/v1/models/gemini-2.5-flash:streamGenerateContent"
CHAT_READ = Usage(input=35, cache_read=60, input_audio=5, output=27, reasoning=20, output_audio=3)
EVENTS: dict[str, list[Any]] = {
    "openai.chat": CHAT_EVENTS,
    "openai.responses": RESPONSES_EVENTS,
    "anthropic.messages": ANTHROPIC_EVENTS,
    "gemini.generate": GEMINI_EVENTS,
}
CODECS = (CHAT, RESPONSES, ANTHROPIC, GEMINI)
LINE_ENDS = ("\n", "\r\n", "\r")


def reader(codec: Codec, *, hide: bool = False) -> StreamReader:
    if codec is GEMINI:
        return codec.stream_reader(demand_of(codec, path=STREAMING))
    shown = {} if hide or codec is not CHAT else {"stream_options": {"include_usage": True}}
    return codec.stream_reader(demand_of(codec, stream=True, **shown))


def pour(stream: bytes, into: StreamReader, cuts: list[int] | None = None) -> bytes:
    """Feed the stream, cut at these places, and return all that was handed on."""
    places = sorted({0, len(stream), *(cut for cut in cuts or [] if cut < len(stream))})
    pieces = [into.feed(stream[a:b]) for a, b in pairwise(places)]
    return b"".join([*pieces, into.flush()])


def read(codec: Codec, stream: bytes) -> Outcome:
    into = reader(codec)
    pour(stream, into)
    return into.outcome()


def test_a_chat_stream_is_done_at_its_marker_with_the_usage_before_it() -> None:
    into = reader(CHAT)
    pour(sse(*CHAT_EVENTS[:-1]), into)
    assert not into.done
    pour(sse("[DONE]"), into)
    assert into.done
    outcome = into.outcome()
    assert (outcome.usage, outcome.finished) == (CHAT_READ, True)
    assert (outcome.model, outcome.service_tier) == ("gpt-4o-mini-2024-07-18", "default")
    assert outcome.output_bytes >= len("Grüße, 世界".encode())


def test_a_chat_stream_without_usage_is_done_and_unknown() -> None:
    into = reader(CHAT)
    pour(sse(chat_chunk("a"), "[DONE]"), into)
    assert into.done
    assert into.outcome().usage is None


def test_the_last_of_several_usages_counts() -> None:
    early = chat_chunk("a", usage={"prompt_tokens": 1, "completion_tokens": 1})
    assert read(CHAT, sse(early, *CHAT_EVENTS)).usage == CHAT_READ


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_a_cut_stream_is_not_finished(codec: Codec) -> None:
    into = reader(codec)
    pour(sse(*EVENTS[codec.name][:1]), into)
    assert not into.done
    assert not into.outcome().finished


def test_a_cut_chat_stream_has_no_usage_but_a_size() -> None:
    outcome = read(CHAT, sse(chat_chunk("hello"), chat_chunk("world")))
    assert outcome.usage is None
    assert outcome.output_bytes >= 10


def test_a_cut_anthropic_stream_knows_its_input() -> None:
    outcome = read(ANTHROPIC, sse(*ANTHROPIC_EVENTS[:3]))
    assert outcome.usage == Usage(input=21, cache_read=1_000, cache_write_5m=500, cache_write_1h=200, output=1)
    assert not outcome.finished


def test_a_responses_stream_is_done_with_its_last_event() -> None:
    into = reader(RESPONSES)
    pour(sse(*RESPONSES_EVENTS), into)
    assert into.done
    outcome = into.outcome()
    assert outcome.usage == Usage(input=64, cache_read=128, cache_write_5m=8, output=26, reasoning=64, searches=1)
    assert (outcome.model, outcome.service_tier) == ("gpt-5-mini-2025-08-07", "flex")


@pytest.mark.parametrize("end", ["response.incomplete", "response.failed"])
def test_a_response_that_ends_early_says_what_it_used(end: str) -> None:
    response = {"usage": {"input_tokens": 3, "output_tokens": 4}, "error": {"code": "server_error"}}
    outcome = read(RESPONSES, sse((end, {"type": end, "response": response})))
    assert (outcome.usage, outcome.finished, outcome.error) == (Usage(3, output=4), True, "server_error")


def test_text_that_names_an_event_ends_nothing() -> None:
    event = {"type": "response.output_text.delta", "delta": '"type":"response.completed"'}
    into = reader(RESPONSES)
    pour(sse(("response.output_text.delta", event)), into)
    assert not into.done


def test_an_anthropic_stream_merges_its_usage_and_is_done_when_it_stops() -> None:
    into = reader(ANTHROPIC)
    pour(sse(*ANTHROPIC_EVENTS[:-1]), into)
    assert not into.done
    pour(sse(ANTHROPIC_EVENTS[-1]), into)
    assert into.done
    outcome = into.outcome()
    assert outcome.usage == Usage(
        input=21, cache_read=1_000, cache_write_5m=500, cache_write_1h=200, output=30, reasoning=14, searches=2
    )
    assert (outcome.finished, outcome.model) == (True, "claude-haiku-4-5-20251001")


def test_a_gemini_stream_is_done_with_a_finish_reason_and_usage_and_the_last_usage_counts() -> None:
    into = reader(GEMINI)
    pour(sse(*GEMINI_EVENTS), into)
    assert into.done
    assert into.outcome().usage == Usage(input=12, output=7, reasoning=30)
    pour(sse(gemini_chunk("", candidatesTokenCount=9)), into)
    assert into.outcome().usage == Usage(input=12, output=9)


def test_a_gemini_finish_reason_without_usage_is_finished_but_not_done() -> None:
    into = reader(GEMINI)
    pour(sse({"candidates": [{"finishReason": "STOP"}]}), into)
    assert not into.done
    assert into.outcome().finished
    assert into.outcome().usage is None


def test_a_gemini_stream_of_several_candidates_is_done_when_all_are() -> None:
    into = reader(GEMINI)
    events = [gemini_chunk("a"), gemini_chunk("b"), gemini_chunk("", "STOP"), gemini_chunk("", "STOP")]
    for event, index in zip(events, (0, 1, 0, 1), strict=True):
        assert not into.done
        event["candidates"][0]["index"] = index
        pour(sse(event), into)
    assert into.done


def test_a_blocked_gemini_prompt_is_finished() -> None:
    event = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    assert read(GEMINI, sse(event)).finished


def test_gemini_searches_are_kept_until_the_usage_comes() -> None:
    grounded = gemini_chunk("a", finish="STOP")
    grounded["candidates"][0]["groundingMetadata"] = {"webSearchQueries": ["x", "y"]}
    outcome = read(GEMINI, sse(grounded, gemini_chunk("")))
    assert outcome.usage is not None
    assert outcome.usage.searches == 1


@pytest.mark.parametrize(
    ("codec", "event", "code"),
    [
        (CHAT, {"error": {"code": "server_error", "message": "x"}}, "server_error"),
        (CHAT, {"error": "broken"}, "broken"),
        (RESPONSES, {"type": "error", "code": "rate_limit_exceeded", "message": "x"}, "rate_limit_exceeded"),
        (ANTHROPIC, {"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        (GEMINI, {"error": {"code": 503, "status": "UNAVAILABLE"}}, "503"),
    ],
)
def test_an_error_in_a_stream_is_seen_and_handed_on(codec: Codec, event: Any, code: str) -> None:
    into, stream = reader(codec), sse(event)
    assert pour(stream, into) == stream
    assert into.outcome().error == code
    assert not into.done


@pytest.mark.parametrize("codec", CODECS, ids=lambda c: c.name)
def test_malformed_events_are_passed_on_and_cost_only_the_usage(codec: Codec) -> None:
    stream = sse('{"usage":{', '{"type":"message_start"', '{"type":"response.completed",', '{"usageMetadata":1', "]")
    into = reader(codec)
    assert pour(stream, into) == stream
    assert into.outcome().usage is None
    assert into.malformed >= 1
    pour(sse(*EVENTS[codec.name]), into)
    assert into.done
    assert into.outcome().usage is not None


def test_the_usage_event_that_the_caller_did_not_ask_for_is_not_handed_on() -> None:
    into = reader(CHAT, hide=True)
    assert pour(sse(*CHAT_EVENTS), into) == sse(*CHAT_EVENTS[:2], CHAT_EVENTS[3])
    assert into.outcome().usage == CHAT_READ


@given(st.sampled_from(LINE_ENDS), st.lists(st.integers(0, 1_200), max_size=12), st.booleans())
def test_the_hidden_event_leaves_no_trace_however_it_is_chunked(end: str, cuts: list[int], singly: bool) -> None:
    stream = sse(*CHAT_EVENTS, end=end)
    into = reader(CHAT, hide=True)
    handed_on = pour(stream, into, list(range(len(stream))) if singly else cuts)
    assert handed_on == sse(*CHAT_EVENTS[:2], CHAT_EVENTS[3], end=end)
    assert into.outcome().usage == CHAT_READ


def test_while_hiding_only_the_event_with_nothing_but_usage_is_kept_back() -> None:
    filters = chat_chunk(None, prompt_filter_results=[])
    both = chat_chunk("a", usage=CHAT_USAGE)
    stream = sse(filters, both, chat_chunk("b", usage=None), "[DONE]")
    assert pour(stream, reader(CHAT, hide=True)) == stream


def test_while_hiding_an_event_is_handed_on_when_it_is_whole() -> None:
    into, stream = reader(CHAT, hide=True), sse(CHAT_EVENTS[0])
    assert into.feed(stream[:-1]) == b""
    assert into.feed(stream[-1:]) == stream


def test_without_hiding_the_very_chunk_is_handed_on_at_once() -> None:
    for codec in CODECS:
        chunk = sse(EVENTS[codec.name][0])[:-3]
        assert reader(codec).feed(chunk) is chunk


def test_an_unfinished_event_is_handed_on_at_the_end() -> None:
    assert pour(b'data: {"id"', reader(CHAT, hide=True)) == b'data: {"id"'
    assert pour(b'{"error":{"code":"x"}}', reader(CHAT, hide=True)) == b'{"error":{"code":"x"}}'


def test_embeddings_have_no_stream_but_bytes_still_pass() -> None:
    into = EMBEDDINGS.stream_reader(demand_of(EMBEDDINGS))
    assert pour(b"data: x\n\n", into) == b"data: x\n\n"
    assert into.outcome().usage is None


@st.composite
def cut_streams(draw: st.DrawFn) -> tuple[Codec, bytes, list[int]]:
    codec = draw(st.sampled_from(CODECS))
    end = draw(st.sampled_from(LINE_ENDS))
    noise = st.sampled_from([": keep-alive", "event: ping", "id: 7", "", "data", "data:", "data: {broken", "data: {}"])
    lines = b"".join(
        (end.join(draw(st.lists(noise, max_size=3))) + end * draw(st.integers(0, 2))).encode()
        + sse(event, end=draw(st.sampled_from(LINE_ENDS)))
        for event in EVENTS[codec.name]
    )
    stream = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + lines
    stream = stream[: draw(st.integers(0, len(stream)))] if draw(st.booleans()) else stream
    return codec, stream, draw(st.lists(st.integers(0, max(1, len(stream))), max_size=12))


@given(cut_streams(), st.booleans())
def test_chunking_changes_neither_the_outcome_nor_the_bytes(case: tuple[Codec, bytes, list[int]], hide: bool) -> None:
    codec, stream, cuts = case
    whole, cut, single = (reader(codec, hide=hide) for _ in range(3))
    handed_on = pour(stream, whole)
    assert pour(stream, cut, cuts) == handed_on
    assert pour(stream, single, list(range(len(stream)))) == handed_on
    assert whole.outcome() == cut.outcome() == single.outcome()
    assert whole.done == cut.done == single.done
    if not hide or codec is not CHAT:
        assert handed_on == stream


@given(st.lists(st.integers(0, 10_000), max_size=12), st.sampled_from(["[", "[\r\n", " \n["]), st.booleans())
def test_a_gemini_array_is_read_like_its_events(cuts: list[int], opening: str, truncated: bool) -> None:
    objects = ",\r\n".join(json.dumps(event, ensure_ascii=False, indent=1) for event in GEMINI_EVENTS)
    stream = f"{opening}{objects}]".encode()
    stream = stream[: len(stream) // 2] if truncated else stream
    into, single = reader(GEMINI), reader(GEMINI)
    assert pour(stream, into, cuts) == stream
    assert pour(stream, single, list(range(len(stream)))) == stream
    assert into.outcome() == single.outcome()
    assert into.done is not truncated
    assert into.outcome().usage == (Usage(input=12) if truncated else Usage(input=12, output=7, reasoning=30))


@given(st.binary(max_size=200), st.sampled_from(CODECS), st.lists(st.integers(0, 200), max_size=5))
def test_no_bytes_make_a_reader_raise_or_lose_any(stream: bytes, codec: Codec, cuts: list[int]) -> None:
    assert pour(stream, reader(codec), cuts) == stream


@given(st.lists(st.sampled_from(["{", "}", '"', "\\", "[", "]", ",", " ", '{"usageMetadata":', "a"]), max_size=30))
def test_no_brackets_make_the_array_reader_raise_or_lose_any(pieces: list[str]) -> None:
    stream = "".join(["[", *pieces]).encode()
    assert pour(stream, reader(GEMINI), [3, 5, 8, 13]) == stream


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("size", [1, 7, 50, 1_000])
def test_an_event_beyond_the_limit_passes_unread_and_is_not_kept(
    hold: bool, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse_module, "EVENT_LIMIT", 100)
    seen: list[bytes] = []
    splitter = SSESplitter(lambda data: seen.append(data) or False, hold=hold)
    stream = sse("a", "b" * 500, "c")
    kept = 0
    out = b""
    for at in range(0, len(stream), size):
        out += splitter.feed(stream[at : at + size])
        kept = max(kept, len(splitter._pending))
    assert out + splitter.flush() == stream
    assert seen == [b"a", b"c"]
    assert kept <= 100


def test_data_lines_are_joined_and_everything_else_is_left_out() -> None:
    assert event_data(b"event: x\ndata: a\ndata:b\n: c\ndata:  d\n\n") == b"a\nb\n d"
    assert event_data(b": comment\n\n") == b""
    assert event_data("\ufeffdata: a\r\n\r\n".encode()) == b"a"
