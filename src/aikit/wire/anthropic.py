"""Anthropic messages, plain and streamed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aikit.errors import AIKitError
from aikit.wire import refusing
from aikit.wire.anthropic_usage import read_usage
from aikit.wire.anthropic_weight import STORED, weigh
from aikit.wire.body import RequestBody, dig, objects, read_object
from aikit.wire.bounding import Tally
from aikit.wire.ceiling import OutputLimit
from aikit.wire.characters import names_and_texts, prose
from aikit.wire.codec import ChatRequest, Demand, Outcome, WireReply, WireRequest
from aikit.wire.paths import ends_with
from aikit.wire.reading import EventReader, error_code, text
from aikit.wire.texts.anthropic import TEXTS

_TELLING = re.compile(rb'"type"\s*:\s*"(?:message_start|message_delta|message_stop|error)"')
_READ = ("model", "stream", "max_tokens", "system", "messages", "tools", "output_config", "output_format", "speed")
_PRICED_APART = {
    "fallbacks": "another model may answer at another price",
    "models": "the server may fall back to another model at another price",
}
_ERROR_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class MessagesReader(EventReader):
    """Reads a message stream: usage begins in `message_start` and is brought up to date by `message_delta`."""

    def __init__(self, *, leased: bool = False) -> None:
        super().__init__(leased=leased)
        self._report: dict[str, Any] = {}

    def see(self, data: bytes) -> bool:
        event = self.parse(data) if _TELLING.search(data) else None
        match event and event.get("type"):
            case "message_start":
                self._start(dig(event, "message"))
            case "message_delta":
                self._update(dig(event, "usage"))
                self.finished = self.finished or dig(event, "delta", "stop_reason") is not None
            case "message_stop":
                self.done = self.finished = True
            case "error":
                self.error = error_code(_error_type(event))
            case _:
                self.output_bytes += self.weight(data)
        return False

    def generated(self, event: Mapping[str, Any]) -> object:
        return event.get("delta") or event.get("content_block")

    def _start(self, message: object) -> None:
        if isinstance(message, Mapping):
            self.note(message)
            self._update(message.get("usage"))

    def _update(self, report: object) -> None:
        """Counts in later events are cumulative and replace earlier ones; what is null or absent stays."""
        if isinstance(report, Mapping):
            self._report |= {key: value for key, value in report.items() if value is not None}
            self.usage = read_usage(self._report)
            self.service_tier = tier_of(self._report) or self.service_tier


class Messages:
    name = "anthropic.messages"
    texts = TEXTS
    kind = "anthropic"
    least_output_tokens = 1

    def matches(self, method: str, path: str) -> bool:
        return method == "POST" and ends_with(path, "/v1/messages")

    def read_request(
        self,
        request: WireRequest,
        *,
        default_output_tokens: int,
        native: bool,
        most_output_tokens: int | None = None,
    ) -> Demand:
        body = RequestBody(request.body)
        body.know(*_READ, *STORED, *_PRICED_APART)
        body.refuse(_PRICED_APART)
        model = body.model()
        limit = OutputLimit(body, "max_tokens")
        limit.settle(default_output_tokens, most_output_tokens, "max_tokens")
        tally = Tally(limit.tokens)
        weigh(body, tally)
        stream = body.flag("stream")
        sent = body.to_bytes()
        return Demand(
            model=model,
            stream=stream,
            bound=tally.bound(sent),
            body=sent,
            service_tier=tier_of(body.fields),
            wrote=body.wrote,
            named_output=limit.named,
            least_output_tokens=max(self.least_output_tokens, thinking_budget(body.fields) + 1),
            characters=prompt_characters(body.fields),
            visible_output=not tally.open_ended and dig(body.fields, "thinking", "type") in (None, "disabled"),
        )

    def read_response(self, body: bytes) -> Outcome:
        reply = read_object(body)
        if reply is None:
            return Outcome(usage=None, finished=False, output_bytes=len(body))
        report = reply.get("usage")
        known = report if isinstance(report, Mapping) else {}
        return Outcome(
            usage=read_usage(known) if known else None,
            finished=True,
            model=text(reply.get("model")),
            service_tier=tier_of(known),
            error=error_code(_error_type(reply)),
            output_bytes=len(body),
        )

    def stream_reader(self, demand: Demand, *, leased: bool = False) -> MessagesReader:
        return MessagesReader(leased=leased)

    def refusal(self, error: AIKitError, *, request_id: str, metadata: Mapping[str, Any]) -> WireReply:
        body = error_body(error, request_id)
        body["error"]["metadata"] = metadata
        return refusing.reply(error, body, request_id=request_id)

    def stream_error(self, error: AIKitError, *, request_id: str) -> bytes:
        return refusing.sse(error_body(error, request_id), event="error")

    def compose(self, chat: ChatRequest) -> tuple[str, dict[str, Any]]:
        system = [chat.system] if chat.system is not None else []
        system += [message.text for message in chat.messages if message.role == "system"]
        messages = [{"role": m.role, "content": m.text} for m in chat.messages if m.role != "system"]
        body: dict[str, Any] = {"model": chat.model, "messages": messages}
        if system:
            body["system"] = "\n\n".join(system)
        if chat.max_tokens is not None:
            body["max_tokens"] = chat.max_tokens
        if chat.temperature is not None:
            body["temperature"] = chat.temperature
        if chat.stream:
            body["stream"] = True
        return "/v1/messages", body | dict(chat.extra)

    def reply_text(self, body: Mapping[str, Any]) -> str:
        blocks = objects(body.get("content"))
        return "".join(text(block.get("text")) or "" for block in blocks if block.get("type") == "text")

    def delta_text(self, event: Mapping[str, Any]) -> str:
        return (text(dig(event, "delta", "text")) or "") if dig(event, "delta", "type") == "text_delta" else ""


def error_body(error: AIKitError, request_id: str) -> dict[str, Any]:
    """The error with the API's own type for its status; `code` is ours."""
    fallback = "api_error" if error.status >= 500 else "invalid_request_error"
    worded = {"type": _ERROR_TYPES.get(error.status, fallback), "message": str(error), "code": error.code}
    return {"type": "error", "error": worded, "request_id": request_id}


def tier_of(fields: Mapping[str, Any]) -> str | None:
    """The tier that decides the price: fast mode has prices of its own, whatever the service tier."""
    return "fast" if fields.get("speed") == "fast" else text(fields.get("service_tier"))


def thinking_budget(fields: Mapping[str, Any]) -> int:
    """The tokens set apart for thinking, which must be fewer than `max_tokens` ("Extended thinking"); 0 if none are."""
    budget = dig(fields, "thinking", "budget_tokens")
    return budget if isinstance(budget, int) else 0


def prompt_characters(fields: Mapping[str, Any]) -> int:
    schemas = (dig(fields, "output_config", "format"), fields.get("output_format"))
    return prose(fields.get("system"), fields.get("messages")) + names_and_texts(fields.get("tools"), *schemas)


def _error_type(event: Mapping[str, Any] | None) -> object:
    return dig(event, "error", "type") or dig(event, "error")


CODEC = Messages()
