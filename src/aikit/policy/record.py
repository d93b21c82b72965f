"""A policy as plain JSON, as the database keeps it: nothing but what is stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from aikit.errors import ConfigError
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.types import Action, Metric, Window

LIMIT_DEFAULTS = {f.name: f.default for f in fields(StatedLimit) if f.default is not MISSING}
POLICY_DEFAULTS = {f.name: f.default for f in fields(Policy) if f.default is not MISSING}
GLOBS_AND_NAMES = ("allow", "deny", "entitlements", "requires")


def to_body(policy: Policy) -> dict[str, Any]:
    """The policy as JSON. Amounts of credits are in nano-USD; a field that is not stated is not there."""
    body: dict[str, Any] = {
        "name": policy.name,
        "scope": {name: value for name, value in policy.scope._asdict().items() if value is not None},
    }
    for name, default in POLICY_DEFAULTS.items():
        value = getattr(policy, name)
        if value != default:
            body[name] = _plain(name, value)
    return body


def from_body(body: Mapping[str, Any]) -> Policy:
    """The policy that `to_body` wrote.

    Raises ConfigError for a field or a word that this version of aikit does not know: what it can't read, it can't
    enforce, so it must not go on as if nothing were stated.
    """
    try:
        stated: dict[str, Any] = {name: _typed(name, value) for name, value in body.items()}
        return Policy(**stated)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"The stored policy {body.get('name')!r} can't be read: {error}.",
            facts={"policy": body.get("name")},
            remedy="A newer version of aikit may have written it: run that version here, too.",
        ) from error


def _plain(name: str, value: Any) -> Any:
    if name == "limits":
        return [_limit_body(limit) for limit in value]
    if name in GLOBS_AND_NAMES:
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _typed(name: str, value: Any) -> Any:
    if name == "scope":
        return Scope(**value)
    if name == "limits":
        return tuple([_limit(limit) for limit in value])
    return tuple(value) if name in GLOBS_AND_NAMES else value


def _limit_body(limit: StatedLimit) -> dict[str, Any]:
    body: dict[str, Any] = {"metric": str(limit.metric), "window": str(limit.window), "cap": limit.cap}
    for name, default in LIMIT_DEFAULTS.items():
        value = getattr(limit, name)
        if value != default:
            body[name] = str(value) if name == "action" else value
    return body


def _limit(body: Mapping[str, Any]) -> StatedLimit:
    stated: dict[str, Any] = dict(body)
    stated["metric"] = Metric(stated["metric"])
    stated["window"] = Window(stated["window"])
    if "action" in stated:
        stated["action"] = Action(stated["action"])
    return StatedLimit(**stated)
