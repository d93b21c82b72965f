"""A project with a prompt, a suite and recordings, made for a test: what `aikit eval` is run on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aikit.evals.model import ModelAnswer, ModelCall, Role
from aikit.evals.planning import planned
from aikit.evals.recordings import LIVE, read_recordings, recordings_path
from aikit.evals.suites.reading import read_suite
from aikit.prompts.model import Ref
from aikit.prompts.rendering import render
from aikit.prompts.shipped import with_shipped

GOOD, BAD = "yes", "no"
SUITE = """\
description: Says yes.
prompt: {prompt}
model: openai/gpt-4.1-mini
trials: {trials}
scorers:
  {scorer}:
    use: equals
    value: "yes"
    gate: {gate}
"""


@dataclass(frozen=True)
class EvalProject:
    """A folder with prompts/ and evals/."""

    folder: Path

    @property
    def evals(self) -> Path:
        return self.folder / "evals"

    def prompt(self, version: int, text: str = "Say yes to {{ question }}", *, name: str = "answer") -> None:
        """A version of a prompt; each version says something else."""
        path = self.folder / "prompts" / name / f"v{version}.prompt"
        path.parent.mkdir(parents=True, exist_ok=True)
        body = f'{{% role "user" %}}\n{text} ({version})\n'
        path.write_text(f"---\ndescription: Answers.\ninput:\n  question: string\n---\n{body}", "utf-8")

    def suite(
        self,
        name: str = "answers",
        *,
        cases: int = 12,
        prompt: str = "answer@v1",
        gate: str = "{min: 0.80}",
        trials: int = 1,
        scorer: str = "right",
        more: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> None:
        """A suite of the cases c00, c01 and so on; `more` is what is stated for one of them besides."""
        self.evals.mkdir(parents=True, exist_ok=True)
        written = SUITE.format(prompt=prompt, gate=gate, trials=trials, scorer=scorer)
        (self.evals / f"{name}.eval.yaml").write_text(written, "utf-8")
        rows = [
            {"id": f"c{number:02}", "vars": {"question": f"question {number}"}, **(more or {}).get(number, {})}
            for number in range(cases)
        ]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (self.evals / f"{name}.cases.jsonl").write_text(lines, "utf-8")

    def record(self, answers: Sequence[str | None], *, suite: str = "answers", prompt: str = "answer@v1") -> None:
        """What the model has answered to each case, in every trial; None: that is not recorded."""
        path = recordings_path(self.evals, suite)
        recordings = read_recordings(path, suite)
        stated = read_suite(self.evals / f"{suite}.eval.yaml")
        name, _, version = prompt.partition("@v")
        prompts = with_shipped(self.folder / "prompts")
        plan = planned(stated, prompts, self.folder, Ref(name, version=int(version)), None)
        assert plan.prompt is not None and plan.model is not None
        for case, answer in zip(stated.cases, answers, strict=True):
            for trial in range(plan.trials):
                messages = render(plan.prompt, case.vars).parts
                call = ModelCall(
                    Role.CANDIDATE, plan.model, messages, plan.parameters, trial, plan.prompt.output, plan.prompt.id
                )
                if answer is not None:
                    recordings.put(call, ModelAnswer(answer, plan.model, 20, 5, 12_000, 400))
        recordings.made_with = LIVE
        recordings.write("0.1.0")
