"""Answers as each API tells them: whole, or in events however its texts are cut; and what a client reads of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from aikit.guarding import Guarding
from aikit.types.guards import GuardAction, GuardRule, Place
from aikit.wire.codec import Codec
from unit.wire.samples import ANTHROPIC, CHAT, GEMINI, RESPONSES, sse

EVERYWHERE = tuple(Place)
Cut = Callable[[str], list[str]]


class Said(NamedTuple):
    """A piece of an answer: `thought`, `text`, or `call`, then with the arguments as JSON in `text`."""

    kind: str
    text: str
    name: str = ""


def terms(action: str, *words: str, places: Sequence[Place] = EVERYWHERE) -> GuardRule:
    options = json.dumps({"terms": list(words)}, sort_keys=True, separators=(",", ":"))
    return GuardRule("banned_terms", GuardAction(action), tuple(places), options)


def guarding(codec: Codec, *rules: GuardRule, **more: Any) -> Guarding:
    return Guarding(codec, rules, secret=b"secret", tenant="acme", **more)


def whole(codec: Codec, *answers: Sequence[Said]) -> dict[str, Any]:
    return WHOLE[codec.name](answers)


def events(codec: Codec, cut: Cut, *answers: Sequence[Said]) -> list[Any]:
    return list(EVENTS[codec.name](answers, cut))


def stream(codec: Codec, cut: Cut, *answers: Sequence[Said]) -> bytes:
    return sse(*events(codec, cut, *answers))


def told(codec: Codec, reply: dict[str, Any]) -> list[list[Said]]:
    """What a client reads in a whole response."""
    return TOLD[codec.name](reply)


def streamed(codec: Codec, raw: bytes) -> list[list[Said]]:
    """What a client reads in a stream."""
    return STREAMED[codec.name](data_of(raw))


def data_of(raw: bytes) -> list[Any]:
    """The events of a stream, in either form."""
    if raw.lstrip()[:1] == b"[":
        found: list[Any] = json.loads(raw)
        return found
    lines = [line.removeprefix("data: ") for line in raw.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]


def passed(guards: Guarding, raw: bytes, sizes: Sequence[int] = (1 << 20,)) -> bytes:
    """A stream behind its guards, in chunks of these sizes in turn."""
    guard = guards.stream()
    if guard is None:
        return raw
    out, at, turn = b"", 0, 0
    while at < len(raw):
        size = max(1, sizes[turn % len(sizes)])
        out += guard.feed(raw[at : at + size])
        at, turn = at + size, turn + 1
    return out + guard.flush()


def of_kind(said: Sequence[Said], kind: str) -> list[Said]:
    return [piece for piece in said if piece.kind == kind]


def joined(said: Sequence[Said], kind: str) -> str:
    return "".join(piece.text for piece in said if piece.kind == kind)


# OpenAI chat


def _chat_message(said: Sequence[Said]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": joined(said, "text") or None}
    if of_kind(said, "thought"):
        message["reasoning_content"] = joined(said, "thought")
    calls = of_kind(said, "call")
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{number}", "type": "function", "function": {"name": call.name, "arguments": call.text}}
            for number, call in enumerate(calls)
        ]
    return message


def _chat_whole(answers: Sequence[Sequence[Said]]) -> dict[str, Any]:
    choices = [
        {"index": index, "message": _chat_message(said), "finish_reason": "stop", "logprobs": None}
        for index, said in enumerate(answers)
    ]
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}


def _chat_deltas(said: Sequence[Said], cut: Cut) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for piece in cut(joined(said, "thought")):
        yield {"reasoning_content": piece}
    for piece in cut(joined(said, "text")):
        yield {"content": piece}
    for number, call in enumerate(of_kind(said, "call")):
        first = {"id": f"call_{number}", "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [{"index": number, **first}]}
        for piece in cut(call.text):
            yield {"tool_calls": [{"index": number, "function": {"arguments": piece}}]}


def _chat_events(answers: Sequence[Sequence[Said]], cut: Cut) -> Iterator[Any]:
    about = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    lines = [list(_chat_deltas(said, cut)) for said in answers]
    for turn in range(max(map(len, lines))):
        for index, line in enumerate(lines):
            if turn < len(line):
                yield {**about, "choices": [{"index": index, "delta": line[turn], "finish_reason": None}]}
            elif turn == len(line):
                yield {**about, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}
    for index, line in enumerate(lines):
        if len(line) == max(map(len, lines)):
            yield {**about, "choices": [{"index": index, "delta": {}, "finish_reason": "stop"}]}
    yield {**about, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
    yield "[DONE]"


def _chat_told(reply: dict[str, Any]) -> list[list[Said]]:
    return [_said_in(choice["message"]) for choice in reply["choices"]]


def _said_in(message: dict[str, Any]) -> list[Said]:
    calls = [
        Said("call", call["function"]["arguments"], call["function"]["name"]) for call in message.get("tool_calls", [])
    ]
    said = [Said("thought", message.get("reasoning_content") or ""), Said("text", message.get("content") or "")]
    return [piece for piece in [*said, *calls] if piece.text]


def _chat_streamed(found: list[Any]) -> list[list[Said]]:
    messages: dict[int, dict[str, Any]] = {}
    for event in found:
        for choice in event["choices"]:
            message = messages.setdefault(choice["index"], {"calls": {}})
            assert "ended" not in message, "a choice goes on after its finish reason"
            delta = choice["delta"]
            for key in ("content", "reasoning_content"):
                message[key] = message.get(key, "") + (delta.get(key) or "")
            for call in delta.get("tool_calls", []):
                known = message["calls"].setdefault(call["index"], {"function": {"name": "", "arguments": ""}})
                for key, value in call["function"].items():
                    known["function"][key] += value
            if choice["finish_reason"]:
                message["ended"] = True
    return [_said_in({**one, "tool_calls": list(one["calls"].values())}) for _, one in sorted(messages.items())]


# OpenAI Responses


def _item(number: int, said: Said, status: str = "completed") -> dict[str, Any]:
    match said.kind:
        case "thought":
            return {"id": f"rs_{number}", "type": "reasoning", "summary": [{"type": "summary_text", "text": said.text}]}
        case "call":
            called = {"call_id": f"call_{number}", "name": said.name, "arguments": said.text}
            return {"id": f"fc_{number}", "type": "function_call", "status": status, **called}
    part = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
    return {"id": f"msg_{number}", "type": "message", "status": status, "role": "assistant", "content": [part]}


def _responses_whole(answers: Sequence[Sequence[Said]]) -> dict[str, Any]:
    items = [_item(number, said) for number, said in enumerate(answers[0])]
    return {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "completed"} | {
        "output": items,
        "instructions": None,
        "error": None,
        "tools": [],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "metadata": {},
    }


def _responses_events(answers: Sequence[Sequence[Said]], cut: Cut) -> Iterator[Any]:
    for number, event in enumerate(_responses_unnumbered(answers, cut)):
        yield event["type"], {**event, "sequence_number": number}


def _responses_unnumbered(answers: Sequence[Sequence[Said]], cut: Cut) -> Iterator[dict[str, Any]]:
    reply = _responses_whole(answers)
    yield {"type": "response.created", "response": {**reply, "status": "in_progress", "output": []}}
    for number, said in enumerate(answers[0]):
        done = reply["output"][number]
        place: dict[str, Any] = {"item_id": done["id"], "output_index": number}
        empty = (
            {"summary": []} if said.kind == "thought" else {"content": []} if said.kind == "text" else {"arguments": ""}
        )
        yield {"type": "response.output_item.added", "output_index": number, "item": {**done, **empty}}
        base, within, part = "response.function_call_arguments", "", {}
        if said.kind == "text":
            base, within, part = "response.output_text", "content", done["content"][0]
        elif said.kind == "thought":
            base, within, part = "response.reasoning_summary_text", "summary", done["summary"][0]
        if within:
            place[f"{within}_index"] = 0
            kind = "response.content_part" if within == "content" else "response.reasoning_summary_part"
            yield {"type": f"{kind}.added", **place, "part": {**part, "text": ""}}
        for piece in cut(said.text):
            yield {"type": f"{base}.delta", **place, "delta": piece} | ({"logprobs": []} if said.kind == "text" else {})
        field = "text" if within else "arguments"
        yield {"type": f"{base}.done", **place, field: said.text} | ({"logprobs": []} if said.kind == "text" else {})
        if within:
            yield {"type": f"{kind}.done", **place, "part": part}
        yield {"type": "response.output_item.done", "output_index": number, "item": done}
    yield {"type": "response.completed", "response": reply}


def _responses_told(reply: dict[str, Any]) -> list[list[Said]]:
    found = []
    for item in reply["output"]:
        match item["type"]:
            case "reasoning":
                found += [Said("thought", part["text"]) for part in item["summary"]]
            case "function_call":
                found.append(Said("call", item["arguments"], item["name"]))
            case _:
                found += [Said("text", part["text"]) for part in item["content"]]
    return [found]


def _responses_streamed(found: list[Any]) -> list[list[Said]]:
    """By the deltas; the repetitions have to say the same."""
    numbers = [event["sequence_number"] for event in found]
    assert numbers == sorted(set(numbers))
    texts: dict[int, list[str]] = {}
    items: dict[int, dict[str, Any]] = {}
    for event in found:
        kind, index = event["type"], event.get("output_index")
        if kind.endswith(".delta"):
            assert index not in items or items[index].get("open"), "a delta after its item is done"
            texts.setdefault(index, []).append(event["delta"])
        elif kind.endswith("_item.added"):
            items[index] = {**event["item"], "open": True}
        elif kind.endswith(("_text.done", "_arguments.done")):
            assert "".join(texts.get(index, [])) == event.get("text", event.get("arguments"))
        elif kind.endswith("_item.done"):
            items[index] = event["item"]
    by_items = _responses_told({"output": [items[index] for index in sorted(items)]})
    assert found[-1]["type"] != "response.completed" or _responses_told(found[-1]["response"]) == by_items
    [said] = by_items
    return [[piece._replace(text="".join(texts.get(index, []))) for index, piece in enumerate(said)]]


# Anthropic


def _block(number: int, said: Said) -> dict[str, Any]:
    match said.kind:
        case "thought":
            return {"type": "thinking", "thinking": said.text, "signature": "c2lnbmF0dXJl"}
        case "call":
            return {"type": "tool_use", "id": f"toolu_{number}", "name": said.name, "input": json.loads(said.text)}
    return {"type": "text", "text": said.text, "citations": None}


def _anthropic_whole(answers: Sequence[Sequence[Said]]) -> dict[str, Any]:
    blocks = [_block(number, said) for number, said in enumerate(answers[0])]
    about = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn"}
    return {**about, "stop_sequence": None, "content": blocks, "usage": {"input_tokens": 1, "output_tokens": 1}}


def _anthropic_events(answers: Sequence[Sequence[Said]], cut: Cut) -> Iterator[Any]:
    for event in _anthropic_unnamed(answers, cut):
        yield event["type"], event


def _anthropic_unnamed(answers: Sequence[Sequence[Said]], cut: Cut) -> Iterator[dict[str, Any]]:
    reply = _anthropic_whole(answers)
    yield {"type": "message_start", "message": {**reply, "content": [], "stop_reason": None}}
    deltas = {"thought": ("thinking_delta", "thinking"), "text": ("text_delta", "text")}
    for number, said in enumerate(answers[0]):
        block = reply["content"][number]
        empty = {"input": {}} if said.kind == "call" else {deltas[said.kind][1]: ""}
        yield {"type": "content_block_start", "index": number, "content_block": {**block, **empty}}
        yield {"type": "ping"}
        kind, field = deltas.get(said.kind, ("input_json_delta", "partial_json"))
        for piece in cut(said.text):
            yield {"type": "content_block_delta", "index": number, "delta": {"type": kind, field: piece}}
        if said.kind == "thought":
            signed = {"type": "signature_delta", "signature": "c2lnbmF0dXJl"}
            yield {"type": "content_block_delta", "index": number, "delta": signed}
        yield {"type": "content_block_stop", "index": number}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 1},
    }
    yield {"type": "message_stop"}


def _anthropic_told(reply: dict[str, Any]) -> list[list[Said]]:
    found = []
    for block in reply["content"]:
        match block["type"]:
            case "thinking":
                found.append(Said("thought", block["thinking"]))
            case "tool_use":
                found.append(Said("call", json.dumps(block["input"]), block["name"]))
            case _:
                found.append(Said("text", block["text"]))
    return [found]


def _anthropic_streamed(found: list[Any]) -> list[list[Said]]:
    blocks: list[dict[str, Any]] = []
    stopped = -1
    for event in found:
        match event["type"]:
            case "content_block_start":
                blocks.append(dict(event["content_block"], json=""))
            case "content_block_delta":
                assert event["index"] > stopped, "a delta after its block is done"
                delta, block = event["delta"], blocks[event["index"]]
                match delta["type"]:
                    case "input_json_delta":
                        block["json"] += delta["partial_json"]
                    case "signature_delta":
                        block["signature"] = delta["signature"]
                    case kind:
                        block[kind.removesuffix("_delta")] += delta[kind.removesuffix("_delta")]
            case "content_block_stop":
                stopped = event["index"]
    for block in blocks:
        if block["json"]:
            block["input"] = json.loads(block["json"])
    return _anthropic_told({"content": blocks})


# Gemini


def _parts(said: Said, cut: Cut) -> list[dict[str, Any]]:
    match said.kind:
        case "thought":
            return [{"text": piece, "thought": True} for piece in cut(said.text)]
        case "call":
            return [{"functionCall": {"name": said.name, "args": json.loads(said.text)}, "thoughtSignature": "c2ln"}]
    return [{"text": piece} for piece in cut(said.text)]


def _candidate(index: int, parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"content": {"parts": parts, "role": "model"}, "index": index, **more}


def _gemini_whole(answers: Sequence[Sequence[Said]]) -> dict[str, Any]:
    candidates = [
        _candidate(index, [part for piece in said for part in _parts(piece, lambda text: [text])], finishReason="STOP")
        for index, said in enumerate(answers)
    ]
    return {"candidates": candidates, "modelVersion": "m", "responseId": "r", "usageMetadata": {"totalTokenCount": 2}}


def _gemini_events(answers: Sequence[Sequence[Said]], cut: Cut) -> Iterator[dict[str, Any]]:
    lines = [[part for piece in said for part in _parts(piece, cut)] for said in answers]
    for turn in range(max(1, *map(len, lines))):
        candidates = []
        for index, line in enumerate(lines):
            ends = {"finishReason": "STOP"} if turn + 1 == max(1, len(line)) else {}
            if turn < len(line) or ends:
                candidates.append(_candidate(index, line[turn : turn + 1], **ends))
        yield {
            "candidates": candidates,
            "modelVersion": "m",
            "responseId": "r",
            "usageMetadata": {"totalTokenCount": turn},
        }


def _gemini_told(reply: dict[str, Any]) -> list[list[Said]]:
    return _gemini_streamed([reply])


def _gemini_streamed(found: list[Any]) -> list[list[Said]]:
    answers: dict[int, list[Said]] = {}
    ended: set[int] = set()
    for event in found:
        for candidate in event.get("candidates", []):
            assert candidate["index"] not in ended, "a candidate goes on after its finish reason"
            said = answers.setdefault(candidate["index"], [])
            for part in (candidate.get("content") or {}).get("parts", []):
                if "functionCall" in part:
                    said.append(Said("call", json.dumps(part["functionCall"]["args"]), part["functionCall"]["name"]))
                    continue
                kind = "thought" if part.get("thought") else "text"
                if said and said[-1].kind == kind:
                    said[-1] = Said(kind, said[-1].text + part["text"])
                else:
                    said.append(Said(kind, part["text"]))
            if candidate.get("finishReason"):
                ended.add(candidate["index"])
    return [[piece for piece in said if piece.text] for _, said in sorted(answers.items())]


WHOLE = dict(
    zip(
        (CHAT.name, RESPONSES.name, ANTHROPIC.name, GEMINI.name),
        (_chat_whole, _responses_whole, _anthropic_whole, _gemini_whole),
        strict=True,
    )
)
EVENTS: dict[str, Callable[[Sequence[Sequence[Said]], Cut], Iterator[Any]]] = {
    CHAT.name: _chat_events,
    RESPONSES.name: _responses_events,
    ANTHROPIC.name: _anthropic_events,
    GEMINI.name: _gemini_events,
}
TOLD = {
    CHAT.name: _chat_told,
    RESPONSES.name: _responses_told,
    ANTHROPIC.name: _anthropic_told,
    GEMINI.name: _gemini_told,
}
STREAMED = {
    CHAT.name: _chat_streamed,
    RESPONSES.name: _responses_streamed,
    ANTHROPIC.name: _anthropic_streamed,
    GEMINI.name: _gemini_streamed,
}
