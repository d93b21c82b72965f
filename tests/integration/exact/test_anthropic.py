"""Anthropic's SDK through a kit: the ledger says, to the token and the nano-dollar, what the provider reported.

The costs are worked out by hand, in nano-USD: a price of $1 per million tokens is 1,000 nano-USD a token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from aikit.async_kit import AsyncAIKit
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.kits import TENANT, Books, tokens


@dataclass(frozen=True)
class Case:
    """The usage that the provider is told to report, and what it costs."""

    name: str
    model: str
    usage: dict[str, int]
    nano: int

    @property
    def asked(self) -> dict[str, Any]:
        cached = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
        return {
            "model": self.model,
            "max_tokens": 2_000,
            "system": [cached],
            "messages": [{"role": "user", "content": "Hello there"}],
            "extra_headers": {"x-sim-usage": json.dumps(self.usage)},
        }

    def assert_booked(self, books: Books, simulator: Simulator, *, stream: bool) -> None:
        entry = books.entry()
        assert tokens(entry) == self.usage == simulator.served()["totals"]["billed"]
        assert (entry["nano"], entry["ending"], entry["estimated"]) == (self.nano, "settled", False)
        assert (entry["provider"], entry["model"], entry["stream"]) == ("anthropic", self.model, stream)
        assert books.used() == {"month": self.nano}
        books.assert_balanced()


CASES = [
    # claude-haiku-4-5: $1 input, $0.10 cached, $1.25 written for 5 minutes, $2 written for an hour, $5 output.
    # 1,000 × 1,000 + 50,000 × 100 + 4,000 × 1,250 + 6,000 × 2,000 + (700 + 300) × 5,000
    # = 1,000,000 + 5,000,000 + 5,000,000 + 12,000,000 + 5,000,000
    Case(
        "cache-writes",
        "claude-haiku-4-5",
        {
            "input": 1_000,
            "cache_read": 50_000,
            "cache_write_5m": 4_000,
            "cache_write_1h": 6_000,
            "output": 700,
            "reasoning": 300,
        },
        28_000_000,
    ),
    # claude-sonnet-5: $2 input, $0.20 cached, $10 output; it has no dearer tier beyond 200,000 input tokens.
    # 150,000 × 2,000 + 50,001 × 200 + 1,000 × 10,000 = 300,000,000 + 10,000,200 + 10,000,000
    Case("no-tier", "claude-sonnet-5", {"input": 150_000, "cache_read": 50_001, "output": 1_000}, 320_000_200),
]

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each
def test_a_message_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator, case: Case) -> None:
    usage = kit.anthropic(tenant=TENANT).messages.create(**case.asked).usage
    assert usage.output_tokens == case.usage["output"] + case.usage.get("reasoning", 0)
    kit.flush()
    case.assert_booked(books, simulator, stream=False)


@each
def test_a_streamed_message_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator, case: Case) -> None:
    for _ in kit.anthropic(tenant=TENANT).messages.create(stream=True, **case.asked):
        pass
    kit.flush()
    case.assert_booked(books, simulator, stream=True)


@each
async def test_an_async_message_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, case: Case
) -> None:
    await async_kit.anthropic(tenant=TENANT).messages.create(**case.asked)
    async_kit.flush()
    case.assert_booked(books, simulator, stream=False)


@each
async def test_an_async_streamed_message_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, case: Case
) -> None:
    async with async_kit.anthropic(tenant=TENANT).messages.stream(**case.asked) as stream:
        message = await stream.get_final_message()
    assert message.usage.output_tokens == case.usage["output"] + case.usage.get("reasoning", 0)
    async_kit.flush()
    case.assert_booked(books, simulator, stream=True)


def test_the_beta_surface_is_metered_too(kit: AIKit, books: Books) -> None:
    kit.anthropic(tenant=TENANT).beta.messages.create(
        model="claude-haiku-4-5", max_tokens=50, messages=[{"role": "user", "content": "Hello"}]
    )
    kit.flush()
    assert books.entry()["api"] == "anthropic.messages"
    books.assert_balanced()
