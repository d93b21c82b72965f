"""OpenAI chat completions, and every compatible server that speaks them (Azure, vLLM, Ollama, OpenRouter …)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aikit.errors import RequestInvalid
from aikit.types import Usage
from aikit.wire import refusing
from aikit.wire.body import RequestBody, blocks, checked_model, dig, objects, read_object, shown
from aikit.wire.bounding import TOOL_TEMPLATE_TOKENS, Tally
from aikit.wire.ceiling import OutputLimit
from aikit.wire.characters import names_and_texts, prose
from aikit.wire.codec import ChatRequest, Demand, Outcome, WireRequest
from aikit.wire.counts import Unreadable
from aikit.wire.openai import OpenAIDialect, image_tokens, read_usage, thinks_unseen
from aikit.wire.paths import deployment, ends_with
from aikit.wire.reading import EventReader, error_code, text
from aikit.wire.texts.openai_chat import TEXTS

_READ = (
    "model",
    "stream",
    "stream_options",
    "n",
    "messages",
    "tools",
    "functions",
    "response_format",
    "modalities",
    "prediction",
    "web_search_options",
)
_LIMITS = ("max_completion_tokens", "max_tokens")
_TELLING = re.compile(rb'"usage"\s*:\s*\{|"error"\s*:\s*[{"]')
_CONTENT = frozenset({"messages", "content"})
_UNSEEN = ("prediction", "reasoning", "reasoning_format", "include_reasoning", "thinking", "audio")
"""Fields by which output is billed that may not be shown, here or on compatible servers."""
_PRICED_APART = {
    "models": "the server may fall back to another model at another price",
    "plugins": "plugins are priced apart",
    "search_parameters": "its searches are priced by source and have no limit",
}


class ChatReader(EventReader):
    """Reads a chat stream: usage comes in the last chunk before `[DONE]`."""

    def __init__(self, demand: Demand, *, leased: bool = False) -> None:
        super().__init__(hold=demand.hide_usage_event, leased=leased)
        self._hides = demand.hide_usage_event
        self._asked_model = demand.model
        self._first = True

    def see(self, data: bytes) -> bool:
        if data.strip() == b"[DONE]":
            self.done = self.finished = True
            return False
        if self._first or _TELLING.search(data):
            self._first = False
            event = self.parse(data)
            if event is not None and self._read(event):
                return self._hides
        return super().see(data)

    def generated(self, event: Mapping[str, Any]) -> object:
        return [choice.get("delta") for choice in objects(event.get("choices"))]

    def _read(self, event: Mapping[str, Any]) -> bool:
        """Take in an event; True if it is the one that brings usage and nothing else."""
        self.note(event)
        self.error = error_code(event.get("error")) or self.error
        if not isinstance(event.get("usage"), Mapping):
            return False
        self.usage = usage_of(event, self._asked_model)
        alone = not event.get("choices")
        self.finished = self.finished or alone
        return alone


class ChatCompletions(OpenAIDialect):
    name = "openai.chat"
    texts = TEXTS

    def matches(self, method: str, path: str) -> bool:
        return method == "POST" and ends_with(path, "/chat/completions")

    def read_request(
        self,
        request: WireRequest,
        *,
        default_output_tokens: int,
        native: bool,
        most_output_tokens: int | None = None,
    ) -> Demand:
        body = RequestBody(request.body)
        body.know(*_READ, *_LIMITS, *_PRICED_APART)
        body.refuse(_PRICED_APART)
        on_azure = deployment(request.path)
        model = checked_model(on_azure) if on_azure else body.model()
        limit = OutputLimit(body, *_LIMITS, answers=body.limit("n") or 1, beside=predicted(body.fields))
        limit.settle(default_output_tokens, most_output_tokens, _LIMITS[0] if native else _LIMITS[1])
        tally = Tally(limit.tokens)
        weigh(body.fields, model, tally, limit.answers)
        stream = body.flag("stream")
        hide = stream and ask_for_usage(body)
        sent = body.to_bytes()
        return Demand(
            model=model,
            stream=stream,
            bound=tally.bound(sent),
            body=sent,
            service_tier=text(body.fields.get("service_tier")),
            wrote=body.wrote,
            hide_usage_event=hide,
            named_output=limit.named,
            answers=limit.answers,
            least_output_tokens=limit.least(self.least_output_tokens),
            characters=prompt_characters(body.fields),
            visible_output=shows_all(body.fields, model, tally),
        )

    def read_response(self, body: bytes) -> Outcome:
        reply = read_object(body)
        if reply is None:
            return Outcome(usage=None, finished=False, output_bytes=len(body))
        return Outcome(
            usage=usage_of(reply),
            finished=True,
            model=text(reply.get("model")),
            service_tier=text(reply.get("service_tier")),
            error=error_code(reply.get("error")),
            output_bytes=len(body),
        )

    def stream_reader(self, demand: Demand, *, leased: bool = False) -> ChatReader:
        return ChatReader(demand, leased=leased)

    def compose(self, chat: ChatRequest) -> tuple[str, dict[str, Any]]:
        messages = [{"role": message.role, "content": message.text} for message in chat.messages]
        if chat.system is not None:
            messages.insert(0, {"role": "system", "content": chat.system})
        body: dict[str, Any] = {"model": chat.model, "messages": messages}
        if chat.max_tokens is not None:
            body["max_completion_tokens" if chat.native else "max_tokens"] = chat.max_tokens
        if chat.temperature is not None:
            body["temperature"] = chat.temperature
        if chat.stream:
            body["stream"] = True
        return "/chat/completions", body | dict(chat.extra)

    def reply_text(self, body: Mapping[str, Any]) -> str:
        return text(dig(body, "choices", 0, "message", "content")) or ""

    def delta_text(self, event: Mapping[str, Any]) -> str:
        return text(dig(event, "choices", 0, "delta", "content")) or ""


def ask_for_usage(body: RequestBody) -> bool:
    """Write `stream_options.include_usage` in; False if the caller has asked for it already."""
    options = body.fields.get("stream_options")
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise RequestInvalid(f"The field stream_options is {shown(options)}; it must be an object.")
    if options.get("include_usage") is True:
        return False
    body.write("stream_options", options | {"include_usage": True}, label="stream_options.include_usage")
    return True


def weigh(fields: Mapping[str, Any], model: str, tally: Tally, choices: int) -> None:
    """Add what the fields of a chat request can cost beyond their bytes."""
    tally.input_classes.add("cache_write_5m")
    refuse_server_tools(fields)
    if fields.get("tools") or fields.get("functions") or fields.get("response_format"):
        tally.templates = TOOL_TEMPLATE_TOKENS
    if fields.get("web_search_options") is not None or searches_always(model):
        tally.searches = choices
        tally.open_ended = True
    modalities = fields.get("modalities")
    if isinstance(modalities, list) and "audio" in modalities:
        tally.output_classes.add("output_audio")
    for block in blocks(fields.get("messages"), _CONTENT):
        weigh_part(block, model, tally)


def shows_all(fields: Mapping[str, Any], model: str, tally: Tally) -> bool:
    """Whether all billed output is shown: a rejected prediction and audio are not, nor are thoughts of most models."""
    if tally.open_ended or "output_audio" in tally.output_classes or any(map(fields.get, _UNSEEN)):
        return False
    return not thinks_unseen(model) or fields.get("reasoning_effort") == "none"


def predicted(fields: Mapping[str, Any]) -> int:
    """The most tokens of a prediction that can be rejected: they are billed as output of each answer."""
    return len(refusing.to_json(fields["prediction"])) if fields.get("prediction") else 0


def prompt_characters(fields: Mapping[str, Any]) -> int:
    schema = dig(fields, "response_format", "json_schema")
    return prose(fields.get("messages")) + names_and_texts(fields.get("tools"), fields.get("functions"), schema)


def refuse_server_tools(fields: Mapping[str, Any]) -> None:
    """The API has none; servers that add some price them apart. Raises RequestInvalid."""
    for tool in objects(fields.get("tools")):
        if tool.get("type") not in (None, "function", "custom"):
            raise RequestInvalid(
                f"The tool {shown(tool['type'])} can't be metered: the server runs it and prices it apart.",
                facts={"field": "tools", "value": shown(tool["type"])},
                remedy="Send the request without it.",
            )


def weigh_part(part: Mapping[str, Any], model: str, tally: Tally) -> None:
    """One message or part of a message."""
    match part.get("type"):
        case "image_url":
            tally.image(image_tokens(model), inline_bytes(dig(part, "image_url", "url"), "image/"))
        case "input_audio":
            tally.input_classes.add("input_audio")
        case "file":
            tally.document(inline_bytes(dig(part, "file", "file_data"), "application/pdf"))
        case "video_url":
            tally.document(inline_bytes(dig(part, "video_url", "url"), "video/"))
    if part.get("role") == "assistant" and part.get("audio"):
        tally.input_classes.add("input_audio")
        tally.open_ended = True


def inline_bytes(url: object, media: str) -> int:
    """How long a base64 data URL of this kind of media is; 0 for everything else."""
    return len(url) if isinstance(url, str) and url.startswith(f"data:{media}") and ";base64," in url[:100] else 0


def searches_always(model: str) -> bool:
    """The search models look the web up at each call, and no field of the usage says so."""
    return "-search" in model


def usage_of(reply: Mapping[str, Any], asked_model: str = "") -> Usage | None:
    """The usage of a whole reply or a chunk, None if it has none that can be read."""
    report = reply.get("usage")
    if not isinstance(report, dict):
        return None
    choices = max(1, len(objects(reply.get("choices"))))
    searches = choices if searches_always(text(reply.get("model")) or asked_model) else 0
    try:
        return read_usage(report, "prompt", "completion", searches=searches)
    except Unreadable:
        return None


CODEC = ChatCompletions()
