"""A model that does what it should leads from nothing to the end, over each of the three APIs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from aikit.setup.agent.model import End
from support.agent_sessions import CANARY_KEY
from support.kits import Books
from support.scripted_models import KINDS, MODELS, Call, of

from support.agent_runs import Run

pytestmark = pytest.mark.parametrize("kind", KINDS)
LEADS = of(
    ["The files are missing, so I write them first.", Call("apply", {"step": "files"})],
    [Call("apply", {"step": "database"})],
    [Call("set_setting", {"name": "streams.drain_seconds", "value": "7"})],
    [Call("explain", {"text": "Now one metered call."}), ],
    [Call("apply", {"step": "metered_call"})],
    [Call("check", {"step": "metered_call"})],
    [Call("done", {"summary": "All is in order."})],
)


def test_it_leads_to_the_end_with_the_persons_agreement(kind: str, run: Run) -> None:
    ran = run(kind, LEADS, "", "y", "", "Y")
    assert ran.outcome.end is End.DONE and ran.outcome.open == ()
    assert [step.applied for step in ran.steps] == [1, 1, 1]
    assert ran.person.prompts == [
        "apply files: write the project's files? [Y/n] ",
        "apply database: start the embedded PostgreSQL? [Y/n] ",
        "set streams.drain_seconds = 7 in aikit.toml? [Y/n] ",
        "apply metered_call: make one metered call? [Y/n] ",
    ]
    assert "The files are missing, so I write them first." in ran.person.agents
    assert ran.place.settings.drain_seconds == 7
    assert "# The project's own comment." in (ran.place.folder / "aikit.toml").read_text()
