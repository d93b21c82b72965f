"""The frozen values that every layer speaks. Tokens and amounts are integers; times are aware and in UTC.

Those that are made for every attempt are named tuples: they are made four times as fast as frozen dataclasses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from operator import attrgetter
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

TAG_LENGTH = 200


class Environment(StrEnum):
    """Where the application runs; a policy may apply to one of them or to all."""

    DEV = "dev"
    STAGING = "staging"
    PROD = "prod"


@dataclass(frozen=True, slots=True)
class Tags:
    """In whose name a call is made. `tenant` is required before anything is sent; the rest may be absent."""

    tenant: str | None = None
    user: str | None = None
    feature: str | None = None
    environment: str | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for a tag that is empty, longer than 200 characters, or carries control characters."""
        for name in ("tenant", "user", "feature", "environment"):
            value = getattr(self, name)
            if value is not None:
                check_tag(name, value)

    def over(self, outer: Tags) -> Tags:
        """These tags, completed by `outer` where they say nothing."""
        return Tags(
            self.tenant if self.tenant is not None else outer.tenant,
            self.user if self.user is not None else outer.user,
            self.feature if self.feature is not None else outer.feature,
            self.environment if self.environment is not None else outer.environment,
        )


def check_tag(name: str, value: object) -> None:
    """Raises ValueError, with the tag's name and what is wrong but never a long value, for an unusable tag."""
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a string, not {type(value).__name__}")
    _check_text(name, value)


@lru_cache(maxsize=4096)
def _check_text(name: str, value: str) -> None:
    if not value.strip():
        raise ValueError(f"{name} is empty")
    if len(value) > TAG_LENGTH:
        raise ValueError(f"{name} has {len(value):,} characters; {TAG_LENGTH} is the most")
    if not value.isprintable():
        raise ValueError(f"{name} has characters that can't be printed (a NUL, a line break or the like)")
    if name == "environment" and value not in set(Environment):
        raise ValueError(f"environment must be dev, staging or prod, not {value!r}")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a provider reports for one attempt, in disjoint classes of tokens that sum to the provider's total.

    `input` is plain input only: cached, written-to-cache, audio and image tokens are in classes of their own.
    Likewise `output` leaves out `reasoning` (thoughts), audio and image. `searches` counts web searches, which
    some providers bill by the piece; it is no token class.
    """

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    cache_read_audio: int = 0
    output: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    searches: int = 0

    @property
    def input_tokens(self) -> int:
        """All input tokens of every class; decides the price tier."""
        return (
            self.input
            + self.cache_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.input_audio
            + self.input_image
            + self.cache_read_audio
        )

    @property
    def output_tokens(self) -> int:
        """All output tokens of every class, reasoning included."""
        return self.output + self.reasoning + self.output_audio + self.output_image

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def counts(self) -> tuple[int, ...]:
        """Every class, zeros included, in the order of `USAGE_CLASSES`."""
        return _counts(self)

    def classes(self) -> dict[str, int]:
        """Every class by name, zeros included."""
        return dict(zip(USAGE_CLASSES, _counts(self), strict=True))


USAGE_CLASSES = tuple(f.name for f in fields(Usage))
INPUT_CLASSES = USAGE_CLASSES[:7]
OUTPUT_CLASSES = USAGE_CLASSES[7:11]
TOKEN_CLASSES = INPUT_CLASSES + OUTPUT_CLASSES
_counts: Callable[[Usage], tuple[int, ...]] = attrgetter(*USAGE_CLASSES)


@dataclass(frozen=True, slots=True)
class Bound:
    """The most that one attempt can use, in tokens; a true upper bound.

    `input_classes` and `output_classes` name the usage classes that can occur, so that a request without cache
    control is not priced at the cache-write rate. `open_ended` says that the provider adds input of its own (stored
    conversations, files, URLs, server tools): then the model's context window bounds the input, if it is larger.
    """

    input_tokens: int
    output_tokens: int
    input_classes: frozenset[str] = frozenset({"input"})
    output_classes: frozenset[str] = frozenset({"output"})
    open_ended: bool = False
    searches: int = 0


class Ending(StrEnum):
    """How an attempt ended; each has exactly one ending."""

    SETTLED = "settled"
    VOIDED = "voided"
    PRESUMED_SPENT = "presumed_spent"


class Metric(StrEnum):
    """What a limit counts."""

    CREDITS = "credits"
    TOKENS = "tokens"
    INPUT_TOKENS = "input_tokens"
    OUTPUT_TOKENS = "output_tokens"
    REQUESTS = "requests"
    CONCURRENCY = "concurrency"


class Window(StrEnum):
    """Over which time a limit counts. `call` bounds each single attempt, `total` never resets."""

    CALL = "call"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    TOTAL = "total"


class Action(StrEnum):
    """What happens at a cap: `block` refuses, `warn` lets pass and records what would have been refused."""

    BLOCK = "block"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `cap` of `metric` in `window`, for one call: `source` is the policy that states it.

    Amounts are in the metric's unit; for credits that is nano-USD. A cap of 0 means none is allowed. `subject` says
    whose attempts are counted together (`aikit.policy.subject`): "" is the whole tenant. Days, weeks and months start
    in the time `zone`, at `anchor`: the hour of the day, the weekday (0: Monday), the day of the month (0: the 1st).
    """

    metric: Metric
    window: Window
    cap: int
    source: str
    soft_cap: int | None = None
    action: Action = Action.BLOCK
    subject: str = ""
    zone: str = "UTC"
    anchor: int = 0

    def __hash__(self) -> int:
        """Three fields tell limits apart well enough, and enumerations are slow to hash: it is on the hot path."""
        return hash((self.source, self.cap, self.subject))


