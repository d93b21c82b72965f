"""Gemini's generateContent: calls and results are parts; signatures of thoughts go back with their parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from aikit.setup.agent.apis.reading import MOST_CALLS, call_of, dug, mappings, text_of
from aikit.setup.agent.model import History, Nonsense, Said, Told, Tool, ToolCall

_SIGNATURE = "thoughtSignature"


class Gemini:
    def compose(
        self, model: str, system: str, history: History, tools: Sequence[Tool], max_tokens: int, *, native: bool
    ) -> tuple[str, dict[str, Any]]:
        declared = [
            {"name": tool.name, "description": tool.description, "parametersJsonSchema": dict(tool.schema)}
            for tool in tools
        ]
        return f"/v1beta/models/{quote(model, safe='')}:generateContent", {
            "systemInstruction": {"parts": [{"text": system}]},
            "contents": list(_contents(history)),
            "tools": [{"functionDeclarations": declared}],
            "generationConfig": {"maxOutputTokens": max_tokens},
        }

    def read(self, body: Mapping[str, Any]) -> Said:
        parts = dug(body, "candidates", 0, "content", "parts")
        if not isinstance(parts, list):
            raise Nonsense("there is no candidate with parts in it")
        texts: list[str] = []
        calls: list[ToolCall] = []
        kept: list[dict[str, Any]] = []
        for part in mappings(parts):
            signed = {_SIGNATURE: part[_SIGNATURE]} if isinstance(part.get(_SIGNATURE), str) else {}
            wanted = part.get("functionCall")
            if isinstance(wanted, Mapping) and len(calls) < MOST_CALLS:
                call = call_of(wanted.get("id"), wanted.get("name"), wanted.get("args", {}), len(calls))
                calls.append(call)
                named = {"id": call.id} if "id" in wanted else {}
                kept.append(
                    {"functionCall": {**named, "name": call.name, "args": dict(call.arguments or {})}, **signed}
                )
            elif (text := text_of(part.get("text"))) and not part.get("thought"):
                texts.append(text)
                kept.append({"text": text, **signed})
        return Said("".join(texts), tuple(calls), {"role": "model", "parts": kept})


def _contents(history: History) -> Iterator[Mapping[str, Any]]:
    named: set[str] = set()
    for item in history:
        if isinstance(item, Told):
            yield {"role": "user", "parts": [{"text": item.text}]}
        elif isinstance(item, Said):
            named = {id for part in item.message["parts"] if (id := dug(part, "functionCall", "id"))}
            if item.message["parts"]:
                yield item.message
        else:
            yield {"role": "user", "parts": [_response(one.call, one.text, named) for one in item]}


def _response(call: ToolCall, text: str, named: set[str]) -> dict[str, Any]:
    """The result of a call, with its id if the model gave it one."""
    id = {"id": call.id} if call.id in named else {}
    return {"functionResponse": {**id, "name": call.name, "response": {"result": text}}}


API = Gemini()
