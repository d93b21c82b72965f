"""Sessions of the set-up agent: all three providers are the scripted server, keys are canaries, the ledger is fresh."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from aikit.setup.agent.model import Outcome
from aikit.setup.agent.session import lead
from aikit.setup.model import Choices, Place, Step
from support.agent_sessions import CANARY_KEY, PretendStep, Typist, place_at
from support.kits import KEYS, Books
from support.scripted_models import Script, ScriptedModels, scripted


@dataclass
class Ran:
    """A session that is over: what came of it, what was sent, what was shown."""

    outcome: Outcome
    models: ScriptedModels
    person: Typist
    place: Place
    steps: list[Step]

    @property
    def transcript(self) -> str:
        assert self.outcome.transcript is not None
        return self.outcome.transcript.read_text()


Run = Callable[..., Ran]


@pytest.fixture
def run(tmp_path: Path, books: Books) -> Run:
    """Leads through `steps` (three that pretend, if none are named) with a model of this kind that follows a script."""

    def run(
        kind: str, script: Script, *typed: str, steps: list[Step] | None = None, more: str = "", **options: object
    ) -> Ran:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        hidden, interactive = options.pop("hidden", ()), options.pop("interactive", True)
        person = options.pop("ui", None) or Typist(*typed, hidden=hidden, interactive=interactive)
        chosen = steps if steps is not None else three_steps()
        with scripted(script) as models:
            (folder / "aikit.toml").write_text(config(models.url, books.dsn, tmp_path / "data") + more)
            place = place_at(folder, dict.fromkeys(KEYS, CANARY_KEY), Choices(provider=kind))
            outcome = lead(place, chosen, person, **options)
        return Ran(outcome, models, person, place, chosen)

    return run


def three_steps() -> list[Step]:
    return [
        PretendStep("files", "write the project's files"),
        PretendStep("database", "start the embedded PostgreSQL", needs=("files",)),
        PretendStep("metered_call", "make one metered call", needs=("database",)),
    ]


def config(url: str, dsn: str, data: Path) -> str:
    return f"""# The project's own comment.
environment = "dev"  # until it is deployed

[database]
url = "{dsn}"
data_dir = "{data}"

[providers.openai]
base_url = "{url}/v1"
[providers.anthropic]
base_url = "{url}"
[providers.gemini]
base_url = "{url}"
"""
