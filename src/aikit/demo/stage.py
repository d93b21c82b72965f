"""What a demo runs on: an embedded PostgreSQL of its own, the simulated provider, and an open kit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from aikit.config import BUILT_IN, FILE, load
from aikit.demo.crew import KEYS
from aikit.kit import AIKit
from aikit.sim import Simulator

THINKING_SECONDS = 0.03
"""How long the simulated models take to answer, so that calls overlap as real ones do."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running for a demo."""

    config: Path
    simulator: Simulator
    kit: AIKit


@contextmanager
def stage(at: Path) -> Iterator[Stage]:
    """Start everything in this directory. Raises EmbeddedFailed if there is no PostgreSQL to be had.

    The settings come from a file of the demo's own, whatever the user's files and environment say.
    """
    with Simulator() as simulator:
        simulator.fault(delay=THINKING_SECONDS)
        config = at / FILE
        config.write_text(_configuration(at, simulator.url), encoding="utf-8")
        with AIKit.open(load(config, environ=KEYS)) as kit:
            yield Stage(config, simulator, kit)


def _configuration(at: Path, url: str) -> str:
    providers = {name: {"base_url": f"{url}/v1" if name == "openai" else url} for name in BUILT_IN}
    return "# Of a demo: these providers are simulated, and no money is real.\n" + tomlkit.dumps(
        {"database": {"data_dir": str(at)}, "providers": providers}
    )
