"""A policy as plain JSON, as the database keeps it: nothing but what is stated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from aikit.errors import ConfigError
from aikit.policy.file.guards import as_stated as guards_as_stated
from aikit.policy.file.guards import from_stated as guards_from_stated
from aikit.policy.file.kinds import Wrong
from aikit.policy.model import Loops, Policy, Scope, StatedLimit, Velocity
from aikit.types import Action, Metric, Window

LIMIT_DEFAULTS = {f.name: f.default for f in fields(StatedLimit) if f.default is not MISSING}
POLICY_DEFAULTS = {f.name: f.default for f in fields(Policy) if f.default is not MISSING}
RUNAWAY: Mapping[str, type[Loops] | type[Velocity]] = {"loops": Loops, "velocity": Velocity}
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
    except (TypeError, ValueError, KeyError, AttributeError, Wrong) as error:
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
    if name == "guards":
        return guards_as_stated(value)
    if isinstance(value, Loops | Velocity):
        return rule_body(value)
    return dict(value) if isinstance(value, Mapping) else value


def rule_body(rule: Loops | Velocity) -> dict[str, Any]:
    """A rule against runaways as JSON: what is stated."""
    named = {field.name: (getattr(rule, field.name), field.default) for field in fields(rule)}
    stated = {name: value for name, (value, default) in named.items() if value != default}
    return stated | {"action": str(rule.action)} if "action" in stated else stated


def _typed(name: str, value: Any) -> Any:
    if name == "scope":
        return Scope(**value)
    if name == "limits":
        return tuple([_limit(limit) for limit in value])
    if name == "guards":
        return guards_from_stated(value)
    if name in RUNAWAY and value != "off":
        return RUNAWAY[name](**(value | {"action": Action(value["action"])} if "action" in value else value))
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
