"""`aikit prompt publish`, `promote`, `rollback`, `history`, and the labels in `list` and `show`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from aikit.database.connect import Database
from aikit.ledger.audit import list_audit
from aikit.ledger.prompt_gates import record_gate
from aikit.ledger.prompts import list_published
from integration.cli.conftest import Cli
from integration.prompts.conftest import a_prompt, production, publish_versions, source_of, write_folder


@pytest.fixture
def folder(cli: Cli) -> Path:
    """The application's folder, with v1 and v2 locked."""
    return write_folder(cli.folder / "prompts", 1, 2)


def versions(database: Database) -> list[str]:
    return [f"{each.name}@v{each.version}" for each in list_published(database)]


@pytest.mark.usefixtures("folder")
def test_what_is_locked_is_published_once(cli: Cli, ledger: Database) -> None:
    ended = cli.ok("prompt", "publish", "summarize")
    assert ended.out.splitlines() == [
        f"summarize@v1: published · {a_prompt(1).sha256[:12]}",
        f"summarize@v2: published · {a_prompt(2).sha256[:12]}",
    ]
    again = cli.ok("prompt", "publish")
    assert (again.out, again.err) == ("", "Nothing to publish: the ledger has all that is locked.\n")
    assert versions(ledger) == ["summarize@v1", "summarize@v2"]
    assert [each.parent for each in list_published(ledger)] == [None, 1]


@pytest.mark.usefixtures("folder")
def test_a_dry_run_only_says_what_it_would_publish(cli: Cli, ledger: Database) -> None:
    assert "summarize@v1: would be published" in cli.ok("prompt", "publish", "--dry-run").out
    envelope = cli("prompt", "publish", "--dry-run", "--json").json("aikit.prompt.publish/1")
    assert envelope["data"]["dry_run"] is True
    assert envelope["data"]["published"][1] == {"prompt": "summarize@v2", "sha256": a_prompt(2).sha256}
    assert envelope["totals"] == {"published": 2}
    assert versions(ledger) == []


def test_a_draft_is_refused_by_name_and_passed_over_otherwise(cli: Cli, ledger: Database, folder: Path) -> None:
    (folder / "summarize" / "v3.prompt").write_text(source_of(3))
    refused = cli("prompt", "publish", "summarize")
    assert (refused.code, refused.out) == (2, "")
    assert "summarize@v3 is a draft" in refused.err and "aikit prompt lock summarize" in refused.err
    assert versions(ledger) == []
    ended = cli.ok("prompt", "publish")
    assert "summarize@v3 is a draft: it is not locked. Lock it: aikit prompt lock summarize." in ended.err
    assert versions(ledger) == ["summarize@v1", "summarize@v2"]


def test_a_folder_that_does_not_pass_its_check_publishes_nothing(cli: Cli, ledger: Database, folder: Path) -> None:
    (folder / "summarize" / "v1.prompt").write_text(source_of(1, "Edited by hand."))
    refused = cli("prompt", "publish", "summarize")
    assert refused.code == 1
    assert "Nothing is published. prompts/summarize/v1.prompt is not what was locked" in refused.err
    assert versions(ledger) == []


@pytest.mark.usefixtures("folder")
def test_other_content_than_what_was_published_is_refused(cli: Cli, ledger: Database) -> None:
    from aikit.ledger.prompts import Draft, publish

    publish(ledger, [Draft(a_prompt(2, "Another text."), 1)])
    for dry_run in ([], ["--dry-run"]):
        refused = cli("prompt", "publish", *dry_run)
        assert refused.code == 1
        assert "summarize@v2 was published with other content" in refused.err


def test_a_promotion_says_from_where_to_where_and_by_when_it_is_in_effect(cli: Cli, ledger: Database) -> None:
    publish_versions(ledger, 1, 2)
    first = cli.ok("prompt", "promote", "summarize@v1", "production").out
    assert re.fullmatch(r"summarize@production: new → v1 · in all processes by [0-9: -]{19} UTC\n", first)
    before = datetime.now().astimezone()
    row = cli.data("prompt", "promote", "summarize@v2", "production", "--reason", "shorter")
    by = datetime.fromisoformat(row.pop("followed_by"))
    assert timedelta(seconds=4) < by - before < timedelta(seconds=15)
    assert row == {
        "prompt": "summarize",
        "label": "production",
        "was": "v1",
        "version": "v2",
        "sha256": a_prompt(2).sha256,
        "changed": True,
        "forced": False,
    }
    assert cli.ok("prompt", "promote", "summarize@v2", "production").out == "summarize@production: v2 already\n"


