"""Where the agent's calls are metered, which prompt leads it, and what its proposals change for real."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.ledger.limits import list_limits
from aikit.ledger.prompt_labels import promote
from aikit.ledger.prompts import Draft, publish
from aikit.ledger.tenants import add_tenant
from aikit.prompts.reading import read_prompt
from aikit.prompts.shipped import shipped
from aikit.setup.agent.model import End
from aikit.setup.agent.session import lead
from aikit.setup.model import Choices
from support.agent_runs import Ran, Run, config, three_steps
from support.agent_sessions import CANARY_KEY, CANARY_PASSWORD, Typist, place_at
from support.embedded import moved
from support.kits import Books
from support.scripted_models import Call, of, scripted

DONE = of([Call("done", {"summary": "."})])
OURS = """---
description: Ours.
input:
  type: object
  properties:
    situation: {type: object}
  required: [situation]
---
{% role "system" %}
Speak like our house.
{% role "user" %}
{{ situation|tojson }}
"""


def caps_of(books: Books, tenant: str) -> dict[str, int]:
    found = list_limits(Database(books.dsn, False, "test"), tenant)
    return {str(limit.window): limit.cap for limit in found if limit.metric == "credits"}


def prompt_of(ran: Ran) -> str:
    return ran.models.bodies[0]["messages"][0]["content"]


def test_the_tenant_setup_has_a_cap_of_its_own_and_one_that_is_stated_replaces_it(run: Run, books: Books) -> None:
    run("openai", DONE)
    assert caps_of(books, "setup") == {"day": 250_000_000}
    run("openai", DONE, cap_usd="0.5")
    assert caps_of(books, "setup") == {"day": 500_000_000}
    run("openai", DONE)
    assert caps_of(books, "setup") == {"day": 500_000_000}


@pytest.mark.parametrize("cap", ["0", "-1", "much", "6", "1e400", "NaN"])
def test_a_cap_that_is_none_is_said_to_be_none(run: Run, cap: str) -> None:
    from aikit.errors import ConfigError

    with pytest.raises(ConfigError, match="agent's cap"):
        run("openai", DONE, cap_usd=cap)


def test_a_cap_that_is_agreed_to_is_in_the_ledger_and_on_the_record(run: Run, books: Books) -> None:
    add_tenant(Database(books.dsn, False, "test"), "default")
    script = of(
        [Call("set_cap", {"tenant": "default", "window": "day", "usd": "2.5"})], [Call("done", {"summary": "."})]
    )
    ran = run("openai", script, "y")
    assert caps_of(books, "default") == {"day": 2_500_000_000}
    assert ran.place.choices.cap_usd == "2.5" and ran.place.choices.cap_stated
    (change,) = [row for row in books.rows("SELECT * FROM aikit.audit") if "proposed by" in str(row.get("why"))]
    assert change["who"] == "aikit init"


def test_a_cap_of_a_tenant_that_is_not_made_yet_waits_for_its_step(run: Run, books: Books) -> None:
    script = of(
        [Call("set_cap", {"tenant": "default", "window": "day", "usd": "2.5"})], [Call("done", {"summary": "."})]
    )
    ran = run("openai", script, "y")
    assert ran.place.choices.cap_usd == "2.5" and caps_of(books, "default") == {}
    assert "with the step that makes the tenant" in ran.models.requests[1].decode()


def test_a_model_that_is_agreed_to_is_written_and_used_by_later_steps(run: Run) -> None:
    script = of(
        [Call("choose", {"provider": "anthropic", "model": "claude-sonnet-4-5"})], [Call("done", {"summary": "."})]
    )
    ran = run("openai", script, "y")
    assert (ran.place.choices.provider, ran.place.choices.model) == ("anthropic", "claude-sonnet-4-5")
    assert ran.place.settings.provider("anthropic").model == "claude-sonnet-4-5"


def test_a_route_that_is_agreed_to_means_the_first_of_its_models(run: Run) -> None:
    script = of([Call("choose", {"route": "chat"})], [Call("done", {"summary": "."})])
    more = '[routes]\nchat = ["anthropic/claude-haiku-4-5", "openai/gpt-5-mini"]\n'
    ran = run("openai", script, "y", more=more)
    assert (ran.place.choices.provider, ran.place.choices.model) == ("anthropic", "claude-haiku-4-5")


def test_the_prompt_that_the_label_points_to_leads(run: Run, books: Books) -> None:
    database = Database(books.dsn, False, "test")
    publish(database, [Draft(read_prompt(OURS, "setup_agent", 7), None)], who="ann")
    promote(database, "setup_agent", 7, "production", force=True, why="ours")
    ran = run("openai", DONE)
    assert prompt_of(ran) == "Speak like our house."
    assert books.entry()["prompt"] == "setup_agent@v7"


def test_a_labelled_prompt_that_takes_other_inputs_is_not_used(run: Run, books: Books) -> None:
    database = Database(books.dsn, False, "test")
    first = shipped().find("setup_agent", 1)
    assert first is not None
    publish(database, [Draft(first, None)], who="ann")
    promote(database, "setup_agent", 1, "production", force=True, why="it was there")
    ran = run("openai", DONE)
    assert "You act by calling one tool at a time" in prompt_of(ran)
    assert books.entry()["prompt"] == "setup_agent@v2"


def test_without_a_key_there_is_no_agent_and_the_plan_takes_over(tmp_path: Path) -> None:
    place = place_at(tmp_path)
    for choices in (Choices(), Choices(provider="openai"), Choices(simulator=True), Choices(provider="nobody")):
        place.choices = choices
        person = Typist()
        outcome = lead(place, three_steps(), person)
        assert outcome.end is End.FELL_BACK and outcome.transcript is None
        assert person.notes[-1].startswith("No agent: ") and person.prompts == []


def test_with_the_projects_database_away_its_calls_are_metered_in_the_embedded_one(
    tmp_path: Path, made_root: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    away = f"postgresql://u:{CANARY_PASSWORD}@127.0.0.1:9/x"
    with moved(made_root, data / "postgres"), scripted(DONE) as models:
        (tmp_path / "aikit.toml").write_text(config(models.url, away, data))
        place = place_at(tmp_path, {"OPENAI_API_KEY": CANARY_KEY}, Choices(provider="openai"))
        person = Typist()
        outcome = lead(place, three_steps(), person)
    assert outcome.end is End.DONE and len(models.requests) == 1
    assert any("metered in the embedded database" in note for note in person.notes)
    assert CANARY_PASSWORD not in person.seen


def test_an_interrupt_passes_and_what_was_held_is_settled(run: Run, books: Books) -> None:
    class Interrupting(Typist):
        def note(self, text: str) -> None:
            super().note(text)
            if " of $" in text:
                raise KeyboardInterrupt

    books.limit("setup")
    with pytest.raises(KeyboardInterrupt):
        run("openai", DONE, ui=Interrupting())
    assert len(books.entries()) == 1
    books.assert_balanced()
