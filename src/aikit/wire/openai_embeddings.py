"""OpenAI embeddings: input tokens only, never streamed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types import Bound, Usage
from aikit.wire.body import RequestBody, checked_model, read_object
from aikit.wire.bounding import TEMPLATE_TOKENS
from aikit.wire.characters import prose
from aikit.wire.codec import Demand, Outcome, WireRequest
from aikit.wire.counts import Unreadable, count
from aikit.wire.openai import OpenAIDialect
from aikit.wire.paths import deployment, ends_with
from aikit.wire.reading import EventReader, error_code, text
from aikit.wire.texts.openai_embeddings import TEXTS


class Embeddings(OpenAIDialect):
    name = "openai.embeddings"
    texts = TEXTS

    def matches(self, method: str, path: str) -> bool:
        return method == "POST" and ends_with(path, "/embeddings")

    def read_request(
        self,
        request: WireRequest,
        *,
        default_output_tokens: int,
        native: bool,
        most_output_tokens: int | None = None,
    ) -> Demand:
        """An input is text or token numbers: either way a token is at least one byte of the body."""
        body = RequestBody(request.body)
        body.know("model", "input")
        on_azure = deployment(request.path)
        model = checked_model(on_azure) if on_azure else body.model()
        bound = Bound(len(request.body) + TEMPLATE_TOKENS, 0, output_classes=frozenset())
        return Demand(
            model=model, stream=False, bound=bound, body=request.body, characters=prose(body.fields.get("input"))
        )

    def read_response(self, body: bytes) -> Outcome:
        reply = read_object(body)
        if reply is None:
            return Outcome(usage=None, finished=False)
        return Outcome(
            usage=usage_of(reply),
            finished=True,
            model=text(reply.get("model")),
            error=error_code(reply.get("error")),
        )

    def stream_reader(self, demand: Demand, *, leased: bool = False) -> EventReader:
        return EventReader(leased=leased)


def usage_of(reply: Mapping[str, Any]) -> Usage | None:
    """The usage of a reply, None if it has none that can be read."""
    report = reply.get("usage")
    if not isinstance(report, Mapping):
        return None
    try:
        return Usage(input=count(report, "prompt_tokens", required=True))
    except Unreadable:
        return None


CODEC = Embeddings()
