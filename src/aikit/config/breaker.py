"""When a breaker opens, for how long, and what closes it: `[breaker]` of the configuration. What is absent is default.

[breaker]
enabled = true                             # false: this process opens none, and minds only those forced open
window_seconds = 60                        # what is older counts no more
least_calls = 10                           # fewer in the window say nothing about a rate
failed_percent = 50                        # of the calls in the window: open
slow_percent = 80                          # of the calls in the window: open
slow_seconds = 30                          # a stream that has not begun by then is a slow one
consecutive = 5                            # failures in a row: open
open_seconds = 15                          # at first; twice as long each time that a probe fails
longest_seconds = 300                      # but no longer than this
probes = 1                                 # at a time, once that is over
successes = 2                              # of probes: closed
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class BreakerTable(BaseModel):
    """`[breaker]` as it is written."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)
    enabled: bool = True
    window_seconds: Annotated[int, Field(ge=5, le=300)] = 60
    least_calls: Annotated[int, Field(ge=1, le=10_000)] = 10
    failed_percent: Annotated[int, Field(ge=1, le=100)] = 50
    slow_percent: Annotated[int, Field(ge=1, le=100)] = 80
    slow_seconds: Annotated[int, Field(ge=1, le=600)] = 30
    consecutive: Annotated[int, Field(ge=1, le=100)] = 5
    open_seconds: Annotated[int, Field(ge=1, le=3_600)] = 15
    longest_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300
    probes: Annotated[int, Field(ge=1, le=100)] = 1
    successes: Annotated[int, Field(ge=1, le=100)] = 2

    @model_validator(mode="after")
    def _grows(self) -> Self:
        if self.longest_seconds < self.open_seconds:
            raise ValueError(
                f"longest_seconds ({self.longest_seconds}) must not be less than open_seconds ({self.open_seconds})"
            )
        return self


DEFAULTS = BreakerTable()
