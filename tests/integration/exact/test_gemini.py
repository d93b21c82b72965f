"""Google's SDK through a kit: the ledger says, to the token and the nano-dollar, what the provider reported.

The costs are worked out by hand, in nano-USD: a price of $1 per million tokens is 1,000 nano-USD a token.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

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
    def prompt(self) -> str:
        return f"Hello there [[sim: {json.dumps({'usage': self.usage})}]]"

    def assert_booked(self, books: Books, simulator: Simulator, *, stream: bool) -> None:
        entry = books.entry()
        assert tokens(entry) == self.usage == simulator.served()["totals"]["billed"]
        assert (entry["nano"], entry["ending"], entry["estimated"]) == (self.nano, "settled", False)
        assert (entry["provider"], entry["model"], entry["stream"]) == ("gemini", self.model, stream)
        assert books.used() == {"month": self.nano}
        books.assert_balanced()


CASES = [
    # gemini-2.5-pro up to 200,000 input tokens: $1.25 input, $0.125 cached, $10 output, thoughts as output.
    # 150,000 × 1,250 + 50,000 × 125 + (1,000 + 2,000) × 10,000 = 187,500,000 + 6,250,000 + 30,000,000
    Case(
        "at-the-tier",
        "gemini-2.5-pro",
        {"input": 150_000, "cache_read": 50_000, "output": 1_000, "reasoning": 2_000},
        223_750_000,
    ),
    # One token more, and all of them cost $2.50, $0.25 and $15.
    # 150,001 × 2,500 + 50,000 × 250 + 3,000 × 15,000 = 375,002,500 + 12,500,000 + 45,000,000
    Case(
        "one-token-beyond",
        "gemini-2.5-pro",
        {"input": 150_001, "cache_read": 50_000, "output": 1_000, "reasoning": 2_000},
        432_502_500,
    ),
    # gemini-2.5-flash: $0.30 text, $1 audio, $0.10 cached audio, $2.50 output and thoughts.
    # 1,000 × 300 + 200 × 1,000 + 40 × 100 + (50 + 75) × 2,500 = 300,000 + 200,000 + 4,000 + 312,500
    Case(
        "audio",
        "gemini-2.5-flash",
        {"input": 1_000, "input_audio": 200, "cache_read_audio": 40, "output": 50, "reasoning": 75},
        816_500,
    ),
]

each = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@each
def test_content_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator, case: Case) -> None:
    reply = kit.gemini(tenant=TENANT).models.generate_content(model=case.model, contents=case.prompt)
    assert reply.usage_metadata is not None
    assert reply.usage_metadata.total_token_count == sum(case.usage.values())
    kit.flush()
    case.assert_booked(books, simulator, stream=False)


@each
def test_streamed_content_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator, case: Case) -> None:
    for _ in kit.gemini(tenant=TENANT).models.generate_content_stream(model=case.model, contents=case.prompt):
        pass
    kit.flush()
    case.assert_booked(books, simulator, stream=True)


@each
async def test_async_content_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, case: Case
) -> None:
    await async_kit.gemini(tenant=TENANT).aio.models.generate_content(model=case.model, contents=case.prompt)
    async_kit.flush()
    case.assert_booked(books, simulator, stream=False)


@each
async def test_async_streamed_content_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, case: Case
) -> None:
    models = async_kit.gemini(tenant=TENANT).aio.models
    async for _ in await models.generate_content_stream(model=case.model, contents=case.prompt):
        pass
    async_kit.flush()
    case.assert_booked(books, simulator, stream=True)
