"""Which provider a model is asked of on a path that speaks one API. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aikit.config import Provider, Settings
from aikit.errors import ConfigError, RequestInvalid
from aikit.routing.routes import Route, route_named
from aikit.routing.trying import provider_of

Known = Callable[[str, str], bool]
"""`known(provider, model)`: whether the model has a price there."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Who may serve: the models of `route`, each as `provider/model`; `plain` if there is one, tried once."""

    route: Route
    plain: bool


def choose(settings: Settings, known: Known, kind: str, model: str | None, *, brought: bool) -> Choice:
    """Who may serve what a request of this kind of API names as its model.

    `brought` says that the request has a key of its own to the provider, so that none of ours is needed. Raises
    RequestInvalid for a provider of another kind, an unknown route, or one of which no model speaks this API, and where
    there is no provider of this kind.
    """
    try:
        route = route_named(settings.routes, model)
    except ConfigError as error:
        raise _unusable(error.message, error.remedy) from None
    if route is not None:
        return Choice(_speaking(settings, kind, route, str(model)), plain=False)
    name, slash, rest = (model or "").partition("/")
    if slash and name in settings.providers:
        _check_kind(settings, settings.providers[name], kind, rest)
        return Choice(Route((f"{name}/{rest}",), attempts=1, deadline=None), plain=True)
    provider = _knowing(settings, known, kind, model, brought=brought)
    return Choice(Route((f"{provider.name}/{model or ''}",), attempts=1, deadline=None), plain=True)


def _knowing(settings: Settings, known: Known, kind: str, model: str | None, *, brought: bool) -> Provider:
    """The first provider of the kind that is ready and knows the model; else the first that is ready, or the first."""
    of_kind = [provider for provider in settings.providers.values() if provider.kind == kind]
    ready = [provider for provider in of_kind if provider.configured or brought]
    if len(ready) > 1 and model:
        for provider in ready:
            if known(provider.name, model):
                return provider
    return (ready or of_kind)[0]


def _check_kind(settings: Settings, provider: Provider, kind: str, model: str) -> None:
    if provider.kind == kind and model:
        return
    if provider.kind == kind:
        raise _unusable(f"{provider.name}/ names no model.", "Name one, like PROVIDER/MODEL.")
    speaking = [one.name for one in settings.providers.values() if one.kind == kind]
    raise _unusable(
        f"The provider {provider.name} speaks the API of {provider.kind}, and this path is one of {kind}.",
        f"Ask it by a path of {provider.kind}, or name one that speaks {kind}: {', '.join(speaking)}.",
        provider=provider.name,
        kind=provider.kind,
        speaking=speaking,
    )


def _speaking(settings: Settings, kind: str, route: Route, name: str) -> Route:
    """The route with those of its models only that speak this API."""
    speak = [settings.providers[provider_of(model)].kind == kind for model in route.models]
    if not any(speak):
        raise _unusable(
            f"None of the models of {name} speaks the API of {kind}: {', '.join(route.models)}.",
            "Add one to the route, or ask by a path of their own API, or by POST /v1/ai/complete.",
            route=name,
            models=list(route.models),
        )
    models = tuple(model for model, speaks in zip(route.models, speak, strict=True) if speaks)
    weights = tuple(weight for weight, speaks in zip(route.weights, speak, strict=False) if speaks)
    return Route(models, weights if any(weights) else (), route.downgrade, route.attempts, route.deadline)


def _unusable(message: str, remedy: str, **facts: object) -> RequestInvalid:
    return RequestInvalid(message, code="MODEL_UNUSABLE", facts={"field": "model", **facts}, remedy=remedy)
