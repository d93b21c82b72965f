"""OpenAI Responses: creating one is metered; reading a stored one, or running one in the background, is not offered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aikit.errors import AIKitError, RequestInvalid
from aikit.types import Usage
from aikit.wire import refusing
from aikit.wire.body import RequestBody, blocks, checked_model, dig, objects, read_object
from aikit.wire.bounding import INCLUDED_SEARCHES, TOOL_TEMPLATE_TOKENS, Tally
from aikit.wire.ceiling import OutputLimit
from aikit.wire.characters import names_and_texts, prose
from aikit.wire.codec import Demand, Outcome, WireRequest
from aikit.wire.counts import Unreadable
from aikit.wire.openai import OpenAIDialect, error_body, image_tokens, read_usage, thinks_unseen
from aikit.wire.openai_chat import inline_bytes
from aikit.wire.paths import deployment, ends_with
from aikit.wire.reading import EventReader, error_code, text
from aikit.wire.texts.openai_responses import TEXTS

_ENDS = ("response.completed", "response.incomplete", "response.failed", "response.cancelled")
_TELLING = re.compile(rb'"type"\s*:\s*"(?:response\.(?:completed|incomplete|failed|cancelled)|error)"')
_READ = ("model", "stream", "max_output_tokens", "max_tool_calls", "tools", "input", "instructions", "text")
_CONTENT = frozenset({"input", "content", "output"})
_STORED = ("previous_response_id", "conversation", "prompt", "context_management")
_RUN_BY_THE_CALLER = frozenset(
    {"function", "custom", "namespace", "local_shell", "apply_patch", "computer", "computer_use_preview"}
)
_PRICED_APART = {
    "background": "its usage is known only later, through an endpoint that is not metered",
    "models": "the server may fall back to another model at another price",
    "plugins": "plugins are priced apart",
}


class ResponsesReader(EventReader):
    """Reads a stream of response events: the last one carries the whole response with its usage."""

    def generated(self, event: Mapping[str, Any]) -> object:
        """The events that end an item tell all of it once more."""
        if event.get("type") == "response.output_item.added":
            return dig(event, "item", "name")
        return event.get("delta")

    def see(self, data: bytes) -> bool:
        if not _TELLING.search(data):
            return super().see(data)
        event = self.parse(data) or {}
        response = event.get("response")
        if event.get("type") == "error":
            self.error = error_code(event.get("error") or event)
        elif event.get("type") in _ENDS and isinstance(response, Mapping):
            self.note(response)
            self.usage = usage_of(response)
            self.error = error_code(response.get("error")) or self.error
            self.done = self.finished = True
        else:
            self.output_bytes += self.weight(data)
        return False


class Responses(OpenAIDialect):
    name = "openai.responses"
    texts = TEXTS
    least_output_tokens = 16  # "integer below minimum value. Expected a value >= 16", its 400 says for less.

    def matches(self, method: str, path: str) -> bool:
        return method == "POST" and ends_with(path, "/responses")

    def read_request(
        self,
        request: WireRequest,
        *,
        default_output_tokens: int,
        native: bool,
        most_output_tokens: int | None = None,
    ) -> Demand:
        body = RequestBody(request.body)
        body.know(*_READ, *_STORED, *_PRICED_APART)
        body.refuse(_PRICED_APART)
        on_azure = deployment(request.path)
        model = checked_model(on_azure) if on_azure else body.model()
        limit = OutputLimit(body, "max_output_tokens")
        limit.settle(default_output_tokens, most_output_tokens, "max_output_tokens")
        tally = Tally(limit.tokens)
        weigh(body, model, tally)
        stream = body.flag("stream")
        sent = body.to_bytes()
        return Demand(
            model=model,
            stream=stream,
            bound=tally.bound(sent),
            body=sent,
            service_tier=text(body.fields.get("service_tier")),
            wrote=body.wrote,
            named_output=limit.named,
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
            finished=reply.get("status") not in ("queued", "in_progress"),
            model=text(reply.get("model")),
            service_tier=text(reply.get("service_tier")),
            error=error_code(reply.get("error")),
            output_bytes=len(body),
        )

    def stream_reader(self, demand: Demand, *, leased: bool = False) -> ResponsesReader:
        return ResponsesReader(leased=leased)

    def stream_error(self, error: AIKitError, *, request_id: str) -> bytes:
        # The API words it flat; the nested `error` is what makes the SDK raise instead of handing on an event.
        flat = {"type": "error", "code": error.code, "message": str(error), "param": None, "sequence_number": 0}
        return refusing.sse(flat | {"error": error_body(error) | {"request_id": request_id}}, event="error")


def weigh(body: RequestBody, model: str, tally: Tally) -> None:
    """Add what the fields of a response can cost beyond their bytes."""
    fields = body.fields
    tally.input_classes.add("cache_write_5m")
    tools = {str(tool.get("type")) for tool in objects(fields.get("tools"))}
    if tools or dig(fields, "text", "format"):
        tally.templates = TOOL_TEMPLATE_TOKENS
    if "image_generation" in tools:
        raise RequestInvalid(
            "The tool image_generation can't be metered: another model makes the image and is billed apart.",
            facts={"field": "tools", "value": "image_generation"},
            remedy="Send the request without it.",
        )
    stored = [name for name in _STORED if fields.get(name)]
    if stored or tools - _RUN_BY_THE_CALLER:
        tally.open_ended = True
    # A stored prompt may bring a search tool of its own.
    if any(tool.startswith("web_search") for tool in tools) or "prompt" in stored:
        tally.searches = tool_call_limit(body)
    for block in blocks(fields.get("input"), _CONTENT):
        weigh_item(block, model, tally)


def shows_all(fields: Mapping[str, Any], model: str, tally: Tally) -> bool:
    """Whether all billed output is shown: what hosted tools make is not, nor are thoughts."""
    if tally.open_ended:
        return False
    return not thinks_unseen(model) or dig(fields, "reasoning", "effort") == "none"


def tool_call_limit(body: RequestBody) -> int:
    """How many hosted tools may be called, written in if it is not said."""
    limit = body.limit("max_tool_calls")
    if limit is None:
        body.write("max_tool_calls", INCLUDED_SEARCHES)
    return limit or INCLUDED_SEARCHES


def weigh_item(item: Mapping[str, Any], model: str, tally: Tally) -> None:
    """One input item or part of one."""
    match item.get("type"):
        case "input_image" | "computer_screenshot":
            tally.image(image_tokens(model), inline_bytes(item.get("image_url"), "image/"))
        case "input_audio":
            tally.input_classes.add("input_audio")
        case "input_file":
            tally.document(inline_bytes(item.get("file_data"), "application/pdf"))
        case "item_reference":
            tally.open_ended = True


def prompt_characters(fields: Mapping[str, Any]) -> int:
    """Of a stored prompt only the variables are in the request."""
    variables = dig(fields, "prompt", "variables")
    filled_in = variables.values() if isinstance(variables, dict) else ()
    written = prose(fields.get("instructions"), fields.get("input"), *filled_in)
    return written + names_and_texts(fields.get("tools"), dig(fields, "text", "format"))


def usage_of(response: Mapping[str, Any]) -> Usage | None:
    """The usage of a response object, None if it has none that can be read."""
    report = response.get("usage")
    if not isinstance(report, Mapping):
        return None
    searches = sum(
        item.get("type") == "web_search_call" and item.get("status") in (None, "completed")
        for item in objects(response.get("output"))
    )
    try:
        return read_usage(report, "input", "output", searches=searches)
    except Unreadable:
        return None


CODEC = Responses()
