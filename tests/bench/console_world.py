"""What the seeded database is about: models and their prices, features and the prompts that they are called with."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from aikit.ledger.prompts import Draft
from aikit.pricing.price import Price
from aikit.pricing.rates import Rate, complete
from aikit.prompts.reading import read_prompt


class Model(NamedTuple):
    """A model; rates are nano-USD a token, so that a cost is a sum of products in SQL, too."""

    provider: str
    name: str
    api: str
    input: int
    cache_read: int
    cache_write: int
    output: int
    reasons: bool = False

    @property
    def price(self) -> Price:
        rates = {"input": self.input, "cache_read": self.cache_read, "output": self.output}
        if self.cache_write:
            rates["cache_write_5m"] = self.cache_write
        per_million = {name: Rate(Decimal(nano) / 1000) for name, nano in rates.items()}
        return Price(self.provider, self.name, "bench", "1", complete(per_million))


class Feature(NamedTuple):
    """`tokens` are the usual input and output; `models` are places in `MODELS`, one of which a tenant uses."""

    name: str
    tokens: tuple[int, int]
    models: tuple[int, int, int]
    prompt: str | None


MODELS = (
    Model("openai", "gpt-5-mini", "openai.responses", 250, 25, 0, 2_000, reasons=True),
    Model("openai", "gpt-5", "openai.responses", 1_250, 125, 0, 10_000, reasons=True),
    Model("openai", "gpt-4.1", "openai.chat", 2_000, 500, 0, 8_000),
    Model("openai", "gpt-4o-mini", "openai.chat", 150, 75, 0, 600),
    Model("anthropic", "claude-haiku-4-5", "anthropic.messages", 1_000, 100, 1_250, 5_000),
    Model("anthropic", "claude-sonnet-4-5", "anthropic.messages", 3_000, 300, 3_750, 15_000),
    Model("anthropic", "claude-opus-4-1", "anthropic.messages", 15_000, 1_500, 18_750, 75_000),
    Model("gemini", "gemini-2.5-flash", "gemini.generate", 300, 75, 0, 2_500),
    Model("gemini", "gemini-2.5-flash-lite", "gemini.generate", 100, 25, 0, 400),
    Model("gemini", "gemini-2.5-pro", "gemini.generate", 1_250, 310, 0, 10_000, reasons=True),
)
FEATURES = (
    Feature("chat", (900, 280), (1, 5, 8), "answer"),
    Feature("summarize", (3_500, 450), (4, 6, 9), "condense"),
    Feature("extract", (1_800, 160), (4, 3, 10), "extract"),
    Feature("agent", (6_000, 600), (2, 6, 7), None),
)
TENANTS, USERS, VERSIONS = 2_000, 6, 6
"""Tenants, users of each, and versions of each prompt: a new one comes each week."""
CAUTIOUS = 10
"""The place in `MODELS` of the one whose breaker is open."""


def tenant(number: int) -> str:
    return f"tenant-{number:04}"


def drafts() -> Iterator[Draft]:
    """The versions of the prompts, to be published."""
    for feature in FEATURES:
        for version in range(1, VERSIONS + 1) if feature.prompt else ():
            text = (
                f"---\ndescription: Version {version} of what {feature.name} asks.\n"
                "input:\n  type: object\n  properties:\n    text: {type: string}\n  required: [text]\n"
                "  additionalProperties: false\n---\n"
                f'{{% role "system" %}}\nBe brief; this is wording {version}.\n{{% role "user" %}}\n{{{{ text }}}}\n'
            )
            yield Draft(read_prompt(text, str(feature.prompt), version), version - 1 or None)
