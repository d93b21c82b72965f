"""What a call of an eval asks of a kit, what a failed one may have cost, and which failure ends a run."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from aikit.completion import Reply
from aikit.config import load
from aikit.errors import (
    AIError,
    AIKitError,
    BreakerOpen,
    ConfigError,
    DatabaseUnavailable,
    GuardBlocked,
    MeteringUnavailable,
    PolicyDenied,
    PriceUnknown,
    SpendCapExceeded,
)
from aikit.evals.bounding import Bounds
from aikit.evals.budget import Budget
from aikit.evals.limiting import Limiter
from aikit.evals.live import Live, charged, hopeless
from aikit.evals.model import ModelCall, Role
from aikit.evals.models import Hopeless
from aikit.failures.errors import filtered, from_exception
from aikit.guards.blocking import blocked
from aikit.prompts.model import Rendered, RenderedMessage
from aikit.types import Finding, GuardAction, Place, PromptId, Usage

MOST = 1_000_000
CALL = ModelCall(
    Role.CANDIDATE,
    "openai/gpt-4o-mini",
    (RenderedMessage("system", "Sum it up."), RenderedMessage("user", "one, two")),
    {"max_tokens": 50, "temperature": 0.5, "extra": {"seed": 7}},
    prompt=PromptId("sum@v3", "3" * 64),
    schema={"type": "object"},
)


class Kit:
    """Answers as a test says; keeps what it was asked."""

    def __init__(self, *says: Any) -> None:
        self.says = list(says)
        self.asked: list[tuple[Any, dict[str, Any]]] = []

    async def complete(self, prompt: Any, **ask: Any) -> Reply:
        self.asked.append((prompt, ask))
        await asyncio.sleep(0)
        said = self.says.pop(0)
        if isinstance(said, Exception):
            raise said
        found = (Finding("pii", "email", Place.INPUT, GuardAction.FLAG),)
        usage = Usage(input=10, cache_read=2, output=3, reasoning=4)
        return Reply(said, "openai", "gpt-4o-mini", usage, Decimal("0.000042"), False, None, uuid4(), {}, (), found)  # type: ignore[arg-type]


def live(kit: Kit, budget: Budget | None = None, limit: int = 8) -> Live:
    async def opened() -> Any:
        return kit

    return Live(
        opened,
        suite="sums",
        tenant="evals",
        bounds=Bounds(load(None, {"OPENAI_API_KEY": "key"})),
        budget=budget or Budget(),
        limiter=Limiter(limit),
    )


async def test_a_call_is_asked_in_the_name_of_the_tenant_with_its_prompt_and_its_parameters() -> None:
    kit = Kit("There.")
    answer = await live(kit).ask(CALL)
    ((prompt, ask),) = kit.asked
    assert isinstance(prompt, Rendered) and prompt.id == CALL.prompt and prompt.parts == CALL.messages
    assert prompt.prompt.output == {"type": "object"}
    assert ask == {
        "model": "openai/gpt-4o-mini", "tenant": "evals", "feature": "sums", "attempts": 1,
        "max_tokens": 50, "temperature": 0.5, "extra": {"seed": 7},
    }  # fmt: skip
    assert (answer.text, answer.model, answer.input_tokens, answer.output_tokens) == (
        "There.", "openai/gpt-4o-mini", 12, 7,
    )  # fmt: skip
    assert (answer.nano, answer.findings, answer.replayed) == (42_000, ("email",), False)


async def test_a_call_without_an_output_limit_gets_one_so_that_it_is_bounded() -> None:
    kit = Kit("There.")
    await live(kit).ask(ModelCall(Role.CANDIDATE, "openai/gpt-4o-mini", CALL.messages))
    assert kit.asked[0][1]["max_tokens"] == 4096


async def test_what_a_call_has_cost_is_spent_and_the_rest_is_free_again() -> None:
    budget = Budget(10**9)
    await live(Kit("There."), budget).ask(CALL)
    assert (budget.spent, budget.held) == (42_000, 0)


async def test_too_many_requests_are_tried_again_until_they_are_answered() -> None:
    busy = AIError(provider="openai", code="RATE_LIMITED", retry_after=0.01)
    kit = Kit(busy, busy, busy, "There.")
    assert (await live(kit).ask(CALL)).text == "There."
    assert len(kit.asked) == 4


async def test_patience_has_an_end() -> None:
    kit = Kit(*[AIError(provider="openai", code="OVERLOADED", retry_after=0.001) for _ in range(20)])
    with pytest.raises(AIError):
        await live(kit).ask(CALL)
    assert len(kit.asked) == 8


@pytest.mark.parametrize(
    "error",
    [
        AIError(provider="openai", code="PROVIDER_NOT_CONFIGURED", retryable=False),
        AIError(provider="openai", code="AUTHENTICATION_FAILED", retryable=False),
        AIError(provider="openai", code="INSUFFICIENT_QUOTA", retryable=False),
        PolicyDenied(),
        PriceUnknown(),
        SpendCapExceeded(),
        DatabaseUnavailable(),
        ConfigError("No such model."),
    ],
)
async def test_what_every_call_would_meet_ends_the_run(error: AIKitError) -> None:
    with pytest.raises(Hopeless) as told:
        await live(Kit(error)).ask(CALL)
    assert told.value.error is error


@pytest.mark.parametrize(
    "error",
    [
        AIError(provider="openai", code="TIMEOUT"),
        AIError(provider="openai", code="CONTENT_FILTERED", retryable=False),
        SpendCapExceeded(code="REQUEST_COST_EXCEEDED"),
        GuardBlocked(),
        BreakerOpen(retry_after=1),
        MeteringUnavailable(),
    ],
)
def test_what_only_this_call_has_met_does_not(error: AIKitError) -> None:
    assert not hopeless(error)


async def test_a_model_without_a_price_ends_the_run_before_anything_is_sent() -> None:
    kit = Kit("There.")
    with pytest.raises(Hopeless, match="has no known price"):
        await live(kit).ask(ModelCall(Role.CANDIDATE, "openai/of-my-own", CALL.messages))
    assert kit.asked == []


def blocked_in(place: Place) -> GuardBlocked:
    return blocked([Finding("pii", "email", place, GuardAction.BLOCK)])


def raised(error: Exception) -> AIError:
    try:
        raise from_exception("openai", error) from error  # type: ignore[arg-type]
    except AIError as found:
        return found


@pytest.mark.parametrize(
    ("error", "nano"),
    [
        (AIError(provider="p", code="RATE_LIMITED"), 0),
        (AIError(provider="p", code="BAD_REQUEST"), 0),
        (AIError(provider="p", code="TIMEOUT"), MOST),
        (AIError(provider="p", code="PROVIDER_ERROR"), MOST),
        (raised(httpx2.ConnectError("refused")), 0),
        (raised(httpx2.ConnectTimeout("too late")), 0),
        (raised(httpx2.ReadError("reset")), MOST),
        (filtered("p", {"costUsd": "0.0003"}), 300_000),
        (filtered("p", {}), MOST),
        (SpendCapExceeded(), 0),
        (blocked_in(Place.INPUT), 0),
        (blocked_in(Place.TOOL_RESULTS), 0),
        (blocked_in(Place.OUTPUT), MOST),
        (GuardBlocked(), MOST),
    ],
)
def test_what_a_failed_call_has_cost_at_most(error: AIKitError, nano: int) -> None:
    assert charged(error, MOST) == nano


def test_a_bound_is_never_below_what_an_answer_of_full_length_costs() -> None:
    """At the dearest: a token for each byte of the request, and every token of the answer."""
    settings = load(None, {"OPENAI_API_KEY": "key"})
    bounds = Bounds(settings)
    small = bounds.most(ModelCall(Role.CANDIDATE, "openai/gpt-4o-mini", CALL.messages, {"max_tokens": 1_000}))
    large = bounds.most(ModelCall(Role.CANDIDATE, "openai/gpt-4o-mini", CALL.messages, {"max_tokens": 2_000}))
    assert large - small == 1_000 * 600  # 60 cents a million
    with pytest.raises(ConfigError):
        bounds.most(ModelCall(Role.CANDIDATE, "nobody/gpt-4o-mini", CALL.messages))


def test_a_route_is_bounded_by_its_dearest_model(tmp_path: Any) -> None:
    (tmp_path / "aikit.toml").write_text('[routes]\nsums = ["openai/gpt-4o-mini", "openai/gpt-4o"]\n')
    bounds = Bounds(load(tmp_path / "aikit.toml", {"OPENAI_API_KEY": "key"}))
    each = [
        bounds.most(ModelCall(Role.CANDIDATE, model, CALL.messages))
        for model in ("openai/gpt-4o-mini", "openai/gpt-4o", "routes.sums")
    ]
    assert each[2] == max(each[:2]) and each[0] < each[1]
