"""Run again, nothing changes; stopped anywhere and run again, it goes on, and ends as if it had never been stopped."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from aikit.setup.project_files import WORKFLOW
from integration.setup.conftest import GOOD, Project
from support.doorman import Doorman

YES = ("init", "--yes", "--no-agent")


def books(dsn: str) -> tuple[Any, ...]:
    """All that a run leaves in the database: policies, tenants, the record, calls, and their sum."""
    with psycopg.connect(dsn) as connection:
        return tuple(
            connection.execute(query).fetchall()
            for query in (
                "SELECT name, tenant, body::text, by_hand, since, until FROM aikit.policies ORDER BY 1, since",
                "SELECT tenant FROM aikit.tenants ORDER BY 1",
                "SELECT seq, action, subject, why FROM aikit.audit ORDER BY 1",
                "SELECT tenant, feature, model, ending, nano FROM aikit.entries ORDER BY attempt",
                "SELECT policy_version FROM aikit.state",
                "SELECT count(*) FROM aikit.holds",
            )
        )


def test_a_second_run_changes_nothing(openai: Project, database: str) -> None:
    environ = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD}
    assert openai.run(*YES, **environ).returncode == 0
    tree, before = openai.tree(), books(database)
    again = openai.run(*YES, "--json", **environ)
    assert again.returncode == 0, again.stderr
    assert (openai.tree(), books(database)) == (tree, before)
    found = json.loads(again.stdout)
    assert found["schema"] == "aikit.init/1"
    assert found["totals"] == {"steps": len(found["data"]["plan"]), "applied": 0, "cost_usd": "0"}
    assert {step["state"] for step in found["data"]["plan"]} == {"ok"}
    assert len(found["data"]["next"]) == 3


def test_what_the_person_has_written_is_kept(openai: Project, database: str) -> None:
    environ = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD}
    mine = '[default]\nuncapped = false\n[tenants.default]\nlimits = [{ cap_usd = "2.00", window = "month" }]\n'
    openai.write("policies.toml", mine)
    (openai.folder / "prompts" / "mine").mkdir(parents=True)
    openai.write("prompts/mine/v1.prompt", "---\nmodel: openai/gpt-5-mini\n---\nHello\n")
    before = openai.tree()
    ended = openai.run(*YES, **environ)
    assert ended.returncode == 0, ended.stderr
    after = openai.tree()
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {"policies.schema.json", WORKFLOW}
    assert "$2.00/month" in ended.stdout


def test_a_cap_that_is_asked_for_replaces_the_one_that_is_there(openai: Project, database: str) -> None:
    environ = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD}
    assert "$5.00/day" in openai.run(*YES, **environ).stdout
    assert "$7.50/day" in openai.run(*YES, "--cap-usd", "7.50", **environ).stdout
    assert "$7.50/day" in openai.run(*YES, **environ).stdout
    assert openai.run(*YES, "--cap-usd", "many", **environ).returncode == 2


def test_nothing_is_written_outside_of_the_folder(openai: Project, database: str, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (openai.folder / ".github").symlink_to(elsewhere)
    ended = openai.run(*YES, DATABASE_URL=database, OPENAI_API_KEY=GOOD)
    assert ended.returncode == 2 and "outside of" in ended.stderr
    assert list(elsewhere.rglob("*")) == []
    (openai.folder / ".github").unlink()
    assert openai.run(*YES, DATABASE_URL=database, OPENAI_API_KEY=GOOD).returncode == 0


def test_in_a_part_of_a_repository_there_is_no_workflow(openai: Project, database: str) -> None:
    (openai.folder.parent / ".git").mkdir()
    assert openai.run(*YES, DATABASE_URL=database, OPENAI_API_KEY=GOOD).returncode == 0
    assert WORKFLOW not in openai.tree()


def test_what_was_written_passes_its_own_checks(openai: Project, database: str) -> None:
    environ = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD}
    assert openai.run(*YES, **environ).returncode == 0
    for command, code in (
        ("prompt check", 0),
        ("policy check policies.toml", 0),
        ("policy diff policies.toml", 0),
        ("eval --live --simulated --gate", 0),
        ("eval list", 0),
        ("lint .", 0),
        ("ledger verify", 0),
    ):
        ended = openai.run(*command.split(), **environ)
        assert ended.returncode == code, (command, ended.stdout, ended.stderr)


STEPS = ("project files", "keys", "openai reachable", "database", "schema", "safe cap")


@pytest.mark.parametrize("after", STEPS)
def test_stopped_after_any_step_it_goes_on_from_there(openai: Project, database: str, after: str) -> None:
    environ = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD}
    with openai.at_terminal(*YES, **environ) as terminal:
        terminal.wait_for("will ask openai")
        terminal.wait_for(f"✓ {after}")
        terminal.interrupt()
        assert terminal.end() in (130, 0), terminal.shown  # 0: it was done before the signal came
        assert "Traceback" not in terminal.shown
    _whole(openai)
    again = openai.run(*YES, **environ)
    assert again.returncode == 0, again.stderr
    _whole(openai)
    assert openai.run("ledger", "verify", **environ).returncode == 0
    assert _undisturbed(openai, database)


def test_stopped_while_it_looks_around_nothing_is_written(openai: Project, door: Doorman, database: str) -> None:
    door.hold = 30.0
    with openai.at_terminal("init", DATABASE_URL=database, OPENAI_API_KEY=GOOD) as terminal:
        terminal.wait_for("looking around")
        while not door.asked:
            time.sleep(0.01)
        start = time.monotonic()
        terminal.interrupt()
        assert terminal.end() == 130, terminal.shown
        assert time.monotonic() - start < 4
        assert "Traceback" not in terminal.shown
    assert list(openai.tree()) == ["aikit.toml"]


@pytest.mark.parametrize("at", ["Number", "it is not shown", "Apply these"])
def test_stopped_at_a_question_nothing_is_written(openai: Project, database: str, at: str) -> None:
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database) as terminal:
        for question, answer in (("Number", "1"), ("it is not shown", GOOD), ("Apply these", "y")):
            terminal.wait_for(question)
            if question == at:
                terminal.interrupt()
                break
            terminal.type(answer)
        assert terminal.end() == 130, terminal.shown
        assert "Traceback" not in terminal.shown
    assert list(openai.tree()) == ["aikit.toml"]


def test_stopped_while_the_embedded_server_starts_it_goes_on(openai: Project) -> None:
    with openai.at_terminal(*YES, OPENAI_API_KEY=GOOD) as terminal:
        terminal.wait_for("✓ openai reachable")
        terminal.wait_for("✓ openai reachable")
        terminal.interrupt()
        assert terminal.end() == 130, terminal.shown
    again = openai.run(*YES, OPENAI_API_KEY=GOOD)
    assert again.returncode == 0, again.stderr
    assert "✓ one metered call" in again.stdout


def _whole(project: Project) -> None:
    """No file is half-written, and none that was being written is left."""
    assert [name for name in project.tree() if name.endswith(".tmp")] == []
    for name in project.tree():
        assert (project.folder / name).stat().st_size > 0


def _undisturbed(project: Project, database: str) -> bool:
    """Whether all is as after a run that nobody stopped; a call that was cut off may stand beside the other."""
    policies, tenants, record, entries, _, _ = books(database)
    assert [row[:2] for row in policies] == [("default", None), ("tenant:default", "default")]
    assert tenants == [("default",)] and len(record) == 3
    assert any(row[3] == "settled" for row in entries)
    return len(entries) in (1, 2)
