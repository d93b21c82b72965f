"""How the demo calls a model through each official SDK: plain and streamed, as any application would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aikit.kit import AIKit

MAX_TOKENS = 200
DEAREST = "anthropic/claude-sonnet-5"
"""Of the models below the one whose holds are the largest: when no other call fits under a cap, its does not either."""
QUESTIONS = (
    "Summarize this support ticket in two sentences.",
    "Which of these three invoices is overdue, and by how many days?",
    "Translate the greeting into French, German and Japanese.",
    "Extract the name, the date and the amount from this receipt.",
    "Is the tone of this review friendly, neutral or angry?",
)


@dataclass(frozen=True, slots=True)
class Sdk:
    """One official SDK: its module, the models that the demo asks for, its metered client, and how to make one call."""

    name: str
    module: str
    models: tuple[str, ...]
    client: Callable[[AIKit, str], Any]
    call: Callable[[Any, str, str, bool], None]
    """Takes the client, a model, a question, and whether to stream; raises what the SDK raises."""


def _openai(client: Any, model: str, question: str, stream: bool) -> None:
    messages = [{"role": "user", "content": question}]
    reply = client.chat.completions.create(
        model=model, messages=messages, max_completion_tokens=MAX_TOKENS, stream=stream
    )
    _drain(reply, stream)


def _anthropic(client: Any, model: str, question: str, stream: bool) -> None:
    messages = [{"role": "user", "content": question}]
    _drain(client.messages.create(model=model, messages=messages, max_tokens=MAX_TOKENS, stream=stream), stream)


def _gemini(client: Any, model: str, question: str, stream: bool) -> None:
    generate = client.models.generate_content_stream if stream else client.models.generate_content
    _drain(generate(model=model, contents=question, config={"max_output_tokens": MAX_TOKENS}), stream)


def _drain(reply: Any, stream: bool) -> None:
    if stream:
        for _ in reply:
            pass


SDKS = {
    sdk.name: sdk
    for sdk in (
        Sdk("openai", "openai", ("gpt-5-mini", "gpt-4o-mini"), lambda kit, t: kit.openai(tenant=t), _openai),
        Sdk(
            "anthropic",
            "anthropic",
            ("claude-haiku-4-5", "claude-sonnet-5"),
            lambda kit, t: kit.anthropic(tenant=t),
            _anthropic,
        ),
        Sdk(
            "gemini",
            "google.genai",
            ("gemini-2.5-flash", "gemini-2.5-flash-lite"),
            lambda kit, t: kit.gemini(tenant=t),
            _gemini,
        ),
    )
}


def roster(processes: int) -> list[tuple[str, ...]]:
    """Which SDKs each process uses: one each where there are enough processes, since importing one takes a second."""
    dealt = list(islice(cycle(SDKS), max(processes, len(SDKS))))
    return [tuple(dealt[first::processes]) for first in range(processes)]
