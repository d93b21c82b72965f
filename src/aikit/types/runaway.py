"""Rules against runaways, and what one found: the same request over and over, or spending that has shot up."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from aikit.types.limits import Action

LOOP_DETECTED = "LOOP_DETECTED"
VELOCITY_EXCEEDED = "VELOCITY_EXCEEDED"
MINUTES = 60
"""In an hour."""


class LoopRule(NamedTuple):
    """More than `identical` requests with the same content within `seconds` are a loop.

    `source` is the policy that states it, `subject` whose requests are counted together, as of a limit.
    """

    identical: int
    seconds: int
    source: str
    action: Action = Action.BLOCK
    subject: str = ""


class VelocityRule(NamedTuple):
    """The spend of a minute may be `times` that of an average minute of the last hour, and `floor` nano-USD anyway."""

    times: int
    floor: int
    source: str
    action: Action = Action.BLOCK
    subject: str = ""


class Repeats(NamedTuple):
    """How often a request was there before. `seen` is within the rule's seconds, `first_at` the earliest of those."""

    rule: LoopRule
    seen: int
    first_at: datetime | None = None

    @property
    def reason_code(self) -> str:
        return LOOP_DETECTED

    @property
    def label(self) -> str:
        """`loops/60 s default`."""
        return f"loops/{self.rule.seconds} s {self.rule.source}"


class Pace(NamedTuple):
    """How fast money goes, in nano-USD, before an order: `minute` is used and held in the present minute, `carried`
    what still counts of the one before, `hour` all of the last hour.
    """

    rule: VelocityRule
    minute: int
    carried: int
    hour: int

    @property
    def reason_code(self) -> str:
        return VELOCITY_EXCEEDED

    @property
    def label(self) -> str:
        """`velocity/minute default`."""
        return f"velocity/minute {self.rule.source}"

    @property
    def counted(self) -> int:
        """All of the last minute."""
        return self.minute + self.carried

    @property
    def allowed(self) -> int:
        """The most that the last minute may come to."""
        return max(self.rule.floor, self.rule.times * self.hour // MINUTES)


Watched = Repeats | Pace
"""What a rule against runaways found."""
