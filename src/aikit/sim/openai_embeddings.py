"""OpenAI's POST /v1/embeddings."""

from __future__ import annotations

import base64
from array import array
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from aikit.sim.api import Ask, BadAsk, Event, positive, read_body, required_text
from aikit.sim.generate import Generation
from aikit.sim.http import Request
from aikit.sim.openai_shape import OpenAIShape
from aikit.types import Usage

MAX_DIMENSIONS = 8_192
_DIMENSIONS = {"text-embedding-3-large": 3_072}
_USUAL_DIMENSIONS = 1_536


class OpenAIEmbeddings(OpenAIShape):
    name = "openai.embeddings"
    reportable = frozenset({"input"})

    def read(self, request: Request) -> Ask:
        body = read_body(request)
        model = required_text(body, "model")
        dimensions = positive(body.get("dimensions"), "dimensions")
        if dimensions is not None and dimensions > MAX_DIMENSIONS:
            raise BadAsk(f"Invalid 'dimensions': {MAX_DIMENSIONS:,} is the most.")
        inputs = _inputs(body)
        prompt = "\n".join(one for one in inputs if isinstance(one, str))
        return Ask(
            model=model,
            body=body,
            prompt=prompt,
            last_user_text=prompt,
            input=Usage(input=max(1, sum(len(one.split() if isinstance(one, str) else one) for one in inputs))),
            max_tokens=0,
        )

    def reply(self, ask: Ask, made: Generation, id: str) -> dict[str, Any]:
        dimensions = ask.body.get("dimensions") or _DIMENSIONS.get(ask.model, _USUAL_DIMENSIONS)
        as_base64 = ask.body.get("encoding_format") == "base64"
        data = []
        for index, one in enumerate(_inputs(ask.body)):
            vector = _vector(f"{ask.model}\0{one}", dimensions)
            embedding = base64.b64encode(vector.tobytes()).decode() if as_base64 else vector.tolist()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        reply: dict[str, Any] = {"object": "list", "data": data, "model": ask.model}
        if made.tells_usage:
            tokens = made.usage.input_tokens
            reply["usage"] = {"prompt_tokens": tokens, "total_tokens": tokens}
        return reply

    def events(self, ask: Ask, made: Generation, id: str) -> Iterator[Event]:
        """Embeddings have no streams."""
        return iter(())


def _inputs(body: Mapping[str, Any]) -> list[str | list[int]]:
    given = body.get("input")
    inputs: list[Any] = given if isinstance(given, list) and not _is_tokens(given) else [given]
    if not inputs or not all(one and (isinstance(one, str) or _is_tokens(one)) for one in inputs):
        raise BadAsk("Invalid 'input': it must be text, tokens, or a list of either.")
    return inputs


def _is_tokens(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, int) for one in value)


def _vector(text: str, dimensions: int) -> array[float]:
    """A unit vector that only the text decides."""
    digest = blake2b(text.encode("utf-8", "replace")).digest()
    pattern = [byte - 127.5 for byte in digest]
    values = (pattern * (dimensions // len(pattern) + 1))[:dimensions]
    length = sum(value * value for value in values) ** 0.5
    return array("f", (value / length for value in values))


API = OpenAIEmbeddings()
