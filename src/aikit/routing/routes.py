"""Routes: which models may serve a call, which goes first, and which is next when one can't. Pure.

[routes]
chat = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini"]   # in this order
[routes.draft]
models = ["openai/gpt-5-nano", "gemini/gemini-2.5-flash"]
weights = [3, 1]                           # how often each goes first; then the others in order
downgrade = true                           # move on when a cap has no room for a model
attempts = 3                               # requests to providers in all
deadline = 60                              # seconds in all
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from aikit.errors import AIError, BreakerOpen, ConfigError, IdempotencyConflict, Refused, SpendCapExceeded

PREFIX = "routes."
ATTEMPTS = 3
DEADLINE = 60.0
MOST_MODELS = 20
MOST_ATTEMPTS = 10
LONGEST = 3600
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

DENIED = frozenset({"MODEL_NOT_ALLOWED", "PRICE_UNKNOWN"})
"""Refusals that another model may not meet."""
NOT_HERE = frozenset({"INSUFFICIENT_QUOTA", "PROVIDER_NOT_CONFIGURED"})
"""Failures that trying again does not help, but another provider does."""


@dataclass(frozen=True, slots=True)
class Route:
    """`models` are `provider/model`. `deadline` is in seconds, None: there is none."""

    models: tuple[str, ...]
    weights: tuple[int, ...] = ()
    downgrade: bool = False
    attempts: int = ATTEMPTS
    deadline: float | None = DEADLINE

    @property
    def has_more(self) -> bool:
        """More than one request may be sent."""
        return self.attempts > 1

    def order(self, random: Random) -> tuple[str, ...]:
        """The models as one call tries them."""
        if not self.weights:
            return self.models
        (first,) = random.choices(self.models, self.weights)
        return (first, *[model for model in self.models if model != first])


class RouteTable(BaseModel):
    """`[routes.NAME]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True)
    models: list[str] = Field(min_length=1, max_length=MOST_MODELS)
    weights: list[int] | None = None
    downgrade: bool = False
    attempts: int = Field(ATTEMPTS, ge=1, le=MOST_ATTEMPTS)
    deadline: float = Field(DEADLINE, gt=0, le=LONGEST, allow_inf_nan=False)


def read_routes(tables: Mapping[str, Any], providers: Collection[str], where: str) -> dict[str, Route]:
    """The routes of a configuration. Raises ConfigError that names the route and what is wrong with it."""
    return {name: _route(name, table, providers, f"{where} [routes.{name[:64]}]") for name, table in tables.items()}


def _route(name: str, written: Any, providers: Collection[str], where: str) -> Route:
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{where}: this is no name.", remedy="Use letters, digits, _ and -, at most 64.")
    try:
        table = RouteTable.model_validate({"models": written} if isinstance(written, list) else written)
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or name}: {e['msg']}" for e in error.errors(include_input=False)]
        raise ConfigError(
            f"{where}: {'; '.join(problems)}.", facts={"problems": problems}, remedy="Correct these fields."
        ) from error
    for model in table.models:
        provider, _, rest = model.partition("/")
        if provider not in providers or not rest:
            raise ConfigError(
                f"{where}: {model[:200]!r} is not provider/model with a provider that is known.",
                remedy=f"Known are {', '.join(sorted(providers))}.",
            )
    if len(set(table.models)) < len(table.models):
        raise ConfigError(f"{where}: a model is named twice.", remedy="Name each once; weights say how often.")
    weights = table.weights
    if weights is not None and (len(weights) != len(table.models) or min(weights) < 0 or not any(weights)):
        raise ConfigError(
            f"{where}: weights must be one number from 0 for each model, and not all 0.",
            facts={"models": len(table.models), "weights": len(weights)},
            remedy="State as many weights as models; a model with the weight 0 is only asked when others can't serve.",
        )
    return Route(tuple(table.models), tuple(weights or ()), table.downgrade, table.attempts, table.deadline)


def route_named(routes: Mapping[str, Route], model: str | None) -> Route | None:
    """The route that `routes.NAME` means; None for the name of a model. Raises ConfigError for an unknown one."""
    if model is None or not model.startswith(PREFIX):
        return None
    found = routes.get(model.removeprefix(PREFIX))
    if found is None:
        known = ", ".join(f"{PREFIX}{name}" for name in sorted(routes))
        raise ConfigError(
            f"There is no route named {model.removeprefix(PREFIX)[:64]!r}.",
            facts={"known": sorted(routes)},
            remedy=f"Known are {known}." if known else "Add it to aikit.toml under [routes].",
        )
    return found


def moves_on(error: AIError | Refused, *, downgrade: bool) -> bool:
    """Whether another model may serve where this error came."""
    if isinstance(error, AIError):
        return error.retryable or error.code in NOT_HERE
    if isinstance(error, SpendCapExceeded):
        return downgrade
    return isinstance(error, BreakerOpen) or error.code in DENIED


def is_same_request(error: Refused) -> bool:
    """Whether it says that what became of an earlier try with the same idempotency key is not known."""
    return isinstance(error, IdempotencyConflict)
