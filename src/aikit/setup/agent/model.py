"""What the set-up agent's parts speak: tools, calls of them, what a model said, and how it all ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Nonsense(Exception):
    """What came back is no answer: nothing in it can be shown or done."""


class Tool(NamedTuple):
    """A tool as the model sees it; `schema` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    schema: Mapping[str, Any]


class ToolCall(NamedTuple):
    """A call of a tool that a model wants. `arguments` None: what it sent is no JSON object."""

    id: str
    name: str
    arguments: Mapping[str, Any] | None


class Said(NamedTuple):
    """One answer of a model. `message` is what its API wants to see of it in the next request."""

    text: str
    calls: tuple[ToolCall, ...]
    message: Mapping[str, Any]


class Told(NamedTuple):
    """What the model is told by us or by the person."""

    text: str


class Result(NamedTuple):
    """What came of a call, as JSON."""

    call: ToolCall
    text: str


History = Sequence[Told | Said | tuple[Result, ...]]
"""The conversation so far. After an answer with calls come their results, all of them, in order."""


class Api(Protocol):
    """How one provider API words tools. Request and response only, nothing is streamed."""

    def compose(
        self, model: str, system: str, history: History, tools: Sequence[Tool], max_tokens: int, *, native: bool
    ) -> tuple[str, dict[str, Any]]:
        """The path after the provider's base URL, and the body. `native`: the provider's own service."""

    def read(self, body: Mapping[str, Any]) -> Said:
        """Raises Nonsense for what is no answer."""


class End(StrEnum):
    """How a session with the agent ended."""

    DONE = "done"
    """It said that it is done; what is not in order is in `Outcome.open`."""
    LEFT = "left"
    """The person left it."""
    FELL_BACK = "fell back"
    """It could not go on: the plan takes over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `why` is for the person; `spent_nano` in nano-USD; `open` are the steps not in order."""

    end: End
    why: str
    spent_nano: int = 0
    transcript: Path | None = None
    open: tuple[str, ...] = ()
