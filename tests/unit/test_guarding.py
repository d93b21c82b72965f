"""One attempt under its guards: what is found is told, what can't be seen is refused, and the canary stays in."""

import json
from typing import Any

import pytest

from aikit.errors import GuardBlocked, PolicyDenied, RequestInvalid
from aikit.guarding import Guarding, marker, token
from aikit.types.guards import GuardAction, GuardRule, Place
from aikit.wire import sse as sse_module
from aikit.wire.codec import Codec
from aikit.wire.texts import weaving
from unit.wire.samples import ANTHROPIC, BODIES, CHAT, EMBEDDINGS, GEMINI, GENERATING, RESPONSES, sse
from unit.wire.texts.answers import Said, data_of, events, guarding, passed, stream, streamed, terms, told, whole

CANARY = GuardRule("canary", GuardAction.BLOCK, (Place.OUTPUT, Place.TOOL_ARGUMENTS))
TOKEN = token(b"secret", "acme")
ZEBRA = terms("block", "zebra")


def raw(**body: Any) -> bytes:
    return json.dumps(body).encode()


def says(text: str) -> bytes:
    return raw(model="m", messages=[{"role": "user", "content": text}])


def of_chat(text: str) -> bytes:
    return json.dumps(whole(CHAT, [Said("text", text)])).encode()


class Silent:
    """A codec from another package that does not say where its texts are."""

    name = "acme.rerank"
    kind = "openai"


def test_an_api_whose_texts_are_unknown_is_refused_under_guards() -> None:
    codec: Any = Silent()
    with pytest.raises(PolicyDenied, match="does not show its texts") as caught:
        guarding(codec, ZEBRA).request(b"{}")
    assert caught.value.code == "GUARD_UNSUPPORTED"
    assert guarding(codec).request(b"{}") == b"{}"


@pytest.mark.parametrize("codec", [*GENERATING, EMBEDDINGS], ids=lambda codec: codec.name)
def test_what_nobody_objects_to_is_the_very_object(codec: Codec) -> None:
    body = raw(**BODIES[codec.name])
    guards = guarding(codec, ZEBRA)
    assert guards.request(body) is body
    reply = json.dumps(whole(codec, [Said("text", "fine")]) if codec in GENERATING else {"data": []}).encode()
    assert guards.response(reply) is reply
    assert (guards.input_findings, guards.output_findings) == ((), ())


def test_a_block_says_which_guard_what_and_where_and_never_the_text() -> None:
    guards = guarding(CHAT, ZEBRA)
    with pytest.raises(GuardBlocked) as caught:
        guards.request(says("my zebra"))
    error = caught.value
    assert error.message == "The guard banned_terms found term in the request, at messages/0/content."
    [found] = error.facts["findings"]
    assert (found["guard"], found["kind"], found["place"], found["at"]) == (
        "banned_terms",
        "term",
        "input",
        "messages/0/content",
    )
    assert "zebra" not in str(error) + json.dumps(error.facts)
    assert [finding._asdict() for finding in guards.input_findings] == [found]
    assert guards.output_findings == ()


def test_the_same_text_is_one_finding_with_all_its_times() -> None:
    guards = guarding(CHAT, terms("flag", "zebra"))
    guards.request(raw(model="m", messages=[{"role": "user", "content": "a zebra, a zebra"}] * 3))
    assert [(found.at, found.times) for found in guards.input_findings] == [("messages/0/content", 6)]
    guards.response(of_chat("zebra"))
    assert [(found.place, found.times) for found in guards.output_findings] == [(Place.OUTPUT, 1)]
    assert [found.times for found in guards.input_findings] == [6]


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
def test_what_a_stream_repeats_is_found_once(codec: Codec) -> None:
    guards = guarding(codec, terms("flag", "zebra"))
    passed(guards, stream(codec, list, [Said("text", "a zebra there"), Said("call", '{"a": "my zebra"}', "f")]))
    assert [(found.place, found.times) for found in guards.output_findings] == [
        (Place.OUTPUT, 1),
        (Place.TOOL_ARGUMENTS, 1),
    ]


def test_a_body_that_could_be_read_in_two_ways_is_not_rewritten() -> None:
    with pytest.raises(RequestInvalid, match="twice"):
        guarding(CHAT, terms("redact", "zebra")).request(b'{"model": "m", "messages": "fine", "messages": "zebra"}')
    with pytest.raises(RequestInvalid):
        guarding(CHAT, ZEBRA).request(b'{"model": ')
    with pytest.raises(RequestInvalid):
        guarding(CHAT, ZEBRA).request(b'["zebra"]')


