"""The names under which the price book knows providers and models, and those that it must not be asked about."""

from __future__ import annotations

import re

ALIASES = {"gemini": "google", "xai": "x-ai"}
"""Provider names of ours or in common use, and what genai-prices calls them. Any other name stands for itself."""

LONGEST_MODEL = 200
"""Characters; no provider has longer model ids, and the book's patterns are not run on arbitrary text."""

_FINE_TUNED = re.compile(r"(^|[:./])ft[:-]|^tunedmodels/", re.IGNORECASE)


def canonical(provider: str, model: str) -> tuple[str, str]:
    """Provider and model as the book names them: `("gemini", "models/gemini-x")` → `("google", "gemini-x")`."""
    provider = provider.strip().lower()
    provider = ALIASES.get(provider, provider)
    return provider, model.removeprefix("models/") if provider == "google" else model


def is_listable(model: str) -> bool:
    """Whether the book may be asked: a fine-tuned model has its own price, even where its id begins like another's."""
    return 0 < len(model) <= LONGEST_MODEL and not _FINE_TUNED.search(model)
