"""OpenAI's chat completions, and the many servers that speak the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aikit.setup.agent.apis.reading import MOST_CALLS, call_of, dug, mappings, text_of
from aikit.setup.agent.model import History, Nonsense, Said, Told, Tool


class OpenAIChat:
    def compose(
        self, model: str, system: str, history: History, tools: Sequence[Tool], max_tokens: int, *, native: bool
    ) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {
            "model": model,
            "messages": [{"role": "system", "content": system}, *_messages(history)],
            "tools": [
                {
                    "type": "function",
                    "function": {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)},
                }
                for tool in tools
            ],
            "max_completion_tokens" if native else "max_tokens": max_tokens,
        }
        if native:
            body["parallel_tool_calls"] = False
        return "/chat/completions", body

    def read(self, body: Mapping[str, Any]) -> Said:
        message = dug(body, "choices", 0, "message")
        if not isinstance(message, Mapping):
            raise Nonsense("there is no message in it")
        text = text_of(message.get("content")) or text_of(message.get("refusal"))
        wanted = mappings(message.get("tool_calls"))[:MOST_CALLS]
        calls = tuple(
            call_of(one.get("id"), dug(one, "function", "name"), dug(one, "function", "arguments"), position)
            for position, one in enumerate(wanted)
        )
        sent: dict[str, Any] = {"role": "assistant", "content": text or (None if calls else "")}
        if calls:
            sent["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(dict(call.arguments or {}))},
                }
                for call in calls
            ]
        return Said(text, calls, sent)


def _messages(history: History) -> Iterator[Mapping[str, Any]]:
    for item in history:
        if isinstance(item, Told):
            yield {"role": "user", "content": item.text}
        elif isinstance(item, Said):
            yield item.message
        else:
            for result in item:
                yield {"role": "tool", "tool_call_id": result.call.id, "content": result.text}


API = OpenAIChat()
