"""Models for evals that answer as a test says, and suites and prompts for them, in files of their own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from aikit.evals.model import ModelAnswer, ModelCall, Role, Suite
from aikit.evals.running import Options
from aikit.evals.suites.reading import read_suite
from aikit.prompts.folder import PromptFolder, PromptFolders
from aikit.prompts.locking import lock_drafts
from aikit.prompts.shipped import shipped

Says = Callable[[ModelCall], str | ModelAnswer | Exception]
PROMPT = """---
description: Sums up a text.
parameters: {max_tokens: 50}
input:
  text: string
---
{% role "system" %}
Sum it up.

{% role "user" %}
{{ text }}
"""
JUDGED = '{"score": 0.5, "reason": "half of it"}'


class Answers:
    """A source whose answers a test states: a text, an answer, or what is raised. `later` are turns of the loop that an
    answer takes. What is asked is in `calls`, what is asked a second time in `again`.
    """

    notes: tuple[str, ...] = ()

    def __init__(self, says: Says, *, later: Callable[[ModelCall], int] = lambda call: 0, nano: int = 0) -> None:
        self._says, self._later, self._nano = says, later, nano
        self.calls: list[ModelCall] = []
        self.again: list[ModelCall] = []
        self.spent_nano = 0
        self.over_budget = False
        self.simulated = False
        self.closed = False

    async def ask(self, call: ModelCall) -> ModelAnswer:
        self.calls.append(call)
        for _ in range(self._later(call)):
            await asyncio.sleep(0)
        said = self._says(call)
        if isinstance(said, Exception):
            raise said
        self.spent_nano += self._nano
        return said if isinstance(said, ModelAnswer) else ModelAnswer(said, call.model, nano=self._nano, latency_ms=7)

    def anew(self) -> Answers:
        self.again.append(self.calls[-1])
        return self

    def close(self, *, prune: bool = False) -> None:
        self.closed = True


def is_judge(call: ModelCall) -> bool:
    return call.role is Role.JUDGE


def text_of(call: ModelCall) -> str:
    """What the user's message says."""
    return call.messages[-1].text


def write_suite(folder: Path, cases: int = 3, *, name: str = "sums", **stated: Any) -> Suite:
    """A suite in `evals/` that evaluates the prompt `sum`, v1 of it locked; it says `text N` back unless told else."""
    evals, prompts = folder / "evals", folder / "prompts" / "sum"
    evals.mkdir(exist_ok=True)
    prompts.mkdir(parents=True, exist_ok=True)
    (prompts / "v1.prompt").write_text(PROMPT)
    lock_drafts(PromptFolder(folder / "prompts"), ["sum"], date(2026, 11, 21))
    body = {
        "prompt": "sum@v1",
        "model": "openai/gpt-4o-mini",
        "scorers": {"equals": {"gate": {"min": 0.5}}},
        **stated,
    }
    (evals / f"{name}.eval.yaml").write_text(json.dumps({k: v for k, v in body.items() if v is not None}, indent=1))
    lines = [
        json.dumps({"id": f"c{n}", "vars": {"text": f"text {n}"}, "expected": f"text {n}", "context": f"text {n}"})
        for n in range(cases)
    ]
    (evals / f"{name}.cases.jsonl").write_text("\n".join(lines))
    return read_suite(evals / f"{name}.eval.yaml")


def options_for(folder: Path, **stated: Any) -> Options:
    prompts = PromptFolders([PromptFolder(folder / "prompts"), shipped()])
    return Options(prompts=prompts, project=folder, **stated)


def steady_rate(ended: Sequence[datetime], limit: int) -> float:
    """Calls a second once a run is under way: without the first two rounds, in which connections are made, and the
    last, in which not all places are taken. From the end of a round to the end of another: calls that take alike end
    together.
    """
    moments = sorted(ended)[2 * limit - 1 : -limit]
    return (len(moments) - 1) / (moments[-1] - moments[0]).total_seconds()