@pytest.mark.parametrize("depth", [600, 5_000, 200_000])
def test_a_body_of_great_depth_is_refused_or_checked(depth: int) -> None:
    body = b'{"model": "m", "messages": ' + b"[" * depth + b'"zebra"' + b"]" * depth + b"}"
    with pytest.raises((RequestInvalid, GuardBlocked)):
        guarding(CHAT, ZEBRA).request(body)


PROMPTED: list[tuple[Codec, dict[str, Any], Any]] = [
    (CHAT, {"messages": [{"role": "developer", "content": "Be brief."}]}, ("messages", 0, "content")),
    (
        CHAT,
        {"messages": [{"role": "system", "content": [{"type": "text", "text": "Be brief."}]}]},
        ("messages", 0, "content", 0, "text"),
    ),
    (RESPONSES, {"instructions": "Be brief.", "input": "x"}, ("instructions",)),
    (RESPONSES, {"input": [{"role": "system", "content": "Be brief."}]}, ("input", 0, "content")),
    (ANTHROPIC, {"system": "Be brief.", "messages": []}, ("system",)),
    (
        ANTHROPIC,
        {"system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}], "messages": []},
        ("system", 0, "text"),
    ),
    (
        GEMINI,
        {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": []},
        ("systemInstruction", "parts", 0, "text"),
    ),
    (
        GEMINI,
        {"system_instruction": {"parts": [{"text": "Be brief."}]}, "contents": []},
        ("system_instruction", "parts", 0, "text"),
    ),
]


@pytest.mark.parametrize(("codec", "body", "path"), PROMPTED, ids=lambda value: getattr(value, "name", ""))
def test_the_canary_is_the_last_line_of_the_system_prompt_and_must_not_come_out(
    codec: Codec, body: dict[str, Any], path: Any
) -> None:
    guards = guarding(codec, CANARY)
    sent = json.loads(guards.request(raw(**body)))
    value = sent
    for step in path:
        value = value[step]
    assert value == "Be brief." + marker(TOKEN)
    assert json.loads(json.dumps(sent).replace(json.dumps(marker(TOKEN))[1:-1], "")) == body
    assert guards.response(json.dumps(whole(codec, [Said("text", "fine")])).encode())
    with pytest.raises(GuardBlocked, match="canary found canary in the answer"):
        guards.response(json.dumps(whole(codec, [Said("text", f"It is {TOKEN}")])).encode())
    with pytest.raises(GuardBlocked, match="tool arguments"):
        guards.response(json.dumps(whole(codec, [Said("call", json.dumps({"q": TOKEN}), "search")])).encode())


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
def test_without_a_system_prompt_there_is_no_canary(codec: Codec) -> None:
    guards = guarding(codec, CANARY)
    body = raw(**BODIES[codec.name])
    assert guards.request(body) is body
    assert guards.stream() is None


def test_the_canary_of_a_tenant_stays_the_same_and_is_no_other_tenants() -> None:
    assert TOKEN == token(b"secret", "acme") != token(b"secret", "globex")
    assert token(b"other", "acme") != TOKEN
    assert len(TOKEN) == len("aikit-") + 20


def test_a_response_repeats_the_instructions_as_they_were_asked() -> None:
    guards = guarding(RESPONSES, CANARY, terms("redact", "zebra", places=[Place.INPUT]))
    sent = json.loads(guards.request(raw(model="m", instructions="No zebra.", input="x")))["instructions"]
    assert sent == "No [TERM_1]." + marker(TOKEN)
    reply = whole(RESPONSES, [Said("text", "fine")]) | {"instructions": sent}
    assert json.loads(guards.response(json.dumps(reply).encode()))["instructions"] == "No zebra."
    begins = ("response.created", {"type": "response.created", "response": reply | {"output": []}})
    [created] = data_of(passed(guards, sse(begins)))
    assert created["response"]["instructions"] == "No zebra."


def test_what_was_redacted_comes_back_where_that_is_asked_for() -> None:
    rule = terms("redact", "zebra", places=[Place.INPUT])
    rule = rule._replace(options=json.dumps({**json.loads(rule.options), "restore": True}))
    guards = guarding(CHAT, rule)
    assert b"[TERM_1]" in guards.request(says("my zebra"))
    assert b"A zebra." in guards.response(of_chat("A [TERM_1]."))
    said = [Said("text", "A [TERM_1] and a [TERM_1]."), Said("call", '{"who": "[TERM_1]"}', "f")]
    assert streamed(CHAT, passed(guards, stream(CHAT, list, said))) == [
        [Said("text", "A zebra and a zebra."), Said("call", '{"who":"zebra"}', "f")]
    ]


def test_a_signed_thought_is_not_touched_to_put_something_back() -> None:
    rule = terms("redact", "zebra", places=[Place.INPUT])
    rule = rule._replace(options=json.dumps({**json.loads(rule.options), "restore": True}))
    guards = guarding(ANTHROPIC, rule)
    guards.request(says("my zebra"))
    said = [Said("thought", "It is [TERM_1]."), Said("text", "It is [TERM_1].")]
    delivered = [Said("thought", "It is [TERM_1]."), Said("text", "It is zebra.")]
    assert told(ANTHROPIC, json.loads(guards.response(json.dumps(whole(ANTHROPIC, said)).encode()))) == [delivered]
    assert streamed(ANTHROPIC, passed(guards, stream(ANTHROPIC, list, said))) == [delivered]


UNREADABLE = [b"data: not JSON\n\n", b'data: {"choices": [\n\n', b'{"choices": []}\n\n', b"zebra\n\n"]


@pytest.mark.parametrize("body", UNREADABLE)
def test_what_cannot_be_read_is_blocked_by_a_guard_that_acts_and_passes_one_that_tells(body: bytes) -> None:
    guard = guarding(CHAT, ZEBRA).stream()
    assert guard is not None
    if body.startswith(b"{"):
        assert guard.feed(body) == body.strip()
    else:
        with pytest.raises(GuardBlocked, match="unreadable"):
            guard.feed(body)
        assert passed(guarding(CHAT, terms("flag", "zebra")), body) == body


def test_a_whole_answer_that_cannot_be_read_is_blocked_likewise() -> None:
    with pytest.raises(GuardBlocked, match="unreadable"):
        guarding(CHAT, ZEBRA).response(b"<html>zebra</html>")
    assert guarding(CHAT, terms("flag", "zebra")).response(b"<html>") == b"<html>"
    assert guarding(CHAT, ZEBRA).response(b"") == b""


@pytest.mark.parametrize("index", [[], {}])
@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
def test_an_event_of_a_form_that_nobody_foresaw_is_blocked_likewise(codec: Codec, index: Any) -> None:
    name = {CHAT: "index", GEMINI: "index", ANTHROPIC: "index", RESPONSES: "output_index"}[codec]
    body = stream(codec, list, [Said("text", "zebra")]).replace(f'"{name}": 0'.encode(), f'"{name}": {index}'.encode())
    with pytest.raises(GuardBlocked, match="unreadable"):
        passed(guarding(codec, ZEBRA), body)
    assert passed(guarding(codec, terms("flag", "QWXYV")), body) == body


def test_arguments_of_any_depth_are_checked() -> None:
    for depth in (100, 900, 980, 5_000):
        nested = "[" * depth + '"zebra"' + "]" * depth
        with pytest.raises(GuardBlocked, match="tool arguments"):
            guarding(CHAT, ZEBRA).response(json.dumps(whole(CHAT, [Said("call", nested, "f")])).encode())


def test_an_event_too_large_to_be_read_is_blocked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse_module, "EVENT_LIMIT", 1_000)
    with pytest.raises(GuardBlocked, match="unreadable"):
        passed(guarding(CHAT, ZEBRA), b"data: " + b"x" * 2_000, [100])


@pytest.mark.parametrize("said", [Said("text", '{"a": "' + "x" * 500), Said("call", '{"a": "' + "x" * 500 + '"}', "f")])
def test_what_is_held_back_is_bounded(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weaving, "EVENT_LIMIT", 400)
    schema = GuardRule("json_schema", GuardAction.BLOCK, (Place.OUTPUT,), '{"schema": {"type": "object"}}')
    with pytest.raises(GuardBlocked, match="too_long"):
        passed(guarding(CHAT, schema, ZEBRA), stream(CHAT, list, [said]))


@pytest.mark.parametrize("codec", GENERATING, ids=lambda codec: codec.name)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.7, 0.95])
def test_a_stream_that_is_cut_off_says_what_it_said_up_to_there(codec: Codec, share: float) -> None:
    said = [Said("text", "The zebra and the ze"), Said("call", '{"a": "zebra", "b": [1, 2, 3]}', "f")]
    whole_stream = stream(codec, list, said)
    cut = whole_stream[: int(len(whole_stream) * share)]
    delivered = data_of(passed(guarding(codec, terms("flag", "zebra")), cut))
    assert texts_in(delivered) == texts_in([json.loads(one) for one in complete(cut)])