class LimitState(NamedTuple):
    """One limit as a decision found it. `carried` is what a sliding window still counts of the window before."""

    limit: Limit
    used: int
    held: int
    resets_at: datetime | None
    carried: int = 0

    @property
    def metric(self) -> Metric:
        return self.limit.metric

    @property
    def window(self) -> Window:
        return self.limit.window

    @property
    def cap(self) -> int:
        return self.limit.cap

    @property
    def source(self) -> str:
        return self.limit.source

    @property
    def counted(self) -> int:
        """All that stands against the cap."""
        return self.used + self.held + self.carried

    @property
    def remaining(self) -> int:
        return max(0, self.limit.cap - self.counted)


class Call(NamedTuple):
    """One logical operation of the application: in whose name, to which model, through which API."""

    id: UUID
    tags: Tags
    provider: str
    model: str
    api: str
    stream: bool = False

    @property
    def tenant(self) -> str:
        """The tenant, or an empty string where none was named."""
        return self.tags.tenant or ""


class Cost(NamedTuple):
    """The most an attempt can cost by its output tokens: the dearest of `cases`, each (what is paid before any output,
    the rate of an output token), in units of which `scale` are one nano-USD.
    """

    cases: tuple[tuple[int, int], ...]
    scale: int

    def nano(self, output_tokens: int) -> int:
        """Nano-USD for this many output tokens, rounded up once."""
        return -(-max([paid + output_tokens * rate for paid, rate in self.cases]) // self.scale)

    def output_tokens(self, nano: int) -> int | None:
        """The most output tokens that `nano` nano-USD pay for; negative if not even the rest fits, None: any number."""
        amount = nano * self.scale
        if any(paid > amount for paid, _ in self.cases):
            return -1
        counts = [(amount - paid) // rate for paid, rate in self.cases if rate]
        return min(counts) if counts else None


class Order(NamedTuple):
    """An attempt that asks to be admitted: the most it can use (tokens) and cost (nano-USD), and at which price.

    `output_tokens` are part of `tokens`. `named` says that the request itself names an output limit; where it names
    none, `output_tokens` is only a guess at the ceiling that the decision will write in. `answers` are the alternatives
    that it asks for, each of which may be as long as the limit; `least` is the smallest output that can be asked for.
    `characters` is the text of the prompt. Without a known price, `cost` and `price_id` are None, `nano` is 0, and
    `bound` is there for a policy that prices it.
    """

    attempt: UUID
    call: Call
    nano: int
    tokens: int
    price_id: str | None = None
    output_tokens: int = 0
    named: bool = True
    answers: int = 1
    least: int = 1
    characters: int = 0
    cost: Cost | None = None
    bound: Bound | None = None


class Hold(NamedTuple):
    """The reserved upper bound of an admitted attempt, in the counters of these subjects."""

    order: Order
    subjects: tuple[str, ...]
    admitted_at: datetime
    generation: int = 0


class Decision(NamedTuple):
    """Whether an attempt may be sent, and why. Its id is the attempt's: each attempt has one decision.

    `limits` are the states of all limits that apply, before this attempt; `failing` those that stand in its way, the
    one that resets last first; `in_flight` says that only holds of running attempts do. `soft` are those whose soft cap
    it crosses, `warned` those that would refuse it if they blocked. `hold` is there when it is allowed: its order is
    what was granted, with fewer output tokens than asked for if `clamped`. `source` is the policy that refused for
    another reason than a limit. `retry_after` is in seconds.
    """

    id: UUID
    reason_code: str
    limits: tuple[LimitState, ...] = ()
    failing: tuple[LimitState, ...] = ()
    in_flight: bool = False
    policy_version: int | None = None
    hold: Hold | None = None
    soft: tuple[LimitState, ...] = ()
    warned: tuple[LimitState, ...] = ()
    clamped: bool = False
    retry_after: float | None = None
    source: str | None = None
    order: Order | None = None
    """Of a refusal: the order as it was decided on, priced and with the output limit that it would have got."""
    rules: Any = None
    """The `aikit.policy.model.Rules` that it was made by; None for an unknown tenant."""

    @property
    def allowed(self) -> bool:
        return self.hold is not None

    @property
    def deciding(self) -> LimitState | None:
        """The failing limit that resets last: its code is the decision's."""
        return self.failing[0] if self.failing else None


class Entry(NamedTuple):
    """The ending of an attempt, ready for the ledger. `usage` None means that nobody can say."""

    hold: Hold
    ending: Ending
    nano: int
    usage: Usage | None = None
    estimated: bool = False
    status: int | None = None
    error: str | None = None
    served_model: str | None = None
    price_id: str | None = None
    """Set when the price turned out to be another one than the hold was made at."""
    duration_ms: int | None = None
    first_byte_ms: int | None = None


class Refusal(NamedTuple):
    """An attempt that was refused, ready for the record."""

    order: Order
    reason_code: str
    limits: tuple[LimitState, ...] = ()
    source: str | None = None


_random = Random()
_bits = _random.getrandbits
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): sorts by time of creation, so ids are also an index by time.

    Below the millisecond the time goes on for 12 bits (section 6.2, method 3), so the ids of a process sort too. The
    rest is from a generator of our own: an application may seed the common one, the same way in every process.
    """
    milliseconds, nanoseconds = divmod(time.time_ns(), 1_000_000)
    fraction = (nanoseconds << 12) // 1_000_000
    return UUID(int=milliseconds << 80 | 0x7 << 76 | fraction << 64 | 0b10 << 62 | _bits(62))
