"""A policy in the policy file: its fields, its scope, and the sections that say the scope by themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aikit.policy.file.guards import GUARDS
from aikit.policy.file.kinds import (
    FLAG,
    USD,
    Field,
    Kind,
    Place,
    Schema,
    Wrong,
    as_table,
    many,
    path_text,
    quoted,
    shown,
    table,
    tag,
    text,
    whole,
    words,
)
from aikit.policy.file.limits import LIMIT, MOST
from aikit.policy.file.runaway import LOOPS, VELOCITY
from aikit.policy.model import Policy, Scope, StatedLimit
from aikit.pricing.overrides import FINEST_PLACES, HIGHEST_RATE
from aikit.pricing.rates import PRICED
from aikit.types import Action, Environment, Metric, Window

MOST_OUTPUT_TOKENS = 10_000_000
"""As much as a request may ask for (`aikit.wire.codec`)."""
HIGHEST_PRIORITY = 1_000_000

GLOB = re.compile(r"^(\*|[^/\s]+/\S+)$")
RATE = re.compile(rf"^[0-9]{{1,7}}(\.[0-9]{{1,{FINEST_PLACES}}})?$")


def _read_glob(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not value.isprintable() or not GLOB.search(value):
        raise Wrong(
            f"is {shown(value)}", 'Write provider/model, like "openai/gpt-5-mini", "anthropic/*", or "*" for all.'
        )
    return value


def _read_rate(value: Any, _: Place) -> str:
    if not isinstance(value, str) or not RATE.search(value) or Decimal(value) > HIGHEST_RATE:
        raise Wrong(
            f"is {shown(value)}", f'Write USD per million tokens in quotes, like "0.15"; {HIGHEST_RATE:,} at most.'
        )
    return value


_RATE = Kind({"type": "string", "pattern": RATE.pattern, "examples": ["0.15"]}, _read_rate)
_RATES = table(
    {
        name: Field(_RATE, f"USD per {'thousand' if name in ('searches', 'requests') else 'million tokens'}.")
        for name in PRICED
    },
    required=("input",),
)


def _read_unpriced(value: Any, place: Place) -> dict[str, str]:
    if value == "deny":
        return {}
    if not isinstance(value, dict):
        raise Wrong(f"is {shown(value)}", 'Write "deny", or prices like { input = "5.00", output = "15.00" }.')
    rates: dict[str, str] = _RATES.read(value, place)
    return rates


_MODELS = table(
    {
        "allow": Field(
            many(Kind({"type": "string", "pattern": GLOB.pattern}, _read_glob), of="models"),
            "Only these models, as provider/model; * stands for anything. An empty array allows none.",
        ),
        "deny": Field(
            many(Kind({"type": "string", "pattern": GLOB.pattern}, _read_glob), of="models"),
            "Not these models, even if they are allowed.",
        ),
    }
)
_ENTITLEMENTS = many(tag("an entitlement"), of="names")

FIELDS = {
    "description": Field(text(1000), "What the policy is for; shown to people, without effect."),
    "priority": Field(
        whole(-HIGHEST_PRIORITY, HIGHEST_PRIORITY),
        "Decides between policies that are equally specific: the higher one wins. 0 if left out.",
    ),
    "entitlements": Field(
        _ENTITLEMENTS, "What the plan gives. A plan that does not give `ai_access` allows no calls at all."
    ),
    "requires": Field(_ENTITLEMENTS, "What the plan of a call must give."),
    "models": Field(_MODELS, "Which models may be called. deny wins over allow."),
    "max_output_tokens": Field(
        whole(1, MOST_OUTPUT_TOKENS), "The most output tokens a request may ask for, all its answers together."
    ),
    "default_output_tokens": Field(
        whole(1, MOST_OUTPUT_TOKENS),
        "Written into a request that names no output limit; max_output_tokens if left out, which it may not exceed.",
    ),
    "max_prompt_characters": Field(whole(1, MOST), "The most characters of text in a prompt."),
    "max_cost_usd": Field(
        USD, 'The most that a single attempt may cost: short for { cap_usd = "…", window = "call" }.'
    ),
    "unpriced": Field(
        Kind({"anyOf": [{"type": "string", "enum": ["deny"]}, _RATES.schema]}, _read_unpriced),
        'Models without a known price: "deny", or what they are charged, in USD per million tokens.',
    ),
    "clamp": Field(FLAG, "Lower a request's output limit to what fits, rather than refuse it."),
    "lease": Field(
        FLAG, "Hold a stream's output bit by bit as it grows, where its API shows all of it, instead of all it may be."
    ),
    "presume": Field(
        words(("hold", "input")),
        "What an attempt is charged that nobody learns the end of: all that it held, or its input alone.",
    ),
    "on_ledger_failure": Field(
        words(("refuse", "open")),
        "While the ledger is away: refuse calls, or send them with no limit checked and post them later.",
    ),
    "uncapped": Field(FLAG, "Allow calls that no limit applies to. Without it those are refused."),
    "loops": Field(
        LOOPS,
        'How many requests with the same content, in how many seconds, are still no loop; or "off".',
    ),
    "velocity": Field(VELOCITY, 'How many times the spending of the last hour a minute may come to; or "off".'),
    "limits": Field(
        many(Kind({"$ref": "#/$defs/limit"}, LIMIT.read), of="tables"),
        "What may be used. All limits that are for a call apply, unless a more specific policy counts the same thing.",
    ),
    "guards": Field(
        GUARDS,
        "What is checked in the text that goes in and out. Of each guard the most specific policy that states it "
        'decides; "off" switches it off.',
    ),
}
PLAIN_FIELDS = tuple([name for name in FIELDS if name not in ("models", "max_cost_usd", "limits")])
"""Those that are called the same in `Policy`."""
SCOPE_FIELDS = {
    "tenant": Field(tag("a tenant"), "Calls of this tenant."),
    "plan": Field(tag("a plan"), "Calls of tenants and users on this plan."),
    "feature": Field(tag("a feature"), "Calls of this feature."),
    "user": Field(tag("a user"), "Calls of this user."),
    "environment": Field(words(Environment), "Calls in this environment."),
}
_SCOPE = table(SCOPE_FIELDS)
NAMED_FIELDS = {
    "name": Field(tag("a name"), "A name of its own; the scope in words if left out, like plan:pro feature:chat."),
    "scope": Field(_SCOPE, "Which calls it is for: those that all of this fits. Write scope = {} for every call."),
    **FIELDS,
}
_ONLY_PLANS_GIVE = "Only a plan gives entitlements: put it into [plans.NAME], or write requires."
_HEADING_SAYS = "The heading says it already; for a combination of scopes write [[policies]]."


def _fields_of(part: str | None) -> Kind:
    """The table of a policy whose scope is this one part, or every call."""
    fields = FIELDS if part == "plan" else {name: f for name, f in FIELDS.items() if name != "entitlements"}
    elsewhere = {"entitlements": _ONLY_PLANS_GIVE, "scope": _HEADING_SAYS, "name": _HEADING_SAYS}
    return table(fields, elsewhere=elsewhere, references=True)


def section(part: str | None) -> Kind:
    """The policy of a scope that its heading says: one value of this part, or every call."""
    fields = _fields_of(part)

    def read(value: Any, place: Place) -> None:
        scope = Scope() if part is None else Scope(**{part: str(place.path[-1])})
        _add_policy(fields.read(value, place), scope, scope.label, place)

    schema = {**fields.schema, "allOf": [_each_elsewhere(part)]} if part in ("user", "feature") else fields.schema
    return Kind(schema, read)


def sections(part: str) -> Kind:
    """`[plans.NAME]` and the like: policies by the name of what they are for."""
    body = section(part)
    names = SCOPE_FIELDS[part].kind

    def read(value: Any, place: Place) -> None:
        for name, stated in as_table(value).items():
            try:
                names.read(name, place)
                body.read(stated, place.at(name))
            except Wrong as wrong:
                place.at(name).report(wrong)

    if part == "environment":
        by_name = {str(name): body.schema for name in Environment}
        return Kind({"type": "object", "properties": by_name, "additionalProperties": False}, read)
    return Kind({"type": "object", "propertyNames": names.schema, "additionalProperties": body.schema}, read)


def _each_elsewhere(part: str | None) -> Schema:
    """No limit, and no rule, counts each user of a scope that is one user, or each feature of one feature."""
    each = {"not": {"type": "object", "required": ["each"], "properties": {"each": {"enum": [part]}}}}
    return {"properties": {"limits": {"items": each}, "loops": each, "velocity": each}}


def _in_scope(part: str) -> Schema:
    return {"required": ["scope"], "properties": {"scope": {"required": [part]}}}


_NAMED = table(NAMED_FIELDS, required=("scope",), references=True)
_ONLY_A_PLAN: Schema = {"properties": {"scope": {"required": ["plan"], "maxProperties": 1}}}


def _read_named(value: Any, place: Place) -> None:
    stated = _NAMED.read(value, place)
    if not place.clean:
        return
    scope = Scope(**stated["scope"])
    if "entitlements" in stated and scope != Scope(plan=scope.plan):
        raise Wrong("is for a policy whose scope is a plan and nothing else", _ONLY_PLANS_GIVE, "entitlements")
    _add_policy(stated, scope, stated.get("name", scope.label), place)


NAMED = Kind(
    {
        **_NAMED.schema,
        "allOf": [
            {"if": {"required": ["entitlements"]}, "then": _ONLY_A_PLAN},
            *[{"if": _in_scope(part), "then": _each_elsewhere(part)} for part in ("user", "feature")],
        ],
    },
    _read_named,
)
"""An element of `[[policies]]`."""


def _add_policy(stated: Mapping[str, Any], scope: Scope, name: str, place: Place) -> None:
    """Add the policy to those that were found, if nothing is wrong with it."""
    if not place.clean:
        return
    limits: tuple[StatedLimit, ...] = stated.get("limits", ())
    _check_limits(limits, scope, "max_cost_usd" in stated, place)
    _check_rules(stated, scope, place)
    _check_ceiling(stated.get("default_output_tokens"), stated.get("max_output_tokens"))
    if name in place.policies:
        other = path_text(place.policies[name][0])
        raise Wrong(
            f"has the same name as {other}: {quoted(name)}", "Give one of the two another name in [[policies]]."
        )
    models = stated.get("models", {})
    policy = Policy(
        **{name: stated[name] for name in PLAIN_FIELDS if name in stated},
        name=name,
        scope=scope,
        limits=(*most_per_call(stated.get("max_cost_usd")), *limits),
        allow=models.get("allow"),
        deny=models.get("deny"),
    )
    place.policies[name] = place.path, policy


def _check_ceiling(default: int | None, ceiling: int | None) -> None:
    if default is not None and ceiling is not None and default > ceiling:
        raise Wrong(f"is {default:,}", f"max_output_tokens allows {ceiling:,} at most.", "default_output_tokens")


def most_per_call(nano: int | None) -> tuple[StatedLimit, ...]:
    """The limit that `max_cost_usd` is short for."""
    return () if nano is None else (StatedLimit(Metric.CREDITS, Window.CALL, nano),)


def _check_limits(limits: tuple[StatedLimit, ...], scope: Scope, max_cost: bool, place: Place) -> None:
    """Report limits that count the same, and those that count each of what the scope has only one of."""
    counted = {_counts(limit): "max_cost_usd" for limit in most_per_call(0 if max_cost else None)}
    for index, limit in enumerate(limits):
        here = place.at("limits").at(index)
        other = counted.setdefault(_counts(limit), f"limits[{index}]")
        if other != f"limits[{index}]":
            here.report(Wrong(f"counts the same as {other}", "Keep one of the two."))
        if limit.each is not None and getattr(scope, limit.each) is not None:
            what = f"is {limit.each}, but the policy is for one {limit.each}"
            here.report(Wrong(what, "Leave it out.", "each"))


def _check_rules(stated: Mapping[str, Any], scope: Scope, place: Place) -> None:
    """Report a rule that looks at each of what the scope has only one of."""
    for name in ("loops", "velocity"):
        each = getattr(stated.get(name), "each", None)
        if each is not None and getattr(scope, each) is not None:
            what = f"is {each}, but the policy is for one {each}"
            place.at(name).report(Wrong(what, "Leave it out.", "each"))


def _counts(limit: StatedLimit) -> tuple[Metric, Window, Action, str | None]:
    return limit.metric, limit.window, limit.action, limit.each
