"""POST /v1/evaluate: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, model_validator

from aikit.serve.control.fields import Count, InputClass, Key, Limited, Name, OutputClass, Word
from aikit.serve.endpoints import Body, Said

MOST_TEXT = 8 * 1024 * 1024


class Question(Body):
    """May a request like this be sent? One of `input_tokens`, `characters` and `text` bounds what goes in."""

    model: Name = Field(description="A model, or `provider/model`.")
    provider: Word | None = Field(None, description="Whose model it is, if `model` does not say.")
    input_tokens: Count | None = Field(None, description="The most input tokens of all classes that it can have.")
    characters: Count | None = Field(None, description="The characters of its prompt; each is taken for four tokens.")
    text: Annotated[str, Field(max_length=MOST_TEXT)] | None = Field(
        None, description="The prompt itself, for guards, and for a bound by its bytes. It is kept nowhere."
    )
    output_tokens: Count | None = Field(
        None, description="The output limit that it will be sent with. Without one the policy's ceiling is granted."
    )
    input_classes: list[InputClass] | None = Field(
        None,
        min_length=1,
        description="What its input can turn out to be; by default input, cached, and written to caches.",
    )
    output_classes: list[OutputClass] | None = Field(
        None, min_length=1, description="What its output can turn out to be; by default output and reasoning."
    )
    searches: Annotated[int, Field(ge=0, le=10_000)] = Field(0, description="The most web searches that it can make.")
    service_tier: Word | None = Field(None, description="The provider's service tier, where prices differ by it.")
    stream: bool = False
    hold: bool = Field(False, description="Take a hold of the most that it can cost, until usage is reported.")
    user: Name | None = None
    feature: Name | None = None
    idempotency_key: Key | None = Field(None, description="Of all questions with it that take a hold, one does.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.input_tokens is None and self.characters is None and self.text is None:
            raise ValueError("one of input_tokens, characters and text is needed")
        if self.characters is not None and self.text is not None:
            raise ValueError("characters and text are given: one of them is enough")
        return self


class HoldSaid(Said):
    """A hold, as it stands now."""

    id: UUID = Field(description="Report the usage under this id, or void it. It is the decision's, too.")
    state: str = Field(description="`held`; or its ending: `settled`, `voided`, `presumed_spent`.")
    expires_at: str | None = Field(
        description="When it is presumed spent unless it is settled, voided or extended. Null: it has ended.",
    )
    cost_usd: str = Field(description="The most that the request can cost: so much is held.")
    credits: int
    output_tokens: int = Field(description="The output limit that it covers: send the request with no higher one.")


class DecisionSaid(Said):
    """The decision: the same that a call would get."""

    allowed: bool
    reason_code: str
    status: int = Field(description="The HTTP status that a call would be answered with; 200 if it is allowed.")
    message: str | None
    remedy: str | None
    decision_id: UUID
    call_id: UUID
    provider: str
    model: str
    output_tokens: int | None = Field(description="The output limit to send the request with; null if it is refused.")
    clamped: bool = Field(description="It is a lower one than was asked for.")
    cost_usd: str | None = Field(description="The most that the request can cost; null: it has no price.")
    credits: int | None
    limit_state: list[Limited] = Field(description="All limits that apply, before this request.")
    failing: list[Limited] = Field(description="Those that stand in its way, the one that resets last first.")
    limit_source: str | None
    resets_at: str | None
    retryable: bool
    retry_after: float | None = Field(description="Seconds.")
    max_affordable_output_tokens: int | None = Field(description="With so many it would fit; null if it is allowed.")
    cheapest_model: str | None = Field(description="The cheapest allowed model of the provider that would fit.")
    soft_caps: list[Limited] = Field(description="Those whose soft cap it crosses.")
    warnings: list[Limited] = Field(description="Those that would refuse it if they did not only warn.")
    findings: list[dict[str, Any]] = Field(description="What guards found in the text.")
    text: str | None = Field(description="The text to send instead, if guards have redacted it.")
    policy_version: int | None
    price_id: str | None
    hold: HoldSaid | None = Field(description="The hold, if one was asked for and is there.")
    replayed: bool = Field(description="The decision on an earlier question with the same idempotency key.")
