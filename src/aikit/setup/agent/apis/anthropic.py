"""Anthropic's messages: calls and results are blocks; thoughts go back as they came, for they are signed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aikit.setup.agent.apis.reading import MOST_CALLS, call_of, mappings, text_of
from aikit.setup.agent.model import History, Nonsense, Said, Told, Tool, ToolCall


class Anthropic:
    def compose(
        self, model: str, system: str, history: History, tools: Sequence[Tool], max_tokens: int, *, native: bool
    ) -> tuple[str, dict[str, Any]]:
        return "/v1/messages", {
            "model": model,
            "system": system,
            "messages": list(_messages(history)),
            "tools": [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)}
                for tool in tools
            ],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            "max_tokens": max_tokens,
        }

    def read(self, body: Mapping[str, Any]) -> Said:
        if not isinstance(body.get("content"), list):
            raise Nonsense("there is no content in it")
        texts: list[str] = []
        calls: list[ToolCall] = []
        kept: list[Mapping[str, Any]] = []
        for block in mappings(body["content"]):
            match block.get("type"):
                case "text" if text := text_of(block.get("text")):
                    texts.append(text)
                    kept.append({"type": "text", "text": text})
                case "tool_use" if len(calls) < MOST_CALLS:
                    call = call_of(block.get("id"), block.get("name"), block.get("input"), len(calls))
                    calls.append(call)
                    used = dict(call.arguments or {})
                    kept.append({"type": "tool_use", "id": call.id, "name": call.name, "input": used})
                case "thinking" | "redacted_thinking":
                    kept.append(block)
        return Said("".join(texts), tuple(calls), {"role": "assistant", "content": kept})


def _messages(history: History) -> Iterator[Mapping[str, Any]]:
    for item in history:
        if isinstance(item, Told):
            yield {"role": "user", "content": item.text}
        elif isinstance(item, Said):
            if item.message["content"]:  # an empty message is refused
                yield item.message
        else:
            blocks = [{"type": "tool_result", "tool_use_id": one.call.id, "content": one.text} for one in item]
            yield {"role": "user", "content": blocks}


API = Anthropic()
