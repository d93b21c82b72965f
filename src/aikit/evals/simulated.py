"""Where `--simulated` leads: every provider is the simulator, and the stand-in answers for its models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from aikit.config import Settings
from aikit.config.signals import QUIET
from aikit.evals.model import ModelAnswer
from aikit.evals.standin import answering

__all__ = ["answering", "latency_ms", "settings_at"]

FIRST_MS, TOKEN_MS = 300, 12
"""How long a simulated model takes to begin, and for each token: the same each time, so that recordings are, too."""


def settings_at(settings: Settings, url: str, folder: Path) -> Settings:
    """The settings with all providers at the simulator, and a ledger of their own in `folder`: what is simulated is in
    nobody's books, and nobody is told of it.
    """
    providers = {
        name: replace(
            provider,
            base_url=f"{url}/v1" if provider.kind == "openai" else url,
            api_key="simulated",
            source="--simulated",
        )
        for name, provider in settings.providers.items()
    }
    return replace(
        settings, providers=providers, database_url=None, data_dir=folder, signals=QUIET, safe=None, environment="dev"
    )


def latency_ms(answer: ModelAnswer) -> int:
    """How long the answer took, as it were."""
    return FIRST_MS + TOKEN_MS * (answer.output_tokens or 0)
