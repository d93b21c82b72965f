"""Gemini generateContent and streamGenerateContent, on the Gemini API and on Vertex AI."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aikit.errors import AIKitError, RequestInvalid
from aikit.wire import refusing
from aikit.wire.body import RequestBody, checked_model, dig, objects, read_object
from aikit.wire.bounding import Tally
from aikit.wire.ceiling import OutputLimit
from aikit.wire.characters import names_and_texts, prose
from aikit.wire.codec import ChatRequest, Demand, Outcome, WireReply, WireRequest
from aikit.wire.gemini_stream import GenerateReader
from aikit.wire.gemini_usage import billed_by_request, read_usage, searches_in, tier_of
from aikit.wire.gemini_weight import SCHEMAS, one_of, weigh
from aikit.wire.paths import is_plain
from aikit.wire.reading import error_code, text
from aikit.wire.texts.gemini import TEXTS

_CALL = re.compile(r".*/models/([^/:]+):(generateContent|streamGenerateContent)")
_LIMITS = ("maxOutputTokens", "max_output_tokens")
_ANSWERS = ("candidateCount", "candidate_count")
_PROMPT = ("contents", "systemInstruction", "system_instruction")
_RPC_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    422: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""google.rpc.Code by HTTP status; it has none for 402."""


class GenerateContent:
    name = "gemini.generate"
    texts = TEXTS
    kind = "gemini"
    least_output_tokens = 1

    def matches(self, method: str, path: str) -> bool:
        return method == "POST" and is_plain(path) and _CALL.fullmatch(path) is not None

    def read_request(
        self,
        request: WireRequest,
        *,
        default_output_tokens: int,
        native: bool,
        most_output_tokens: int | None = None,
    ) -> Demand:
        """The path names the model and says whether it streams. JSON names may be in camel case or snake case."""
        called = _CALL.fullmatch(request.path)
        if called is None:
            raise RequestInvalid("The path names no model and method of the Gemini API.")
        model = checked_model(called[1])
        body = RequestBody(request.body)
        spelling, config = generation_config(body.fields)
        limit = output_limit(body, spelling, config)
        missing = "max_output_tokens" if "max_output_tokens" in config else "maxOutputTokens"
        limit.settle(default_output_tokens, most_output_tokens, missing)
        tally = Tally(limit.tokens)
        weigh(body.fields, config, model, tally)
        sent = body.to_bytes()
        tier = text(one_of(body.fields, "serviceTier", "service_tier"))
        return Demand(
            model=model,
            stream=called[2] == "streamGenerateContent",
            bound=tally.bound(sent),
            body=sent,
            service_tier=tier.lower() if tier else None,
            wrote=body.wrote,
            named_output=limit.named,
            answers=limit.answers,
            least_output_tokens=limit.least(self.least_output_tokens),
            characters=prompt_characters(body.fields, config),
            visible_output=shows_all(config, model, tally),
        )

    def read_response(self, body: bytes) -> Outcome:
        reply = read_object(body)
        if reply is None:
            return Outcome(usage=None, finished=False, output_bytes=len(body))
        model = text(reply.get("modelVersion"))
        return Outcome(
            usage=read_usage(reply.get("usageMetadata"), searches_in(reply, model or "")),
            finished=True,
            model=model,
            service_tier=tier_of(reply),
            error=error_code(reply.get("error")),
            output_bytes=len(body),
        )

    def stream_reader(self, demand: Demand, *, leased: bool = False) -> GenerateReader:
        return GenerateReader(demand, leased=leased)

    def refusal(self, error: AIKitError, *, request_id: str, metadata: Mapping[str, Any]) -> WireReply:
        return refusing.reply(error, error_body(error, metadata), x_request_id=request_id)

    def stream_error(self, error: AIKitError, *, request_id: str) -> bytes:
        return refusing.sse(error_body(error, {"request_id": request_id}))

    def compose(self, chat: ChatRequest) -> tuple[str, dict[str, Any]]:
        system = [chat.system] if chat.system is not None else []
        system += [message.text for message in chat.messages if message.role == "system"]
        contents = [
            {"role": "model" if message.role == "assistant" else "user", "parts": [{"text": message.text}]}
            for message in chat.messages
            if message.role != "system"
        ]
        body: dict[str, Any] = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": [{"text": "\n\n".join(system)}]}
        extra = dict(chat.extra)
        named = {"maxOutputTokens": chat.max_tokens, "temperature": chat.temperature}
        config = {key: value for key, value in named.items() if value is not None}
        config |= extra.pop("generationConfig", {})
        if config:
            body["generationConfig"] = config
        method = "streamGenerateContent?alt=sse" if chat.stream else "generateContent"
        return f"/v1beta/models/{chat.model}:{method}", body | extra

    def reply_text(self, body: Mapping[str, Any]) -> str:
        """The text of the first candidate, thoughts left out."""
        parts = objects(dig(body, "candidates", 0, "content", "parts"))
        return "".join(text(part.get("text")) or "" for part in parts if not part.get("thought"))

    def delta_text(self, event: Mapping[str, Any]) -> str:
        return self.reply_text(event)


def error_body(error: AIKitError, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """The error as google.rpc.Status in JSON; an ErrorInfo carries our code and the metadata as strings."""
    plain = json.loads(refusing.to_json(metadata))
    known = {key: _as_string(value) for key, value in plain.items() if value is not None}
    details: list[dict[str, Any]] = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": error.code,
            "domain": "aikit",
            "metadata": known,
        }
    ]
    delay = refusing.retry_after(error)
    if delay is not None:
        details.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{delay:.3f}s"})
    status = _RPC_NAMES.get(error.status, "INTERNAL" if error.status >= 500 else "FAILED_PRECONDITION")
    return {"error": {"code": error.status, "message": str(error), "status": status, "details": details}}


def generation_config(fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The field for the configuration, as the request spells it, and its object, put in if there is none."""
    config = one_of(fields, "generationConfig", "generation_config")
    if config is not None and not isinstance(config, dict):
        raise RequestInvalid("The field generationConfig must be an object.", facts={"field": "generationConfig"})
    spelling = "generation_config" if "generation_config" in fields else "generationConfig"
    fields[spelling] = config = config or {}
    return spelling, config


def output_limit(body: RequestBody, spelling: str, config: dict[str, Any]) -> OutputLimit:
    """The limit in `config`, for as many answers as it asks for. Raises RequestInvalid if it is given twice."""
    one_of(config, *_LIMITS)
    one_of(config, *_ANSWERS)
    answers = [count for name in _ANSWERS if (count := body.limit(name, config)) is not None]
    return OutputLimit(body, *_LIMITS, within=config, label=f"{spelling}.", answers=max(answers, default=1))


def shows_all(config: Mapping[str, Any], model: str, tally: Tally) -> bool:
    """Whether all billed output is shown. Thoughts are summed up at most; since Gemini 3 they can't be switched off."""
    if tally.open_ended or tally.output_classes & {"output_audio", "output_image"}:
        return False
    thinking = one_of(config, "thinkingConfig", "thinking_config")
    budget = one_of(thinking, "thinkingBudget", "thinking_budget") if isinstance(thinking, dict) else None
    return model.startswith(("gemini-1.", "gemini-2.0")) or (budget == 0 and billed_by_request(model))


def prompt_characters(fields: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    written = prose(*(fields.get(name) for name in _PROMPT))
    return written + names_and_texts(fields.get("tools"), *(config.get(name) for name in SCHEMAS))


def _as_string(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


CODEC = GenerateContent()
