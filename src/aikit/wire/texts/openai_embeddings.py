"""The texts of embedding requests; what comes back are numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aikit.types.guards import Place
from aikit.wire.texts.model import Asked, Checks, StreamTexts
from aikit.wire.texts.openai_chat_stream import ChatStream
from aikit.wire.texts.walk import Walk

_SETTINGS = frozenset({"model", "encoding_format", "user", "dimensions"})


class EmbeddingTexts:
    returns: frozenset[Place] = frozenset()

    def request(self, fields: dict[str, Any], checks: Checks) -> None:
        Walk(checks, lambda item, place: (place, {})).object(fields, Place.INPUT, "", without=_SETTINGS)

    def plant(self, fields: dict[str, Any], line: str) -> bool:
        return False

    def response(self, reply: dict[str, Any], checks: Checks, asked: Mapping[str, Asked]) -> None:
        pass

    def stream(self, checks: Checks, asked: Mapping[str, Asked]) -> StreamTexts:
        return ChatStream(checks)


TEXTS = EmbeddingTexts()
