"""GET /openapi.json: the document, for anybody."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from aikit.serve.answers import JSON, Answer
from aikit.serve.endpoints import Asking, Endpoint
from aikit.serve.openapi.document import document
from aikit.serve.routes import Route
from aikit.wire.refusing import to_json


class OpenAPI:
    """Says what all endpoints of a server are, itself among them."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        own = Endpoint(
            "GET", "/openapi.json", None, "This document", self.run, tag="Operations", text="OpenAPI 3.1, in JSON."
        )
        self._endpoints = (*endpoints, own)
        self.routes: tuple[Route, ...] = (own.route,)

    async def run(self, asking: Asking) -> Answer:
        return Answer(200, {"content-type": JSON}, self._document)

    @cached_property
    def _document(self) -> bytes:
        return to_json(document(self._endpoints))
