"""Streams behind guards: however the provider cuts its texts, a client reads what the whole response would say."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aikit.errors import GuardBlocked
from aikit.guards.screening import Blocked, Screening
from aikit.types.guards import GuardAction, GuardRule, Place
from aikit.wire.codec import Codec
from unit.wire.samples import ANTHROPIC, CHAT, GEMINI, GENERATING, RESPONSES, sse
from unit.wire.texts.answers import Said, data_of, events, guarding, passed, stream, streamed, terms, told, whole

WORDS = st.sampled_from(
    ["zebra", "ze", "bra", "secret", "sec", "ret", " ", "x", "é", "🌍", "\n", "[TERM_1]", "\\", '"']
)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map("".join)
ARGUMENTS = st.dictionaries(TEXTS, TEXTS | st.integers() | st.lists(TEXTS, max_size=2), max_size=3).map(json.dumps)
THOUGHT = TEXTS.map(lambda text: Said("thought", text))
ANSWER = TEXTS.map(lambda text: Said("text", text))
CALL = ARGUMENTS.map(lambda text: Said("call", text, "look_up"))
ANSWERS = st.builds(
    lambda thoughts, texts, calls: [*thoughts, *texts, *calls],
    st.lists(THOUGHT, max_size=1),
    st.lists(ANSWER, max_size=1),
    st.lists(CALL, max_size=2),
).filter(bool)
SIZES = st.lists(st.integers(1, 60), min_size=1, max_size=6)
REDACTS = terms("redact", "zebra", "secret")
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)


def cutting(sizes: list[int]) -> Any:
    """Cuts texts into pieces of these sizes in turn."""

    def cut(text: str) -> list[str]:
        found, at, turn = [], 0, 0
        while at < len(text):
            size = 1 + sizes[turn % len(sizes)] % 9
            found.append(text[at : at + size])
            at, turn = at + size, turn + 1
        return found

    return cut


def in_pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def unnumbered(answers: list[list[Said]]) -> list[list[Said]]:
    """Placeholders are numbered as they come up, and answers that are streamed side by side come up in turns."""
    return [[piece._replace(text=re.sub(r"_[12]\]", "]", piece.text)) for piece in said] for said in answers]


def answers_of(codec: Codec, drawn: list[list[Said]]) -> list[list[Said]]:
    return drawn if codec in (CHAT, GEMINI) else drawn[:1]


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
@given(drawn=st.lists(ANSWERS, min_size=1, max_size=3), cuts=SIZES, chunks=SIZES)
@PATIENT
def test_a_stream_delivers_what_the_whole_response_does(
    codec: Codec, drawn: list[list[Said]], cuts: list[int], chunks: list[int]
) -> None:
    answers = answers_of(codec, drawn)
    reply = guarding(codec, REDACTS).response(json.dumps(whole(codec, *answers)).encode())
    raw = stream(codec, cutting(cuts), *answers)
    delivered = streamed(codec, passed(guarding(codec, REDACTS), raw, chunks))
    assert unnumbered(delivered) == unnumbered(told(codec, json.loads(reply)))


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
@given(drawn=st.lists(ANSWERS, min_size=1, max_size=3), cuts=SIZES, chunks=SIZES)
@PATIENT
def test_guards_that_find_nothing_leave_a_stream_as_it_is(
    codec: Codec, drawn: list[list[Said]], cuts: list[int], chunks: list[int]
) -> None:
    answers = answers_of(codec, drawn)
    raw = stream(codec, cutting(cuts), *answers)
    guards = guarding(codec, terms("redact", "QWXYV"))
    assert streamed(codec, passed(guards, raw, chunks)) == streamed(codec, raw)
    assert guards.output_findings == ()


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
@given(drawn=st.lists(ANSWERS, min_size=1, max_size=2), cuts=SIZES)
@PATIENT
def test_a_stream_and_a_whole_response_find_the_same(codec: Codec, drawn: list[list[Said]], cuts: list[int]) -> None:
    answers = answers_of(codec, drawn)
    of_whole, of_stream = guarding(codec, REDACTS), guarding(codec, REDACTS)
    of_whole.response(json.dumps(whole(codec, *answers)).encode())
    passed(of_stream, stream(codec, cutting(cuts), *answers))
    kinds = [{(found.place, found.hash) for found in one.output_findings} for one in (of_whole, of_stream)]
    assert kinds[0] == kinds[1]


@given(drawn=st.lists(ANSWERS, min_size=1, max_size=3), cuts=SIZES, chunks=SIZES)
@PATIENT
def test_the_array_form_of_gemini_delivers_the_same(
    drawn: list[list[Said]], cuts: list[int], chunks: list[int]
) -> None:
    told_in = events(GEMINI, cutting(cuts), *drawn)
    raw = ("[" + ",\r\n".join(json.dumps(event) for event in told_in) + "]").encode()
    as_events = passed(guarding(GEMINI, REDACTS), stream(GEMINI, cutting(cuts), *drawn))
    assert streamed(GEMINI, passed(guarding(GEMINI, REDACTS), raw, chunks)) == streamed(GEMINI, as_events)
    assert passed(guarding(GEMINI, REDACTS), b"[]") == b"[]"


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
@given(drawn=ANSWERS, cuts=SIZES)
@PATIENT
def test_what_is_released_before_a_block_is_clean_and_begins_the_text(
    codec: Codec, drawn: list[Said], cuts: list[int]
) -> None:
    """It begins what the stream without guards says, and has nothing of what was blocked."""
    raw = stream(codec, cutting(cuts), drawn)
    rule = terms("block", "zebra")
    guard = guarding(codec, rule).stream()
    assert guard is not None
    delivered, blocks = b"", False
    try:
        delivered += guard.feed(raw)
        delivered += guard.flush()
    except GuardBlocked as error:
        delivered, blocks = delivered + error.released, True
    assert blocks == any(blocked_text(rule, piece) is not None for piece in drawn)
    for piece in drawn:
        if piece.kind != "call":
            released = blocked_text(rule, piece)
            assert "".join(_pieces(codec, data_of(delivered), piece.kind)) == (
                piece.text if released is None else released
            )
            if released is not None:
                break


def blocked_text(rule: GuardRule, piece: Said) -> str | None:
    """What is released of a text that is blocked; None if it is not."""
    screening = Screening([rule], secret=b"s")
    texts = [piece.text] if piece.kind != "call" else _leaves(json.loads(piece.text))
    try:
        for text in texts:
            screening.check(Place.OUTPUT, "", text)
    except Blocked as block:
        return block.released
    return None


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [*value, *_leaves(list(value.values()))]
    return [leaf for item in value for leaf in _leaves(item)] if isinstance(value, list) else [str(value)]


def _pieces(codec: Codec, found: list[Any], kind: str) -> list[str]:
    pieces = []
    for event in found:
        if codec is CHAT:
            key = "content" if kind == "text" else "reasoning_content"
            pieces += [choice["delta"].get(key) or "" for choice in event["choices"]]
        elif codec is RESPONSES:
            base = "response.output_text" if kind == "text" else "response.reasoning_summary_text"
            pieces += [event["delta"]] if event["type"] == f"{base}.delta" else []
        elif codec is ANTHROPIC:
            key = "text" if kind == "text" else "thinking"
            pieces += [event["delta"].get(key, "")] if event["type"] == "content_block_delta" else []
        else:
            for candidate in event["candidates"]:
                parts = (candidate.get("content") or {}).get("parts", [])
                pieces += [
                    part["text"] for part in parts if "text" in part and bool(part.get("thought")) == (kind != "text")
                ]
    return pieces


@pytest.mark.parametrize("codec", [CHAT, RESPONSES, ANTHROPIC], ids=lambda codec: codec.name)
def test_arguments_wait_until_they_are_whole_and_text_does_not(codec: Codec) -> None:
    said = [Said("text", "Let me see."), Said("call", '{"city": "a zebra town"}', "look_up")]
    told_in = events(codec, in_pieces, *[said])
    end = json.dumps(in_pieces(said[1].text)[-1])
    last = max(number for number, event in enumerate(told_in) if end in json.dumps(event))
    guard = guarding(codec, terms("flag", "zebra")).stream()
    assert guard is not None
    delivered = guard.feed(sse(*told_in[:last]))
    assert "".join(_pieces(codec, data_of(delivered), "text")) == "Let me see."
    assert b'{\\"c' not in delivered
    delivered += guard.feed(sse(*told_in[last:])) + guard.flush()
    assert streamed(codec, delivered) == [said]


@pytest.mark.parametrize("codec", [CHAT, ANTHROPIC], ids=lambda codec: codec.name)
def test_events_in_which_nothing_changed_are_the_very_bytes(codec: Codec) -> None:
    raw = stream(
        codec, in_pieces, [Said("thought", "Hm."), Said("text", "Fine."), Said("call", '{"a": [1, "b"]}', "f")]
    )
    assert passed(guarding(codec, terms("redact", "QWXYV")), raw) == raw


def test_no_guard_at_the_places_of_a_response_leaves_the_stream_alone() -> None:
    for codec in GENERATING:
        assert guarding(codec, terms("block", "zebra", places=[Place.INPUT])).stream() is None


def test_a_guard_that_needs_the_whole_text_holds_it_and_nothing_else() -> None:
    schema = {"type": "object", "required": ["a"]}
    rule = GuardRule("json_schema", GuardAction.BLOCK, (Place.OUTPUT,), json.dumps({"schema": schema}))
    raw = stream(CHAT, in_pieces, [Said("thought", "I think in words."), Said("text", '{"a": 1}')])
    assert streamed(CHAT, passed(guarding(CHAT, rule), raw)) == streamed(CHAT, raw)
    bad = stream(CHAT, in_pieces, [Said("thought", "Hm."), Said("text", '{"b": 1}')])
    with pytest.raises(GuardBlocked) as caught:
        passed(guarding(CHAT, rule), bad)
    assert b'\\"b' not in caught.value.released
