"""Which model a first call goes to: the cheapest of those that the provider lists and that have a price."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime

from aikit.config import Provider
from aikit.errors import AIKitError
from aikit.pricing.book import PriceBook
from aikit.types import Bound

SPECIAL = re.compile(
    r"embed|image|audio|tts|speech|realtime|transcri|whisper|moderation|search|live|vision|guard|codex|"
    r"computer|robotics|veo|imagen|lyria|aqa|dall-e|sora|davinci|babbage|instruct|deep-research|-\d{4}-\d{2}-\d{2}$",
)
"""Models for something else than a plain answer in text, and dated names of models that have a plain one."""
ASKED = Bound(input_tokens=30, output_tokens=32)
MOST = 3


def to_try(provider: Provider, listed: Iterable[str], book: PriceBook) -> list[str]:
    """The models to try, the cheapest first, then the provider's usual one. Empty if none has a price."""
    now, offers = datetime.now(UTC), []
    for model in listed:
        price = book.find(provider.name, model, at=now)
        if price is None or SPECIAL.search(model) or not price.covers(ASKED):
            continue
        try:
            nano = price.upper_bound(ASKED)
        except AIKitError:
            continue
        if nano > 0:
            offers.append((nano, model))
    cheapest = [model for _, model in sorted(offers)[: MOST - 1]]
    usual = provider.model if provider.model and book.find(provider.name, provider.model, at=now) else None
    return list(dict.fromkeys([*cheapest, *([usual] if usual else [])]))