def complete(cut: bytes) -> list[str]:
    lines = [line.removeprefix("data: ") for line in cut.decode().splitlines() if line.startswith("data: ")]
    return [line for line in lines if _is_json(line)]


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def texts_in(found: list[Any]) -> tuple[str, str]:
    """All text, and all arguments, that the deltas say."""
    texts: list[str] = []
    calls: list[str] = []
    for event in found:
        for choice in event.get("choices", []):
            texts.append(choice["delta"].get("content") or "")
            calls += [call["function"]["arguments"] for call in choice["delta"].get("tool_calls", [])]
        delta = event.get("delta")
        if isinstance(delta, str):
            (calls if "arguments" in event["type"] else texts).append(delta)
        elif isinstance(delta, dict):
            texts.append(delta.get("text", ""))
            calls.append(delta.get("partial_json", ""))
        for candidate in event.get("candidates", []):
            for part in candidate["content"]["parts"]:
                texts.append(part.get("text", ""))
                calls += [json.dumps(part["functionCall"])] if "functionCall" in part else []
    return "".join(texts), "".join(calls)


def test_an_empty_stream_stays_empty() -> None:
    for codec in GENERATING:
        assert passed(guarding(codec, ZEBRA), b"") == b""
        assert passed(guarding(codec, ZEBRA), b": ping\n\n") == b": ping\n\n"


