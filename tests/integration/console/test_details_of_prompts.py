"""What Enter opens on a version of a prompt, and two versions beside each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aikit.console.details import Details
from aikit.console.model import PromptRow, PromptsPage, Snapshot, Tab
from aikit.database.connect import Database
from aikit.errors import AIKitError
from aikit.ledger.prompt_gates import record_gate
from aikit.ledger.prompt_labels import promote, rollback
from aikit.ledger.prompts import Draft, publish
from aikit.prompts.reading import read_prompt
from integration.prompts.conftest import a_prompt, publish_versions, write_folder
from support.ledger import tell
from support.pages import items, section, words
from support.snapshots import CENT, HOSTILE, prompt, prompts, snapshot

OLD = """---
description: Sums up a text.
model: openai/gpt-4o-mini
parameters:
  max_tokens: 64
input:
  text: string
---
{% role "system" %}
You are terse.
Answer in one line.
{% role "user" %}
{{ text }}
"""
NEW = """---
description: Sums up a text.
model: openai/gpt-5-mini
parameters:
  max_tokens: 128
input:
  text: string
  tone: string
output:
  type: object
  properties:
    summary: {type: string}
---
{% role "system" %}
You are friendly.
Answer in one line.
Smile.
{% role "user" %}
{{ text }} in a {{ tone }} tone
"""


@pytest.fixture
def details(ledger: Database, tmp_path: Path) -> Details:
    return Details(ledger, nano_per_credit=100_000, prompts=tmp_path / "prompts")


def listed(*rows: PromptRow) -> Snapshot:
    """The prompts' tab with these rows."""
    return snapshot(Tab.PROMPTS, page=replace(prompts(), rows=rows))


def publish_texts(ledger: Database, *sources: str) -> None:
    """v1, v2 and so on of `summarize`."""
    drafts = [Draft(read_prompt(text, "summarize", n), n - 1 or None) for n, text in enumerate(sources, 1)]
    publish(ledger, drafts, who="ann")


def test_a_version_tells_its_labels_with_who_moved_them_and_why(details: Details, ledger: Database) -> None:
    publish_versions(ledger, 1, 2)
    promote(ledger, "summarize", 1, "production", who="ada", why="the first")
    promote(ledger, "summarize", 2, "production", who="bob", why="friendlier")
    promote(ledger, "summarize", 2, "staging", who="bob")
    rollback(ledger, "summarize", "production", who="ada", why="worse at night")
    page = details.page(Tab.PROMPTS, "summarize@v1", listed())
    assert page.heading == "summarize@v1: production"
    (label,) = section(page, "Labels").items
    assert label.text.endswith("UTC by ada")
    assert label.remarks == ("worse at night",)
    history = section(page, "History").items
    assert history[0].text == "production: v2 → v1 (rollback) · ada"
    assert history[2].text == "production: v1 → v2 · bob"
    assert "v2 published, made from v1 · ann" in [item.text for item in history]
    assert items(details.page(Tab.PROMPTS, "summarize@v2", listed()), "Labels").keys() == {"staging"}


def test_a_label_that_was_moved_by_force_says_so(details: Details, ledger: Database) -> None:
    publish_versions(ledger, 1, passed=False)
    promote(ledger, "summarize", 1, "production", who="ada", why="an emergency", force=True)
    page = details.page(Tab.PROMPTS, "summarize@v1", listed())
    (label,) = section(page, "Labels").items
    assert label.remarks == ("an emergency", "moved by force: no gate had passed for this content")
    assert items(page, "Eval gates") == {"none": "no gate was run on this content"}


def test_gates_are_those_of_exactly_this_content(details: Details, ledger: Database) -> None:
    publish_versions(ledger, 1, passed=False)
    record_gate(ledger, a_prompt(1), "summaries", passed=False, who="ci")
    record_gate(ledger, a_prompt(1), "tone", passed=True, who="ci")
    record_gate(ledger, a_prompt(1, "Something else."), "other", passed=True, who="ci")
    gates = items(details.page(Tab.PROMPTS, "summarize@v1", listed()), "Eval gates")
    assert gates.keys() == {"summaries", "tone"}
    assert gates["summaries"].startswith("✗ FAILED · 20")
    assert gates["tone"].startswith("✓ passed · 20")


def test_calls_with_it_are_those_of_the_snapshot(details: Details, ledger: Database) -> None:
    publish_versions(ledger, 1)
    row = prompt("summarize", 1, calls=812, failed=4, refused=318, nano=2210 * CENT)
    calls = items(details.page(Tab.PROMPTS, "summarize@v1", listed(row)), "Calls")
    assert (calls["calls"], calls["failed"][:3], calls["cost"]) == ("812", "4 (", "$22.10")
    assert calls["took"] == "half of them at most 410 ms, 95 of 100 at most 2.40 s"
    unpriced = replace(row, nano=None, p50_ms=None, p95_ms=None)
    calls = items(details.page(Tab.PROMPTS, "summarize@v1", listed(unpriced)), "Calls")
    assert (calls["cost"], calls["took"]) == ("—", "half of them at most —, 95 of 100 at most —")


