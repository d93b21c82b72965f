"""GET /v1/models in OpenAI's form: all models that a key may name there, of every provider that speaks this API, and
the routes.

With one provider its models have their own names, and what it says is handed on as it is, unless policies forbid some
of them. With several they are named `provider/model`. A provider that fails is left out, and named in a header.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from aikit.async_kit import AsyncAIKit
from aikit.errors import AIError, PolicyDenied, RequestInvalid
from aikit.failures.errors import from_response
from aikit.policy.access import forbids
from aikit.policy.model import Rules
from aikit.routing.routes import PREFIX, Route
from aikit.routing.trying import provider_of
from aikit.serve.answers import Answer, of_json
from aikit.serve.asked import Asked
from aikit.serve.model import Key
from aikit.serve.models import choose
from aikit.serve.providers import Providers
from aikit.types import Bound, Call, Order, Tags, new_id

PATH = "/v1/models"
KIND = "openai"
SECONDS = 10.0
"""How long a provider has to say which models it has."""
UNLISTED = "x-aikit-unlisted"
OURS = {"object": "model", "created": 0, "owned_by": "aikit"}
Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What a provider answered: `told` is the list, whose `data` are its models."""

    provider: str
    response: httpx2.Response
    told: Object


class ModelList:
    """Answers for one server."""

    def __init__(self, providers: Providers, kit: AsyncAIKit) -> None:
        self._providers = providers
        self._kit = kit

    def answers(self, one: Asked) -> bool:
        """Whether a request is for the list or for one of its models. With a key of its own it is for one provider."""
        return one.method == "GET" and one.kind == KIND and one.own_key is None

    async def answer(self, one: Asked, key: Key, tags: Tags) -> Answer | httpx2.Response:
        """The list, or one of its models. Raises AIError if no provider says any, PolicyDenied, RequestInvalid."""
        rules = await self._rules(tags)
        return await (self._list(one, key, rules) if one.model is None else self._one(one, one.model, key, rules))

    async def _one(self, one: Asked, name: str, key: Key, rules: Rules) -> Answer | httpx2.Response:
        choice = choose(self._kit.settings, self._kit._has_price, KIND, name, brought=False)
        if not any(_may(rules, model) for model in choice.route.models):
            raise PolicyDenied(
                f"The policies of this key do not allow {name[:100]}.",
                code="MODEL_NOT_ALLOWED",
                remedy="GET /v1/models lists those that they allow.",
            )
        if not choice.plain:
            return of_json({"id": name, **OURS})
        target = choice.route.models[0]
        provider, _, id = target.partition("/")
        if "/" in id:  # no path of one segment: it is looked up in the list
            return of_json(await self._listed(one, key, provider, id) | {"id": name})
        response = await self._providers.ask(one, target, key)
        if response.status_code != 200 or id == name:
            return response
        return of_json(_object(await response.aread()) | {"id": name})

    async def _listed(self, one: Asked, key: Key, provider: str, id: str) -> Object:
        said = await self._said(replace(one, path=PATH, model=None), provider, key)
        if isinstance(said, AIError):
            raise said
        for model in said.told["data"]:
            if isinstance(model, dict) and model.get("id") == id:
                return model
        raise RequestInvalid(
            f"{provider} has no model {id[:100]}.",
            code="MODEL_NOT_FOUND",
            status=404,
            remedy="GET /v1/models lists those that there are.",
        )

    async def _list(self, one: Asked, key: Key, rules: Rules) -> Answer | httpx2.Response:
        named = [name for name, provider in self._kit.settings.providers.items() if provider.kind == KIND]
        found = await asyncio.gather(*[self._said(one, name, key) for name in named])
        ready = [of for of in found if not (isinstance(of, AIError) and of.code == "PROVIDER_NOT_CONFIGURED")]
        said = [of for of in ready if isinstance(of, Said)]
        if not said:
            raise next(of for of in ready or found if isinstance(of, AIError))
        data = [model for of in said for model in self._models(of, rules, alone=len(ready) == 1)]
        routes = [{"id": PREFIX + name, **OURS} for name in self._routes(rules)]
        if len(ready) == 1 and not routes and data == said[0].told["data"]:
            return said[0].response
        failed = ",".join(of.provider for of in ready if isinstance(of, AIError))
        told = {**(said[0].told if len(ready) == 1 else {"object": "list"}), "data": data + routes}
        return of_json(told, headers={UNLISTED: failed} if failed else {})

    async def _said(self, one: Asked, provider: str, key: Key) -> Said | AIError:
        try:
            async with asyncio.timeout(SECONDS):
                response = await self._providers.ask(one, f"{provider}/", key, seconds=SECONDS)
                body = await response.aread()
        except (httpx2.HTTPError, TimeoutError) as error:
            return AIError(f"{provider} did not say which models it has ({type(error).__name__}).", provider=provider)
        except AIError as error:
            return error
        response.stream = httpx2.ByteStream(body)
        told = _object(body)
        if response.status_code != 200 or not isinstance(told.get("data"), list):
            return from_response(provider, response.status_code, body, response.headers)
        return Said(provider, response, told)

    def _models(self, said: Said, rules: Rules, *, alone: bool) -> Iterator[Object]:
        """The models that may be used, by names that mean them here."""
        for model in said.told["data"]:
            id = model.get("id") if isinstance(model, dict) else None
            if isinstance(id, str) and _may(rules, f"{said.provider}/{id}"):
                bare = alone and self._means(id, said.provider)
                yield model if bare else {**model, "id": f"{said.provider}/{id}"}

    def _means(self, id: str, provider: str) -> bool:
        """Whether this name alone is that provider's model."""
        if id.startswith(PREFIX) or id.partition("/")[0] in self._kit.settings.providers:
            return False
        choice = choose(self._kit.settings, self._kit._has_price, KIND, id, brought=False)
        return choice.route.models == (f"{provider}/{id}",)

    def _routes(self, rules: Rules) -> Iterator[str]:
        """Those of which a model speaks this API and may be used."""
        routes: Mapping[str, Route] = self._kit.settings.routes
        for name, route in routes.items():
            speaking = [of for of in route.models if self._kit.settings.providers[provider_of(of)].kind == KIND]
            if any(_may(rules, of) for of in speaking):
                yield name

    async def _rules(self, tags: Tags) -> Rules:
        """What policies allow these tags: asked as any call asks, but for nothing."""
        question = Order(new_id(), Call(new_id(), tags, KIND, "", ""), 0, 0, bound=Bound(0, 0), guarded=None)
        decision = await self._kit.meter.admit_async(question, opens=False)
        return decision.rules if decision.rules is not None else Rules()


def _may(rules: Rules, model: str) -> bool:
    stated = bool(rules.limits) or rules.uncapped
    return stated and not rules.lacking and not forbids(rules.allow, rules.deny, model)


def _object(body: bytes) -> Object:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