def test_an_error_in_mid_stream_comes_behind_what_was_held_back() -> None:
    told_in = events(CHAT, list, [Said("text", "It is a ze")])
    body = sse(*told_in[:-3], {"error": {"message": "overloaded by a zebra", "code": "server_error"}})
    *before, last = data_of(passed(guarding(CHAT, terms("redact", "zebra")), body))
    assert "".join(event["choices"][0]["delta"]["content"] for event in before) == "It is a ze"
    assert last["error"]["message"] == "overloaded by a [TERM_1]"


def test_odds_of_tokens_come_with_their_text_and_go_once_it_is_altered() -> None:
    def event(text: str) -> dict[str, Any]:
        odds = {"content": [{"token": text, "logprob": -0.1}], "refusal": None}
        return {"choices": [{"index": 0, "delta": {"content": text}, "logprobs": odds, "finish_reason": None}]}

    ends = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

    def tokens(*pieces: str) -> list[str]:
        found = data_of(passed(guarding(CHAT, terms("redact", "zebra")), sse(*map(event, pieces), ends, "[DONE]")))
        odds = [choice["logprobs"] for one in found for choice in one["choices"] if choice.get("logprobs")]
        return [token["token"] for one in odds for token in one["content"] or []]

    assert tokens("a ", "ze", "bu") == ["a ", "ze", "bu"]
    assert tokens("a ", "ze") == ["a ", "ze"]
    assert tokens("a ", "ze", "bra", " b") == ["a "]
    reply = whole(CHAT, [Said("text", "a zebra")])
    reply["choices"][0]["logprobs"] = {"content": [{"token": "zebra"}], "refusal": None}
    told_back = json.loads(guarding(CHAT, terms("redact", "zebra")).response(json.dumps(reply).encode()))
    assert told_back["choices"][0]["logprobs"] == {"content": None, "refusal": None}


def test_a_custom_guard_is_asked_at_its_places() -> None:
    asked: list[tuple[str, Place]] = []

    def mine(text: str, place: Place) -> list[Any]:
        asked.append((text, place))
        return []

    rule = GuardRule("custom.mine", GuardAction.BLOCK, (Place.INPUT, Place.OUTPUT))
    guards = Guarding(CHAT, (rule,), secret=b"s", tenant="acme", custom={"mine": mine})
    guards.request(says("hello"))
    guards.response(of_chat("hi"))
    assert asked == [("hello", Place.INPUT), ("hi", Place.OUTPUT)]
