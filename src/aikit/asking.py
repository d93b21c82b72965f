"""What an ask means: which provider and model, which other models, how often, for how long. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, TypedDict

from aikit.config import BUILT_IN, Provider, Settings
from aikit.errors import AIError, ConfigError
from aikit.idempotency import LONGEST
from aikit.prompts.model import Rendered
from aikit.routing.routes import LONGEST as LONGEST_DEADLINE
from aikit.routing.routes import MOST_ATTEMPTS, Route, route_named
from aikit.routing.trying import Turn

TIMEOUT = 600.0
"""Seconds without a byte after which a call is given up, unless it says otherwise; the SDKs' own default."""


class Ask(TypedDict, total=False):
    """What `complete` and `stream` take beside the prompt.

    `max_tokens` bounds the output (default: the configured ceiling), `timeout` is in seconds, `extra` goes into the
    provider's request body as it is. Of all requests of a tenant with the same `idempotency_key` one is sent.
    `attempts` and `deadline` (seconds, for all of them) are a route's own unless they are given; for a single model
    they are one and none.
    """

    model: str | None
    tenant: str | None
    user: str | None
    feature: str | None
    system: str | None
    max_tokens: int | None
    temperature: float | None
    idempotency_key: str | None
    timeout: float | None
    attempts: int | None
    deadline: float | None
    extra: Mapping[str, Any] | None


def ask_of(prompt: object, ask: Ask) -> Ask:
    """The ask with what a rendered prompt says of its model and parameters, where the ask itself says nothing.

    Fields of `extra` are taken one by one.
    """
    if not isinstance(prompt, Rendered):
        return ask
    given = {name: value for name, value in ask.items() if value is not None}
    stated: Any = {"model": prompt.prompt.model} | dict(prompt.prompt.parameters) | given
    if extra := dict(prompt.prompt.parameters.get("extra") or {}) | dict(ask.get("extra") or {}):
        stated["extra"] = extra
    found: Ask = stated
    return found


def own_tags(ask: Ask) -> dict[str, str | None]:
    """The tags that an ask names."""
    return {"tenant": ask.get("tenant"), "user": ask.get("user"), "feature": ask.get("feature")}


def route_of(settings: Settings, known: Callable[[str, str], bool], ask: Ask) -> Route:
    """The models that may serve, with the attempts and the deadline of this ask. A single model is a route of one.

    Raises ConfigError for a model or a route that can't be used, AIError (PROVIDER_NOT_CONFIGURED) without any key,
    TypeError for an argument that does not exist.
    """
    for argument in ask.keys() - Ask.__optional_keys__:
        raise TypeError(f"unexpected keyword argument {argument!r}")
    attempts, deadline = _attempts(ask.get("attempts")), _deadline(ask.get("deadline"))
    route = route_named(settings.routes, ask.get("model"))
    if route is None:
        provider, model = choose(settings, known, ask.get("model"))
        return Route((f"{provider.name}/{model}",), attempts=attempts or 1, deadline=deadline)
    return Route(route.models, route.weights, route.downgrade, attempts or route.attempts, deadline or route.deadline)


def random_of(ask: Ask, random: Random) -> Random:
    """Where a call's chances come from: the same for the same idempotency key, so it meets the same model first."""
    key = ask.get("idempotency_key")
    return random if key is None else Random(f"{ask.get('tenant')}/{key}")


def asked(ask: Ask, route: Route, turn: Turn) -> Ask:
    """The ask of one try."""
    timeout = ask.get("timeout") or TIMEOUT
    one: Any = dict(ask) | {
        "model": turn.model,
        "timeout": timeout if turn.seconds is None else min(timeout, turn.seconds),
    }
    key = ask.get("idempotency_key")
    if key is not None and len(route.models) > 1:
        one["idempotency_key"] = key_for(key, turn.model)
    found: Ask = one
    return found


def key_for(key: str, model: str) -> str:
    """The idempotency key of a call to one model of a route: each model's request is another one. A bad key stays."""
    if not key.strip() or len(key) > LONGEST:
        return key
    derived = f"{key}@{model}"
    return derived if len(derived) <= LONGEST else hashlib.sha256(derived.encode()).hexdigest()


def choose(settings: Settings, known: Callable[[str, str], bool], model: str | None) -> tuple[Provider, str]:
    """The provider and its model: as named `provider/model`; else the first configured provider that knows it."""
    ready = available(settings)
    if model is None:
        for provider in ready:
            if provider.model is not None:
                return provider, provider.model
        raise AIError(
            "No provider is configured.",
            provider="",
            code="PROVIDER_NOT_CONFIGURED",
            status=401,
            retryable=False,
            remedy=f"Set one of {', '.join(table['api_key_env'] for table in BUILT_IN.values())}.",
        )
    name, slash, rest = model.partition("/")
    if slash and name in settings.providers:
        return settings.providers[name], rest
    for provider in ready:
        if known(provider.name, model):
            return provider, model
    raise ConfigError(
        f"No configured provider is known to have the model {model!r}.",
        facts={"model": model, "configured": [provider.name for provider in ready]},
        remedy=f"Name the provider: model='PROVIDER/{model}'. Configured: "
        f"{', '.join(provider.name for provider in ready) or 'none'}.",
    )


def available(settings: Settings) -> list[Provider]:
    """The configured providers, in the order in which one is chosen."""
    return [provider for provider in settings.providers.values() if provider.configured]


def _attempts(stated: int | None) -> int | None:
    if stated is None or (isinstance(stated, int) and 1 <= stated <= MOST_ATTEMPTS):
        return stated
    raise ConfigError(
        f"attempts is {stated!r:.40}.", facts={"attempts": str(stated)[:40]}, remedy=f"It must be 1 to {MOST_ATTEMPTS}."
    )


def _deadline(stated: float | None) -> float | None:
    if stated is None or (isinstance(stated, int | float) and 0 < stated <= LONGEST_DEADLINE):
        return stated
    raise ConfigError(
        f"deadline is {stated!r:.40}.",
        facts={"deadline": str(stated)[:40]},
        remedy=f"It must be a number of seconds above 0, and {LONGEST_DEADLINE:,} at most.",
    )
