"""POST /v1/ai/complete: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from aikit.routing.routes import LONGEST, MOST_ATTEMPTS
from aikit.serve.control.fields import Count, Key, Name, Word
from aikit.serve.endpoints import Body, Said

MOST_TOKENS = 10_000_000


class Message(Body):
    """One message."""

    role: Literal["system", "user", "assistant"]
    content: str


class Completion(Body):
    """One of `prompt`, `input` and `messages` says what is asked."""

    prompt: Word | None = Field(None, description="A prompt of the registry: `summarize@v3`, `summarize@production`.")
    inputs: dict[str, Any] | None = Field(None, description="What the prompt declares.")
    input: str | None = Field(None, description="A text.")
    messages: list[Message] | None = Field(None, min_length=1)
    model: Name | None = Field(None, description="`provider/model`, a model, or a route: `routes.NAME`.")
    system: str | None = None
    max_tokens: Annotated[int, Field(ge=1, le=MOST_TOKENS)] | None = None
    temperature: Annotated[float, Field(ge=0, le=100)] | None = None
    user: Name | None = None
    feature: Name | None = None
    attempts: Annotated[int, Field(ge=1, le=MOST_ATTEMPTS)] | None = None
    deadline: Annotated[float, Field(gt=0, le=LONGEST)] | None = Field(None, description="Seconds, for all attempts.")
    extra: dict[str, Any] | None = Field(None, description="Goes into the provider's request as it is.")
    idempotency_key: Key | None = None
    stream: bool = False

    @model_validator(mode="after")
    def _asks(self) -> Self:
        given = [name for name in ("prompt", "input", "messages") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError("one of prompt, input and messages is needed, and no more")
        if self.inputs is not None and self.prompt is None:
            raise ValueError("inputs belong to a prompt, and there is none")
        return self


class TriedSaid(Said):
    """A model that was asked, and what it said if it did not serve."""

    model: str
    code: str | None
    attempt: UUID | None


class Completed(Said):
    """What a model answered, and what it came to."""

    text: str | None = Field(description="Null in the event that ends a stream: it was there in pieces.")
    provider: str
    model: str
    prompt: str | None = Field(description="The version of the prompt that it was made with.")
    usage: dict[str, Count] | None = Field(description="Tokens by class; null: the provider did not say.")
    cost_usd: str
    credits: int
    estimated: bool = Field(description="The cost is an upper bound: what was used is not known.")
    decision_id: UUID
    call_id: UUID
    tried: list[TriedSaid]
    findings: list[dict[str, Any]] = Field(description="What guards found in the request and in the answer.")
    replayed: bool = Field(description="The answer to an earlier request with the same idempotency key.")


STREAM = """
event: delta
data: {"text":"Once upon"}

event: done
data: {"text":null,"provider":"openai","model":"gpt-4o-mini","cost_usd":"0.00042","…":"…"}
"""
DESCRIPTION = """
Asks a model, or the models of a route, with a prompt of the registry, a text or messages. A refusal is told in the
native form. With `stream` the answer comes as server-sent events: `delta` events with pieces of the text, then one
`done` with what it came to, or one `error` in the native form. A caller who leaves is charged for what was used.
"""
ASKED = {"prompt": "summarize@production", "inputs": {"text": "A long text."}, "user": "u-17", "feature": "digest"}
