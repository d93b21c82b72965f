"""Gemini's generateContent and streamGenerateContent, the latter as SSE (`alt=sse`) or as one JSON array."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from aikit.sim import catalogue
from aikit.sim.api import (
    Ask,
    BadAsk,
    Event,
    automatic_input,
    choices,
    last_user_text,
    positive,
    read_body,
    required_list,
    texts,
)
from aikit.sim.generate import Generation
from aikit.sim.http import Request
from aikit.types import Usage

PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^/]+):(generateContent|streamGenerateContent)")
PIECES_A_CHUNK = 4
"""Gemini sends several tokens with each chunk."""

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}


class Gemini:
    name = "gemini.generate"
    id_header = "x-goog-request-id"
    reportable = frozenset(
        {
            "input",
            "cache_read",
            "input_audio",
            "input_image",
            "cache_read_audio",
            "output",
            "reasoning",
            "output_audio",
            "output_image",
        }
    )

    def read(self, request: Request) -> Ask:
        place = PATH.fullmatch(request.path)
        if place is None:
            raise BadAsk("No model in the path.")
        model, method = place[1], place[2]
        body = read_body(request)
        contents = required_list(body, "contents")
        config = body.get("generationConfig")
        config = config if isinstance(config, dict) else {}
        prompt = "\n".join([*texts(body.get("systemInstruction")), *texts(contents)])
        thinking = config.get("thinkingConfig")
        budget = thinking.get("thinkingBudget") if isinstance(thinking, dict) else None
        return Ask(
            model=model,
            body=body,
            prompt=prompt,
            last_user_text=last_user_text(contents),
            input=automatic_input(model, prompt),
            stream=method == "streamGenerateContent",
            max_tokens=positive(config.get("maxOutputTokens"), "maxOutputTokens"),
            reasons=catalogue.reasons(model) and budget != 0,
            choices=choices(config.get("candidateCount"), "candidateCount"),
        )

    def reply(self, ask: Ask, made: Generation, id: str) -> dict[str, Any]:
        return self._chunk(ask, made, id, made.text, made.usage, finished=True)

    def events(self, ask: Ask, made: Generation, id: str) -> Iterator[Event]:
        everything = len(made.pieces)
        for start in range(0, max(1, everything), PIECES_A_CHUNK):
            sent = min(start + PIECES_A_CHUNK, everything)
            text = "".join(made.pieces[start:sent])
            finished = sent == everything
            yield Event(self._chunk(ask, made, id, text, made.usage_after(sent), finished=finished), sent)

    def stream_type(self, request: Request) -> str:
        return "text/event-stream" if _is_sse(request) else "application/json; charset=UTF-8"

    def frame(self, request: Request, data: str, event: Event, index: int, last: bool) -> str:
        if _is_sse(request):
            return f"data: {data}\r\n\r\n"
        opening = "[" if index == 0 else ",\r\n"
        return f"{opening}{data}{']' if last else ''}"

    def error(self, status: int, code: str | None, message: str, id: str, retry_after: float | None) -> dict[str, Any]:
        name = code or _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
        error: dict[str, Any] = {"code": status, "message": message, "status": name}
        if retry_after is not None:
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
            error["details"] = [info]
        return {"error": error}

    def error_event(self, status: int, code: str | None, message: str, id: str) -> Event:
        return Event(self.error(status, code, message, id, None), pieces=0)

    def _chunk(self, ask: Ask, made: Generation, id: str, text: str, usage: Usage, *, finished: bool) -> dict[str, Any]:
        candidates = [_candidate(index, text, made, finished=finished) for index in range(ask.choices)]
        chunk: dict[str, Any] = {"candidates": candidates}
        if made.tells_usage:
            chunk["usageMetadata"] = usage_object(usage)
        return {**chunk, "modelVersion": ask.model, "responseId": id}


def _is_sse(request: Request) -> bool:
    return request.query.get("alt") == "sse"


def _candidate(index: int, text: str, made: Generation, *, finished: bool) -> dict[str, Any]:
    content = {"parts": [{"text": text}], "role": "model"} if text else {"role": "model"}
    candidate: dict[str, Any] = {"content": content, "index": index}
    if finished:
        candidate["finishReason"] = "MAX_TOKENS" if made.cut else "STOP"
    return candidate


def usage_object(usage: Usage) -> dict[str, Any]:
    """Cached tokens are inside `promptTokenCount`, thoughts are beside `candidatesTokenCount`."""
    reported: dict[str, Any] = {
        "promptTokenCount": usage.input_tokens,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning,
        "totalTokenCount": usage.total_tokens,
        "promptTokensDetails": _by_modality(
            usage.input + usage.cache_read, usage.input_audio + usage.cache_read_audio, usage.input_image
        ),
    }
    if usage.reasoning:
        reported["thoughtsTokenCount"] = usage.reasoning
    if usage.cache_read or usage.cache_read_audio:
        reported["cachedContentTokenCount"] = usage.cache_read + usage.cache_read_audio
        reported["cacheTokensDetails"] = _by_modality(usage.cache_read, usage.cache_read_audio, 0)
    if usage.output_audio or usage.output_image:
        reported["candidatesTokensDetails"] = _by_modality(usage.output, usage.output_audio, usage.output_image)
    return reported


def _by_modality(text: int, audio: int, image: int) -> list[dict[str, Any]]:
    counts = (("TEXT", text), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": name, "tokenCount": tokens} for name, tokens in counts if tokens]


API = Gemini()
