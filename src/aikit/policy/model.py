"""Policies as they are stated, and the rules that follow from them for one call.

A policy states some fields for a scope. For each field the most specific policy that states it wins. A limit is
overridden only by a more specific one that counts the same: same metric, window, action and subject; all others apply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal, NamedTuple

from aikit.pricing.price import Price
from aikit.types import Action, GuardAction, GuardRule, Limit, LoopRule, Metric, Place, VelocityRule, Window

AI_ACCESS = "ai_access"
"""The entitlement without which a plan allows no call at all."""
Presume = Literal["hold", "input"]
OnLedgerFailure = Literal["refuse", "open"]
Each = Literal["user", "feature"]
BUILT_IN = "built-in"
"""The source of what no policy states."""


class Scope(NamedTuple):
    """Which calls a policy is for: those that all of its parts fit. None stands for any; nothing at all: every call."""

    tenant: str | None = None
    plan: str | None = None
    feature: str | None = None
    user: str | None = None
    environment: str | None = None

    @property
    def label(self) -> str:
        """`user:u1`, `feature:chat environment:prod`; `default` for every call."""
        order = ("user", "feature", "tenant", "plan", "environment")
        return (
            " ".join([f"{name}:{value}" for name in order if (value := getattr(self, name)) is not None]) or "default"
        )


@dataclass(frozen=True, slots=True)
class StatedLimit:
    """A limit as a policy states it. Amounts are in the metric's unit; for credits that is nano-USD.

    It counts what its policy is for: the whole tenant, or the environment, feature or user in the policy's scope; a
    limit of a plan counts the tenant or the user who is on that plan. `each` counts every user, or every feature, of
    that by itself. `zone` and `anchor` are as in `aikit.types.Limit`.
    """

    metric: Metric
    window: Window
    cap: int
    soft_cap: int | None = None
    action: Action = Action.BLOCK
    each: Each | None = None
    zone: str = "UTC"
    anchor: int = 0


Off = Literal["off"]
"""Switches a rule off that a less specific policy states."""


@dataclass(frozen=True, slots=True)
class Loops:
    """More than `identical` requests with the same content within `seconds` are a loop. `each` is as of a limit."""

    identical: int
    seconds: int = 60
    action: Action = Action.BLOCK
    each: Each | None = None


@dataclass(frozen=True, slots=True)
class Velocity:
    """The spend of a minute may be `times` that of an average minute of the last hour, and `floor` nano-USD anyway."""

    times: int
    floor: int
    action: Action = Action.BLOCK
    each: Each | None = None


@dataclass(frozen=True, slots=True)
class StatedGuard:
    """A guard as a policy states it, by its name: `pii`, or `custom.NAME`.

    `action` is what happens with what it finds; "off" switches it off. `places` is where it looks, in the order of
    `Place`, None: where it looks by itself. `options` is a canonical JSON object of what else is stated.
    """

    guard: str
    action: GuardAction | Off
    places: tuple[Place, ...] | None = None
    options: str = "{}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What is stated for a scope; a field that is None is not stated. `name` is unique, by default the scope's label.

    allow, deny             globs of `provider/model`; deny wins over allow
    entitlements            what a plan gives; only for a policy whose scope is a plan and nothing else
    requires                entitlements that the plan of the call must give
    max_output_tokens       the ceiling for a request, all its alternative answers together
    default_output_tokens   written into a request that names no limit; the ceiling if not stated
    max_prompt_characters   the ceiling for the text of a prompt
    unpriced                USD per million tokens by usage class, for models without a known price; {}: deny those
    clamp                   lower a request's output limit to what fits, rather than refuse it
    lease                   hold a stream's output bit by bit as it grows, where the API shows all of it
    presume                 what an attempt is charged that nobody learns the end of: all that it held, or its input
    on_ledger_failure       refuse calls while the ledger is away, or send them unchecked and post them later
    uncapped                calls that no limit applies to are allowed
    loops                   what counts as a loop: the same request over and over
    velocity                what counts as spending that has shot up
    guards                  what is checked in the text that goes in and out, sorted by the guards' names
    """

    name: str
    scope: Scope
    priority: int = 0
    limits: tuple[StatedLimit, ...] = ()
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] | None = None
    entitlements: tuple[str, ...] | None = None
    requires: tuple[str, ...] | None = None
    max_output_tokens: int | None = None
    default_output_tokens: int | None = None
    max_prompt_characters: int | None = None
    unpriced: Mapping[str, str] | None = None
    clamp: bool | None = None
    lease: bool | None = None
    presume: Presume | None = None
    on_ledger_failure: OnLedgerFailure | None = None
    uncapped: bool | None = None
    loops: Loops | Off | None = None
    velocity: Velocity | Off | None = None
    guards: tuple[StatedGuard, ...] = ()
    description: str | None = None


CounterRef = tuple[str, str]
"""The row of counters of a subject: tenant and the subject's key."""


@lru_cache(maxsize=4096)
def slot_name(metric: Metric, window: Window, zone: str = "UTC", anchor: int = 0) -> str:
    """The slot of a limit among the counters of its subject: `credits/month`, `tokens/day@Europe/Zurich+6`."""
    where = f"@{zone}+{anchor}" if zone != "UTC" or anchor else ""
    return f"{metric}/{window}{where}"


class Slot(NamedTuple):
    """What a slot counts, and when its window starts."""

    metric: Metric
    window: Window
    zone: str = "UTC"
    anchor: int = 0


PACED = {
    slot_name(slot.metric, slot.window): slot
    for slot in (Slot(Metric.CREDITS, Window.MINUTE), Slot(Metric.CREDITS, Window.HOUR))
}
"""What a rule on velocity compares: the money of a minute and of an hour."""

MAX_OUTPUT_TOKENS = 4096
MAX_PROMPT_CHARACTERS = 100_000
LEASE_SLICE = 1024
"""Output tokens by which a leased stream holds more than it has shown."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the tags of a call, and the plans that its tenant and its user are on."""

    tenant: str
    user: str | None = None
    feature: str | None = None
    environment: str | None = None
    plan: str | None = None
    user_plan: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """What policies come to for one caller. `sources` names for each field the policy that decided it.

    `lacking` are the entitlements that are required and not given. `unpriced` is the price of a model without one; None
    denies it. `subjects` are those of the limits and of `paced`, in the order in which their counters are locked.
    """

    limits: tuple[Limit, ...] = ()
    uncapped: bool = False
    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    max_output_tokens: int = MAX_OUTPUT_TOKENS
    default_output_tokens: int = MAX_OUTPUT_TOKENS
    max_prompt_characters: int = MAX_PROMPT_CHARACTERS
    unpriced: Price | None = None
    clamp: bool = False
    lease: bool = False
    presume: Presume = "hold"
    on_ledger_failure: OnLedgerFailure = "refuse"
    loops: LoopRule | None = None
    velocity: VelocityRule | None = None
    paced: tuple[str, ...] = ()
    """The subjects that some policy for this caller states a velocity for, whether it decides or not."""
    guards: tuple[GuardRule, ...] = ()
    """By name; each as the most specific policy states it, and none that it switches off."""
    subjects: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    policies: tuple[str, ...] = ()
    """The names of those that are for this caller, the most specific first."""
