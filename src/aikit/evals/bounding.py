"""The most that a call of an eval can cost, by the bounds that the kit holds for it. Pure, so also for a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aikit.config import Settings
from aikit.errors import ConfigError
from aikit.evals.model import ModelCall
from aikit.policy.model import MAX_OUTPUT_TOKENS
from aikit.pricing.book import PriceBook
from aikit.pricing.overrides import parse_overrides
from aikit.pricing.price import Price
from aikit.routing.routes import route_named
from aikit.types import Bound
from aikit.wire import registry
from aikit.wire.body import serialise
from aikit.wire.codec import ChatRequest, Demand, Message, WireRequest


class Bounds:
    """Bounds of calls at the prices of today."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._book = PriceBook(parse_overrides(settings.prices))

    def most(self, call: ModelCall) -> int:
        """In nano-USD; of a route, that of its dearest model. Raises ConfigError for a model that can't be asked, or
        that has no known price.
        """
        return max(self._most(model, call) for model in self.models(call.model))

    def most_of(self, model: str, bound: Bound) -> int:
        """The same for a call of which only its size is known."""
        return max(self._price(one, bound, None).upper_bound(bound) for one in self.models(model))

    def models(self, model: str) -> tuple[str, ...]:
        """The models that may serve: itself, or those of a route."""
        route = route_named(self._settings.routes, model)
        return (model,) if route is None else route.models

    def _most(self, model: str, call: ModelCall) -> int:
        demand = self._demand(model, call)
        return self._price(model, demand.bound, demand.service_tier).upper_bound(demand.bound)

    def _demand(self, model: str, call: ModelCall) -> Demand:
        provider_name, _, name = model.partition("/")
        provider = self._settings.provider(provider_name)
        codec = registry.chat_codec(provider.kind)
        ask = asked(call)
        chat = ChatRequest(
            model=name,
            messages=[Message(message.role, message.text) for message in call.messages],
            max_tokens=ask["max_tokens"],
            temperature=ask.get("temperature"),
            extra=ask.get("extra") or {},
            native=provider.native,
        )
        path, body = codec.compose(chat)
        wire = WireRequest("POST", path, {}, serialise(body))
        return codec.read_request(wire, default_output_tokens=MAX_OUTPUT_TOKENS, native=provider.native)

    def _price(self, model: str, bound: Bound, tier: str | None) -> Price:
        provider, _, name = model.partition("/")
        self._settings.provider(provider)
        price = self._book.find(provider, name, at=datetime.now(UTC), service_tier=tier)
        if price is None or not price.covers(bound):
            raise ConfigError(
                f"{model} has no known price, so what the run costs can't be bounded.",
                code="PRICE_UNKNOWN",
                facts={"model": model},
                remedy=f'State one under [prices."{model}"] in aikit.toml, or choose another model.',
            )
        return price


def asked(call: ModelCall) -> dict[str, Any]:
    """The parameters as the kit is asked: the output always has a limit, so that its bound is known beforehand."""
    stated: Mapping[str, Any] = call.parameters
    return {**stated, "max_tokens": stated.get("max_tokens") or MAX_OUTPUT_TOKENS}
