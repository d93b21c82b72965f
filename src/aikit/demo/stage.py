"""What a demo runs on: a directory of its own with an embedded PostgreSQL, the simulated provider, and an open kit."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from aikit.config import BUILT_IN, FILE, load
from aikit.demo import janitor
from aikit.kit import AIKit
from aikit.sim import Simulator

THINKING_SECONDS = 0.03
"""How long the simulated models take to answer, so that calls overlap as real ones do."""
KEYS = {"OPENAI_API_KEY": "simulated", "ANTHROPIC_API_KEY": "simulated", "GEMINI_API_KEY": "simulated"}
OURS = ("DATABASE_URL", "AIKIT_DATA_DIR")
"""Settings that would lead from the demo's database to another."""
ELSEWHERE = ("http_proxy", "https_proxy", "all_proxy", "aikit_", "openai_", "anthropic_", "gemini_", "google_")
"""What variables begin with that would lead from the simulated provider to another, or carry a key."""


@dataclass(frozen=True, slots=True)
class Stage:
    """What is running for a demo."""

    directory: Path
    simulator: Simulator
    kit: AIKit

    @property
    def config(self) -> Path:
        return self.directory / FILE


@contextmanager
def directory(*, keep: bool) -> Iterator[Path]:
    """A directory that is gone when the demo is, whatever happens to it, with the database that runs there.

    `keep` leaves both, if the demo gets to its end.
    """
    made = Path(tempfile.mkdtemp(prefix="aikit-demo-")).resolve()
    with janitor.hire(made) as cleaner:
        yield made
        if keep and cleaner.stdin:
            cleaner.stdin.write(janitor.KEEP)


@contextmanager
def stage(at: Path) -> Iterator[Stage]:
    """Start everything in this directory. Raises EmbeddedFailed if there is no PostgreSQL to be had."""
    with Simulator() as simulator:
        simulator.fault(delay=THINKING_SECONDS)
        config = at / FILE
        config.write_text(_configuration(at, simulator.url), encoding="utf-8")
        with AIKit.open(load(config, environ=KEYS)) as kit:
            yield Stage(at, simulator, kit)


def environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The environment of the demo's processes: it names no provider, key, proxy or database but the demo's."""
    rest = {
        name: value
        for name, value in environ.items()
        if name not in OURS and not name.lower().startswith(ELSEWHERE)
    }
    return rest | KEYS


def _configuration(at: Path, url: str) -> str:
    providers = {name: {"base_url": f"{url}/v1" if name == "openai" else url} for name in BUILT_IN}
    return "# A demo: its providers are simulated, its money is not real.\n" + tomlkit.dumps(
        {"database": {"data_dir": str(at)}, "providers": providers}
    )