def test_without_a_passed_gate_it_is_refused_and_forced_only_for_a_reason(cli: Cli, ledger: Database) -> None:
    publish_versions(ledger, 1, passed=False)
    refused = cli("prompt", "promote", "summarize@v1", "production")
    assert refused.code == 1
    assert "summarize@v1 has not passed its eval gate: none was run on this content." in refused.err
    assert "aikit eval --gate --prompt summarize@v1" in refused.err and "--force --reason TEXT" in refused.err
    unreasoned = cli("prompt", "promote", "summarize@v1", "production", "--force")
    assert unreasoned.code == 2 and "--reason TEXT" in unreasoned.err
    forced = cli.ok("prompt", "promote", "summarize@v1", "production", "--force", "--reason", "incident 7")
    assert "new → v1 · forced, no gate has passed · in all processes by" in forced.out
    row = list_audit(ledger)[0]
    assert (row.why, row.after["forced"]) == ("incident 7", True)
    audit = cli.ok("audit", "list").out
    assert "new → v1, forced" in audit and f"sha256 {a_prompt(1).sha256[:12]}" in audit


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["promote", "summarize@production", "staging"], 2, "Name a version: summarize@v3."),
        (["promote", "summarize@v1", "v2"], 2, "names neither a version nor a label"),
        (["promote", "summarize@v1", "latest"], 2, "there is no latest"),
        (["promote", "summarize", "production"], 2, "names a prompt, but no version of it"),
        (["promote", "summarize@v9", "production"], 2, "summarize@v9 is not published."),
        (["rollback", "summarize", "--to", "3"], 2, "is no version"),
        (["rollback", "summarize", "--to", "v9"], 2, "has never pointed to v9"),
        (["rollback", "summarize", "--label", "staging"], 2, "has no label staging"),
        (["rollback", "translate"], 2, "translate has no label production"),
        (["history", "translate"], 2, "Nothing of translate is published."),
        (["publish", "translate"], 2, "There is no file of translate."),
    ],
)
def test_what_can_t_be_is_refused_in_words(
    cli: Cli, ledger: Database, arguments: list[str], code: int, said: str
) -> None:
    production(ledger, 1)
    ended = cli("prompt", *arguments)
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err and "Traceback" not in ended.err


def test_a_rollback_says_in_one_line_what_it_did(cli: Cli, ledger: Database) -> None:
    production(ledger, 1, 2, 3)
    out = cli.ok("prompt", "rollback", "summarize").out
    assert re.fullmatch(r"summarize@production: v3 → v2 · in all processes by [0-9: -]{19} UTC\n", out)
    row = cli.data("prompt", "rollback", "summarize", "--to", "v1", "--reason", "nonsense since noon")
    assert (row["was"], row["version"], row["changed"]) == ("v2", "v1", True)
    assert list_audit(ledger)[0].why == "nonsense since noon"
    assert cli.data("prompt", "rollback", "summarize", "--to", "v1")["followed_by"] is None


def test_the_history_is_one_timeline_the_newest_first(cli: Cli, ledger: Database) -> None:
    production(ledger, 1)
    cli.ok("prompt", "rollback", "summarize", "--to", "v1")
    (second,) = publish_versions(ledger, 2, passed=False)
    record_gate(ledger, second, "safety", passed=False, who="ci")
    cli.ok("prompt", "promote", "summarize@v2", "production", "--force", "--reason", "incident 7")
    cli.ok("prompt", "rollback", "summarize")
    title, head, *rows = cli.ok("prompt", "history", "summarize").out.splitlines()
    assert title == "summarize, the newest first"
    assert re.split(r"  +", head) == ["Time (UTC)", "Who", "What", "From", "To", "Gate", "Why"]
    who = list_audit(ledger)[0].who
    assert [re.split(r"  +", row)[1:] for row in rows] == [
        [who, "production (rollback)", "v2", "v1", "—", "—"],
        [who, "production", "v1", "v2", "forced", "incident 7"],
        ["ci", "gate safety", "—", "v2", "failed", "—"],
        ["ann", "published", "v1", "v2", "—", "—"],
        ["ann", "production", "—", "v1", "passed", "—"],
        ["ci", "gate summaries", "—", "v1", "passed", "—"],
        ["ann", "published", "—", "v1", "—", "—"],
    ]
    envelope = cli("prompt", "history", "summarize", "--json").json("aikit.prompt.history/1")
    assert envelope["totals"] == {"happenings": 7}
    assert [row["kind"] for row in envelope["data"]][:4] == ["rollback", "promote", "gate", "publish"]
    assert envelope["data"][1]["why"] == "incident 7" and envelope["data"][1]["forced"] is True


@pytest.mark.usefixtures("folder")
def test_list_and_show_have_the_labels(cli: Cli, ledger: Database) -> None:
    production(ledger, 1, 2)
    cli.ok("prompt", "promote", "summarize@v1", "staging")
    assert "staging → v1, production → v2" in cli.ok("prompt", "list").out
    assert re.search(r"Labels +production\n", cli.ok("prompt", "show", "summarize@v2").out)
    assert cli.data("prompt", "show", "summarize@production")["version"] == 2
    assert "Summarize, the 1. way: x" in cli.ok("prompt", "render", "summarize@staging", "--input", "text=x").out


@pytest.mark.usefixtures("folder")
def test_without_a_database_list_and_show_work_and_say_what_is_missing(cli: Cli) -> None:
    away = Cli(cli.folder, {**cli.environ, "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"})
    ended = away.ok("prompt", "list")
    assert "summarize" in ended.out
    assert ended.err.startswith("Labels are not shown: The database nobody@127.0.0.1:1/none")
    assert away("prompt", "show", "summarize@production").code == 7
    alone = Cli(cli.folder, {name: value for name, value in cli.environ.items() if name != "DATABASE_URL"})
    ended = alone.ok("prompt", "list")
    assert ended.err == ""
    assert not (Path(alone.environ["AIKIT_DATA_DIR"]) / "postgres").exists()
