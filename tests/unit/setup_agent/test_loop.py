"""What stays in the conversation is redacted to the ids and names of calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from aikit.setup.agent.acting import Toolbox
from aikit.setup.agent.apis import api_of
from aikit.setup.agent.bounds import Bounds
from aikit.setup.agent.loop import Loop
from aikit.setup.agent.model import End, History, Said, Tool
from aikit.setup.agent.person import Person
from aikit.setup.agent.redacting import Redactor
from support.agent_sessions import PretendCaps, PretendStep, Typist, place_at

SECRET = "abcdefgh-ijkl"


class Echoing:
    """A model that has the secret in each part of its calls; keeps what it was sent."""

    def __init__(self, kind: str) -> None:
        self._api = api_of(kind)
        self.sent: list[str] = []

    def ask(self, history: History, tools: Sequence[Tool]) -> Said:
        self.sent.append(str(self._api.compose("m", "", history, tools, 1, native=True)))
        used: dict[str, Any] = {"id": SECRET, "name": SECRET, "input": {SECRET: SECRET}, "type": "tool_use"}
        function = {"name": SECRET, "arguments": f'{{"{SECRET}": "{SECRET}"}}'}
        called = {"id": SECRET, "name": SECRET, "args": {SECRET: SECRET}}
        return self._api.read(
            {
                "content": [used, {"type": "thinking", "thinking": SECRET, "signature": SECRET}],
                "choices": [{"message": {"content": SECRET, "tool_calls": [{"id": SECRET, "function": function}]}}],
                "candidates": [{"content": {"parts": [{"functionCall": called, "thoughtSignature": SECRET}]}}],
            }
        )


@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini"])
def test_no_part_of_an_answer_takes_a_secret_back(kind: str, tmp_path: Path) -> None:
    redactor, ui, kept = Redactor(), Typist(), []
    redactor.learn("THE_KEY", SECRET)
    person, model = Person(ui, redactor), Echoing(kind)
    steps = [PretendStep("files")]
    toolbox = Toolbox(place_at(tmp_path), lambda _: steps, person, redactor, PretendCaps())
    bounds = Bounds(1, strikes=4)
    outcome = Loop(model, toolbox, person, redactor, bounds, lambda *what, **more: kept.append((what, more))).run(
        ["Go."]
    )
    assert outcome.end is End.FELL_BACK and len(model.sent) > 2
    assert SECRET not in "".join(model.sent) + ui.seen + str(kept)
    assert "THE_KEY" in model.sent[-1]
