"""A model that does what it should leads from nothing to the end, over each of the three APIs."""

from __future__ import annotations

import json
import stat

import pytest

from aikit.setup.agent.model import End
from aikit.setup.model import Check, State
from support.agent_runs import Run, three_steps
from support.agent_sessions import CANARY_KEY, PretendStep
from support.kits import Books
from support.scripted_models import KINDS, MODELS, Call, of

pytestmark = pytest.mark.parametrize("kind", KINDS)
LEADS = of(
    ["The files are missing, so I write them first.", Call("apply", {"step": "files"})],
    [Call("apply", {"step": "database"})],
    [Call("set_setting", {"name": "streams.drain_seconds", "value": "7"})],
    [Call("explain", {"text": "Now one metered call."})],
    [Call("apply", {"step": "metered_call"})],
    [Call("check", {"step": "metered_call"})],
    [Call("done", {"summary": "All is in order."})],
)


def test_it_leads_to_the_end_with_the_persons_agreement(kind: str, run: Run) -> None:
    ran = run(kind, LEADS, "", "y", "", "Y")
    assert ran.outcome.end is End.DONE and ran.outcome.open == ()
    assert [step.applied for step in ran.steps] == [1, 1, 1]
    assert ran.person.prompts == [
        "apply files: write the project's files? [Y/n]",
        "apply database: start the embedded PostgreSQL? [Y/n]",
        "set streams.drain_seconds = 7 in aikit.toml? [Y/n]",
        "apply metered_call: make one metered call? [Y/n]",
    ]
    assert ran.person.agents == [
        "The files are missing, so I write them first.",
        "Now one metered call.",
        "All is in order.",
    ]
    assert ran.place.settings.drain_seconds == 7
    assert "# The project's own comment." in (ran.place.folder / "aikit.toml").read_text()


def test_its_calls_are_metered_as_the_tenant_setup_and_its_spend_is_shown(kind: str, run: Run, books: Books) -> None:
    books.limit("setup")
    ran = run(kind, LEADS, "", "", "", "")
    entries = books.entries()
    assert len(entries) == len(ran.models.requests) == 7
    assert {(entry["tenant"], entry["feature"], entry["prompt"]) for entry in entries} == {
        ("setup", "setup_agent", "setup_agent@v2")
    }
    assert {entry["model"] for entry in entries} == {MODELS[kind]}
    assert sum(entry["nano"] for entry in entries) == ran.outcome.spent_nano > 0
    shown = [note for note in ran.person.notes if note.endswith(" of $0.25")]
    assert len(shown) == 7 and shown[0] < shown[-1]
    books.assert_balanced()


def test_it_is_told_how_steps_stand_and_what_came_of_its_calls(kind: str, run: Run) -> None:
    ran = run(kind, LEADS, "", "", "", "")
    first, second = ran.models.requests[0].decode(), ran.models.requests[1].decode()
    assert "make one metered call" in first and "not there yet" in first and "key" in first
    assert second.count("in order") > first.count("in order")
    assert "doing it" not in ran.models.requests[-1].decode()  # what a step says while it is applied is for the person


def test_a_declined_proposal_changes_nothing_and_the_persons_words_reach_the_model(kind: str, run: Run) -> None:
    script = of([Call("apply", {"step": "files"})], [Call("done", {"summary": "As you like."})])
    ran = run(kind, script, "rather not, what does it write?")
    assert ran.steps[0].applied == 0
    assert "rather not, what does it write?" in ran.models.requests[1].decode()
    assert ran.outcome.open == ("files", "database", "metered_call")
    assert ran.person.notes[-1] == "Not in order yet: files, database, metered_call."


def test_a_step_is_not_applied_before_those_that_it_needs(kind: str, run: Run) -> None:
    ran = run(kind, of([Call("apply", {"step": "metered_call"})], [Call("done", {"summary": "."})]))
    assert ran.steps[2].applied == 0 and ran.person.prompts == []
    assert "these must be in order first: database" in ran.models.requests[1].decode()


def test_a_key_is_entered_at_a_hidden_prompt_and_the_model_learns_that_it_is_set(kind: str, run: Run) -> None:
    script = of([Call("request_key", {"provider": "anthropic"})], [Call("done", {"summary": "Set."})])
    ran = run(kind, script, hidden=["sk-ant-hidden-M3wq8Lz0Xv"])
    assert ran.place.choices.keys == {"ANTHROPIC_API_KEY": "sk-ant-hidden-M3wq8Lz0Xv"}
    assert ran.place.settings.provider("anthropic").api_key == "sk-ant-hidden-M3wq8Lz0Xv"
    sent = b"".join(ran.models.requests).decode()
    assert "set" in sent and "M3wq8Lz0Xv" not in sent + ran.transcript + ran.person.seen


def test_a_declined_key_is_said_to_be_declined(kind: str, run: Run) -> None:
    script = of([Call("request_key", {"provider": "anthropic"})], [Call("done", {"summary": "Later."})])
    ran = run(kind, script, hidden=[""])
    assert ran.place.choices.keys == {} and "declined" in ran.models.requests[1].decode()


def test_it_may_talk_with_the_person_and_enter_alone_goes_on(kind: str, run: Run) -> None:
    script = of(["What is it for?"], ["Then I begin."], [Call("done", {"summary": "."})])
    ran = run(kind, script, "a shop", "")
    assert "a shop" in ran.models.requests[1].decode() and "Go on." in ran.models.requests[2].decode()
    assert ran.outcome.end is End.DONE


def test_of_several_calls_at_once_the_first_is_used_and_each_is_answered(kind: str, run: Run) -> None:
    script = of(
        [Call("apply", {"step": "files"}), Call("apply", {"step": "database"})], [Call("done", {"summary": "."})]
    )
    ran = run(kind, script, "")
    assert [step.applied for step in ran.steps] == [1, 0, 0]
    told = ran.models.bodies[1]
    answers = {
        "openai": lambda: [m["content"] for m in told["messages"] if m["role"] == "tool"],
        "anthropic": lambda: [block["content"] for block in told["messages"][-1]["content"]],
        "gemini": lambda: [part["functionResponse"]["response"]["result"] for part in told["contents"][-1]["parts"]],
    }[kind]()
    assert len(answers) == 2 and "one tool at a time" in answers[1]


def test_the_transcript_is_for_its_owner_only_and_tells_all(kind: str, run: Run) -> None:
    ran = run(kind, LEADS, "", "", "", "")
    path = ran.outcome.transcript
    assert path is not None and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    lines = [json.loads(line) for line in ran.transcript.splitlines()]
    assert [line["kind"] for line in lines] == ["begin", *["model", "tool"] * 7, "end"]
    assert lines[-1]["spent_nano"] == ran.outcome.spent_nano
    assert any(str(path) in note for note in ran.person.notes)


def test_with_yes_nobody_is_asked_and_what_was_agreed_to_is_shown(kind: str, run: Run) -> None:
    ran = run(kind, LEADS, yes=True, interactive=False)
    assert ran.person.prompts == [] and ran.outcome.end is End.DONE
    assert "apply database: start the embedded PostgreSQL? yes (--yes)" in ran.person.notes


def test_a_remedy_of_a_broken_step_reaches_the_model(kind: str, run: Run) -> None:
    steps = three_steps()
    steps[1] = PretendStep("database", "reach it", found=Check(State.BROKEN, "no route", "Start the server."))
    ran = run(kind, of([Call("done", {"summary": "."})]), steps=steps)
    assert "Start the server." in ran.models.requests[0].decode()
    assert CANARY_KEY not in ran.models.requests[0].decode()
