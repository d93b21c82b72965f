"""OpenAI's SDK through a kit: the ledger says, to the token and the nano-dollar, what the provider reported.

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
    """A model, the usage that the provider is told to report, and what it costs."""

    model: str
    usage: dict[str, int]
    nano: int

    @property
    def asked(self) -> dict[str, Any]:
        return {"model": self.model, "extra_headers": {"x-sim-usage": json.dumps(self.usage)}}

    def assert_booked(self, books: Books, simulator: Simulator, *, api: str, stream: bool) -> None:
        entry = books.entry()
        assert tokens(entry) == self.usage == simulator.served()["totals"]["billed"]
        assert (entry["nano"], entry["ending"], entry["estimated"]) == (self.nano, "settled", False)
        assert (entry["provider"], entry["model"], entry["api"], entry["stream"]) == ("openai", self.model, api, stream)
        assert books.used() == {"month": self.nano}
        books.assert_balanced()


CHATS = [
    # gpt-4o-mini: $0.15 input, $0.075 cached, $0.60 output.
    # 1,000 × 150 + 200 × 75 + 50 × 600 = 150,000 + 15,000 + 30,000
    Case("gpt-4o-mini", {"input": 1_000, "cache_read": 200, "output": 50}, 195_000),
    # gpt-5-mini: $0.25 input, $0.025 cached, $2 output, reasoning as output.
    # 12,345 × 250 + 6,789 × 25 + (321 + 1,234) × 2,000 = 3,086,250 + 169,725 + 3,110,000
    Case("gpt-5-mini", {"input": 12_345, "cache_read": 6_789, "output": 321, "reasoning": 1_234}, 6_365_975),
]
# gpt-5: $1.25 input, $0.125 cached, $10 output, reasoning as output.
# 1,001 × 1,250 + 2,002 × 125 + (303 + 404) × 10,000 = 1,251,250 + 250,250 + 7,070,000
RESPONSE = Case("gpt-5", {"input": 1_001, "cache_read": 2_002, "output": 303, "reasoning": 404}, 8_571_500)
# text-embedding-3-small: $0.02 input. 1,234,567 × 20
EMBEDDING = Case("text-embedding-3-small", {"input": 1_234_567}, 24_691_340)
HELLO: Any = [{"role": "user", "content": "Hello there"}]

each_chat = pytest.mark.parametrize("case", CHATS, ids=lambda case: case.model)


@each_chat
def test_a_chat_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator, case: Case) -> None:
    usage = kit.openai(tenant=TENANT).chat.completions.create(messages=HELLO, **case.asked).usage
    assert usage is not None and usage.total_tokens == sum(case.usage.values())
    kit.flush()
    case.assert_booked(books, simulator, api="openai.chat", stream=False)


@each_chat
def test_a_streamed_chat_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator, case: Case) -> None:
    for _ in kit.openai(tenant=TENANT).chat.completions.create(messages=HELLO, stream=True, **case.asked):
        pass
    kit.flush()
    case.assert_booked(books, simulator, api="openai.chat", stream=True)


@each_chat
async def test_an_async_chat_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, case: Case
) -> None:
    await async_kit.openai(tenant=TENANT).chat.completions.create(messages=HELLO, **case.asked)
    async_kit.flush()
    case.assert_booked(books, simulator, api="openai.chat", stream=False)


@each_chat
async def test_an_async_streamed_chat_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator, case: Case
) -> None:
    client = async_kit.openai(tenant=TENANT)
    async for _ in await client.chat.completions.create(messages=HELLO, stream=True, **case.asked):
        pass
    async_kit.flush()
    case.assert_booked(books, simulator, api="openai.chat", stream=True)


def test_a_response_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator) -> None:
    usage = kit.openai(tenant=TENANT).responses.create(input="Hello", **RESPONSE.asked).usage
    assert usage is not None and usage.total_tokens == sum(RESPONSE.usage.values())
    kit.flush()
    RESPONSE.assert_booked(books, simulator, api="openai.responses", stream=False)


def test_a_streamed_response_is_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator) -> None:
    for _ in kit.openai(tenant=TENANT).responses.create(input="Hello", stream=True, **RESPONSE.asked):
        pass
    kit.flush()
    RESPONSE.assert_booked(books, simulator, api="openai.responses", stream=True)


async def test_an_async_response_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator
) -> None:
    await async_kit.openai(tenant=TENANT).responses.create(input="Hello", **RESPONSE.asked)
    async_kit.flush()
    RESPONSE.assert_booked(books, simulator, api="openai.responses", stream=False)


async def test_an_async_streamed_response_is_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator
) -> None:
    client = async_kit.openai(tenant=TENANT)
    async for _ in await client.responses.create(input="Hello", stream=True, **RESPONSE.asked):
        pass
    async_kit.flush()
    RESPONSE.assert_booked(books, simulator, api="openai.responses", stream=True)


def test_embeddings_are_booked_as_reported(kit: AIKit, books: Books, simulator: Simulator) -> None:
    made = kit.openai(tenant=TENANT).embeddings.create(input="Hello", **EMBEDDING.asked)
    assert made.usage.total_tokens == 1_234_567
    kit.flush()
    EMBEDDING.assert_booked(books, simulator, api="openai.embeddings", stream=False)


async def test_async_embeddings_are_booked_as_reported(
    async_kit: AsyncAIKit, books: Books, simulator: Simulator
) -> None:
    await async_kit.openai(tenant=TENANT).embeddings.create(input="Hello", **EMBEDDING.asked)
    async_kit.flush()
    EMBEDDING.assert_booked(books, simulator, api="openai.embeddings", stream=False)


def test_web_searches_are_booked_beside_the_tokens(kit: AIKit, books: Books) -> None:
    client = kit.openai(tenant=TENANT)
    usage = json.dumps({"input": 1_000, "output": 100, "searches": 3})
    client.responses.create(
        model="gpt-5", input="Hi", tools=[{"type": "web_search"}], extra_headers={"x-sim-usage": usage}
    )
    kit.flush()
    entry = books.entry()
    # gpt-5: 1,000 × 1,250 + 100 × 10,000; a search is $10 a thousand: 3 × 10,000,000
    assert (entry["searches"], entry["nano"]) == (3, 1_250_000 + 1_000_000 + 30_000_000)
    books.assert_balanced()