def test_what_is_published_is_shown_with_settings_inputs_output_and_body(details: Details, ledger: Database) -> None:
    publish_texts(ledger, OLD, NEW)
    page = details.page(Tab.PROMPTS, "summarize@v2", listed())
    assert page.paragraphs == ("Sums up a text.",)
    assert items(page, "Settings")["model"] == "openai/gpt-5-mini"
    assert items(page, "Inputs") == {"text": "string", "tone": "string"}
    assert '"summary"' in items(page, "Output")["schema"]
    assert "  You are friendly." in section(page, "Message 1, system").marked
    assert items(page, "Version")["published"].endswith("by ann")


def test_a_version_that_is_only_in_a_file_is_shown_from_there(details: Details, tmp_path: Path) -> None:
    write_folder(tmp_path / "prompts", 1)
    page = details.page(Tab.PROMPTS, "summarize@v1", listed())
    assert items(page, "Version")["kept"] == "prompts/summarize/v1.prompt, locked"
    assert any("1. way" in line for line in section(page, "Message 1").marked)
    assert items(page, "History") == {"none": "nothing of it is published"}


def test_a_version_that_was_only_seen_in_calls_says_that_its_text_is_not_kept(details: Details) -> None:
    row = prompt("extract", 1, sha=None, published=None, by=None)
    page = details.page(Tab.PROMPTS, "extract@v1", listed(row))
    assert items(page, "Version") == {"kept": "not kept: it is not published, and in no file here"}
    assert items(page, "What it says")["text"].startswith("not kept")


@pytest.mark.parametrize(
    "key", ["summarize@v9", "gone@v1", "summarize", "summarize@latest", "", "[bold]@v1", "a\x1b@v1"]
)
def test_a_version_that_nobody_knows_is_told_with_a_remedy(details: Details, ledger: Database, key: str) -> None:
    publish_versions(ledger, 1)
    with pytest.raises(AIKitError) as told:
        details.page(Tab.PROMPTS, key, listed())
    assert told.value.remedy


@pytest.mark.parametrize("text", HOSTILE)
def test_a_name_of_any_kind_that_calls_carried_is_shown(details: Details, text: str) -> None:
    row = prompt(text, 1, sha=None, published=None, by=None)
    page = details.page(Tab.PROMPTS, row.id, listed(row))
    assert all(line.isprintable() for line in words(page).split("\n"))


def test_a_published_text_that_this_version_can_t_read_is_told_as_such(details: Details, ledger: Database) -> None:
    publish_versions(ledger, 1)
    tell(
        ledger,
        "ALTER TABLE aikit.prompt_versions DISABLE TRIGGER USER",
        "UPDATE aikit.prompt_versions SET source = 'of tomorrow', sha256 = encode(sha256('of tomorrow'), 'hex')",
    )
    page = details.page(Tab.PROMPTS, "summarize@v1", listed())
    assert items(page, "What it says")["text"].startswith("published, but can't be read: ")
    with pytest.raises(AIKitError, match="can't be read"):
        details.compare_prompts("summarize@v1", "summarize@v1")


def test_two_versions_are_compared_in_settings_inputs_output_and_body(details: Details, ledger: Database) -> None:
    publish_texts(ledger, OLD, NEW)
    page = details.compare_prompts("summarize@v1", "summarize@v2")
    assert page.heading == "summarize@v1 → summarize@v2"
    assert page.paragraphs == ("1 breaking: callers must change.",)
    assert section(page, "Settings").marked == (
        "~ model: openai/gpt-4o-mini → openai/gpt-5-mini",
        "~ parameters.max_tokens: 64 → 128",
    )
    assert section(page, "Inputs").marked == ("~ tone: added, required (breaking)",)
    assert section(page, "Output").marked == ("~ output: declared",)
    body = section(page, "Body")
    assert "- You are terse." in body.marked and "+ Smile." in body.marked
    assert ("You are terse.", "~", "You are friendly.") in body.beside
    assert ("Answer in one line.", " ", "Answer in one line.") in body.beside
    assert ("", "+", "Smile.") in body.beside


def test_a_version_is_the_same_as_itself(details: Details, ledger: Database) -> None:
    publish_texts(ledger, OLD)
    page = details.compare_prompts("summarize@v1", "summarize@v1")
    assert (page.paragraphs, page.sections) == (("Nothing differs.",), ())


def test_a_version_whose_text_is_not_kept_can_t_be_compared(details: Details, ledger: Database) -> None:
    publish_texts(ledger, OLD)
    with pytest.raises(AIKitError, match="is not kept") as told:
        details.compare_prompts("summarize@v1", "summarize@v7")
    assert "aikit prompt publish summarize" in told.value.remedy


def test_the_page_of_the_prompts_tab_is_what_is_looked_at(details: Details, ledger: Database) -> None:
    publish_versions(ledger, 1)
    other = snapshot(Tab.CALLS)
    assert not isinstance(other.page, PromptsPage)
    assert items(details.page(Tab.PROMPTS, "summarize@v1", other), "Calls").keys() == {"—"}
