"""The line to the model: one request, through the kit like everything else, and what it has cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import httpx2

from aikit.attempt import Attempt
from aikit.completion import check, to_json
from aikit.config import Provider
from aikit.errors import AIKitError
from aikit.failures.errors import from_exception
from aikit.prompts.model import Rendered
from aikit.setup.agent.apis import api_of
from aikit.setup.agent.metering import FEATURE, TENANT
from aikit.setup.agent.model import History, Nonsense, Said, Tool
from aikit.setup.model import Place
from aikit.setup.place import SIMULATOR, chosen
from aikit.transport import ATTEMPT
from aikit.types import Tags
from aikit.wire import registry

if TYPE_CHECKING:
    from aikit.kit import AIKit

SECONDS = 90
MOST_OUTPUT = 4_096
LARGEST = 1_000_000
"""Bytes of an answer that is read at all."""


class Cost(NamedTuple):
    """What an answer has cost, in nano-USD, and its tokens as the provider counts them, 0 if it did not say."""

    nano: int
    tokens: int


class Line:
    """To one model of one provider. `paid` hears what each request has cost, that of a failed one included."""

    def __init__(
        self, kit: AIKit, provider: Provider, model: str, rendered: Rendered, paid: Callable[[Cost], None]
    ) -> None:
        self._provider, self._model = provider, model
        self._api = api_of(provider.kind)
        self._rendered = rendered
        self._paid = paid
        stated = rendered.prompt.parameters.get("max_tokens")
        self._most = min(stated, MOST_OUTPUT) if isinstance(stated, int) else MOST_OUTPUT
        self._client = kit.channels(provider, Tags(TENANT, feature=FEATURE)).sync(None)

    @property
    def name(self) -> str:
        return f"{self._provider.name}/{self._model}"

    def ask(self, history: History, tools: Sequence[Tool]) -> Said:
        """The model's answer. Raises Nonsense, Refused, AIError."""
        system = self._rendered.system or ""
        path, body = self._api.compose(
            self._model, system, history, tools, self._most, native=self._provider.native
        )  # fmt: skip
        try:
            response = self._client.post(
                self._provider.base_url + path, content=to_json(body), headers=self._headers(), timeout=SECONDS
            )
        except httpx2.HTTPError as error:
            raise from_exception(self._provider.name, error) from None
        attempt: Attempt | None = response.extensions.get(ATTEMPT)
        if attempt is not None and attempt.receipt is not None:
            usage = attempt.receipt.usage
            self._paid(Cost(attempt.receipt.nano, usage.total_tokens if usage else 0))
        check(response, response.content, self._provider)
        return self._api.read(_object(response.content))

    def close(self) -> None:
        self._client.close()

    def _headers(self) -> dict[str, str]:
        signed = registry.auth_headers(self._provider.kind, self._provider.api_key or "", self._provider.api_version)
        if self._provider.api_key is None:
            signed = {name: value for name, value in signed.items() if name == "anthropic-version"}
        return {"content-type": "application/json", **self._rendered.headers, **signed}


def leading(place: Place) -> tuple[Provider, str]:
    """The provider and model that lead: those chosen, else the first that is configured. Raises AIKitError."""
    provider = chosen(place)
    if provider is None or provider.name == SIMULATOR:
        raise AIKitError("no provider has a key yet")
    if not provider.configured:
        raise AIKitError(f"{provider.name} has no key yet")
    wanted = place.choices.model if place.choices.provider in (None, provider.name) else None
    if wanted is not None and wanted.startswith("routes."):
        wanted = None
    model = (wanted or provider.model or "").removeprefix(f"{provider.name}/")
    if not model:
        raise AIKitError(
            f"no model of {provider.name} is named", remedy=f"Set `model` under [providers.{provider.name}]."
        )
    return provider, model


def _object(content: bytes) -> dict[str, object]:
    if len(content) > LARGEST:
        raise Nonsense("it is too long")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        raise Nonsense("it is no JSON") from None
    if not isinstance(body, dict):
        raise Nonsense("it is no JSON object")
    return body
