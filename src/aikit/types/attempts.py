"""An attempt from its order to its ending. Named tuples: they are made four times as fast as frozen dataclasses."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

from aikit.types.guards import Finding, GuardRule
from aikit.types.limits import LimitState
from aikit.types.prompts import PromptId
from aikit.types.runaway import Watched
from aikit.types.tags import Tags
from aikit.types.usage import Bound, Usage


class Ending(StrEnum):
    """How an attempt ended; each has exactly one ending."""

    SETTLED = "settled"
    VOIDED = "voided"
    PRESUMED_SPENT = "presumed_spent"


class Health(StrEnum):
    """What an attempt says about its provider. `NEUTRAL` says nothing: the caller's mistake, or the caller left."""

    OK = "ok"
    SLOW = "slow"
    FAILED = "failed"
    QUOTA = "quota"
    NEUTRAL = "neutral"


class Call(NamedTuple):
    """One logical operation of the application: in whose name, to which model, through which API."""

    id: UUID
    tags: Tags
    provider: str
    model: str
    api: str
    stream: bool = False
    prompt: PromptId | None = None
    """The version of a prompt that it was made with, as far as the caller has said."""

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


class Once(NamedTuple):
    """An idempotency key, unique within its tenant, and the SHA-256 of the request that it was given with."""

    key: str
    request_hash: bytes


class Order(NamedTuple):
    """An attempt that asks to be admitted: the most it can use (tokens) and cost (nano-USD), and at which price.

    `output_tokens` are part of `tokens`. `named` says that the request itself names an output limit; where it names
    none, `output_tokens` is only a guess at the ceiling that the decision will write in. `answers` are the alternatives
    that it asks for, each of which may be as long as the limit; `least` is the smallest output that can be asked for.
    `characters` is the text of the prompt. Without a known price, `cost` and `price_id` are None, `nano` is 0, and
    `bound` is there for a policy that prices it.

    `leasable` says that it is a stream that shows all of its output as it is generated: then a policy may hold only a
    part of its output at a time, and `limit` is the output limit that is written into the request all the same.
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
    leasable: bool = False
    limit: int | None = None
    once: Once | None = None
    fingerprint: str = ""
    """The same for requests with the same content; empty: it is not known."""
    guarded: tuple[GuardRule, ...] | None = ()
    """The guards that its request has passed. If its policies ask for others, it is guarded and asks again. None: it
    is no more than the question which guards they ask for.
    """
    findings: tuple[Finding, ...] = ()
    """What they found in the request."""
    blocked: bool = False
    """One of them has blocked it."""
    asks: bool = False
    """It is a question: where the answer is yes, nothing is held and nothing counts."""


class Hold(NamedTuple):
    """The reserved upper bound of an admitted attempt, in the counters of these subjects.

    `presumed` is what it is presumed to have cost (nano-USD) if nobody learns what became of it; None: all of it.
    `opened` says that the ledger has no such hold: it was admitted while the ledger was away, or, if `recorded`, it was
    not asked for at all, and only what was used is reported.
    """

    order: Order
    subjects: tuple[str, ...]
    admitted_at: datetime
    generation: int = 0
    presumed: int | None = None
    opened: bool = False
    recorded: bool = False

    @property
    def presumed_nano(self) -> int:
        """What is charged if nobody learns what became of it."""
        return self.order.nano if self.presumed is None else self.presumed


class Extension(NamedTuple):
    """A stream that asks to hold `output_tokens` in all, more than its hold covers."""

    hold: Hold
    output_tokens: int


class Answer(NamedTuple):
    """A response as it is kept for an idempotency key. `body` is encrypted."""

    status: int
    media_type: str
    body: bytes


class Earlier(NamedTuple):
    """The attempt that an idempotency key stands for already. `answer` None: it was not kept, or there is none."""

    attempt: UUID
    call: UUID | None
    request_hash: bytes
    running: bool
    ending: Ending | None = None
    answer: Answer | None = None


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
    earlier: Earlier | None = None
    """The attempt that its idempotency key stands for: it is not sent again."""
    watch: tuple[Watched, ...] = ()
    """What the rules against runaways found, before this attempt."""
    tripped: tuple[Watched, ...] = ()
    """Those of `watch` that refuse it; or, where it is allowed, those that would if they blocked."""

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
    answer: Answer | None = None
    """Kept for the idempotency key of its order."""
    health: Health = Health.NEUTRAL
    """What it says about its provider."""
    retry_after: float | None = None
    """Seconds for which the provider asked not to be tried again."""
    findings: tuple[Finding, ...] = ()
    """What guards found in the response."""


class Refusal(NamedTuple):
    """An attempt that was refused, ready for the record."""

    order: Order
    reason_code: str
    limits: tuple[LimitState, ...] = ()
    source: str | None = None
    watch: tuple[Watched, ...] = ()
