"""Keys and passwords that would be recognised, through every branch at the highest verbosity: only in `.env`."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest

from integration.setup.conftest import BAD, GOOD, Project
from support.doorman import Doorman
from support.terminal import left

LOUD = {"AIKIT_TRACEBACK": "1", "OPENAI_LOG": "debug", "ANTHROPIC_LOG": "debug", "PYTHONWARNINGS": "default"}
PASSWORD = "canary-pw-55aaQx"
CANARIES = (GOOD[:-4], GOOD[8:-4], BAD[:-4], BAD[8:-4], PASSWORD)
"""None of them is anywhere; of a key the last four characters may be."""
DOWN = f"postgresql://app:{PASSWORD}@127.0.0.1:9/nothing"


def check(project: Project, ended: subprocess.CompletedProcess[str], *, code: int) -> None:
    assert ended.returncode == code, ended.stderr
    assert told(ended.stdout) == told(ended.stderr) == []
    files(project)


def told(text: str) -> list[str]:
    """Those that are in a text."""
    return [canary for canary in CANARIES if canary in text]


def files(project: Project) -> None:
    """In no file but `.env`: neither of the project, nor at home, nor among the data."""
    root = project.folder.parent
    found = [path for path in root.rglob("*") if path.is_file() and told(path.read_bytes().decode(errors="replace"))]
    assert [path for path in found if path.name != ".env"] == []


def in_database(dsn: str) -> list[str]:
    """The tables that have one in some column."""
    with psycopg.connect(dsn) as connection:
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'aikit'").fetchall()
        texts = {name: connection.execute(f"SELECT t::text FROM aikit.{name} t").fetchall() for (name,) in tables}
    assert texts["entries"]
    return [name for name, rows in texts.items() if any(told(row) for (row,) in rows)]


@pytest.mark.parametrize(
    ("options", "where"),
    [
        (["--yes"], "environment"),
        (["--yes", "--json"], "file"),
        (["--yes"], "stdin"),
        (["--dry-run", "--json"], "environment"),
        (["--dry-run"], "stdin"),
    ],
)
def test_keys_that_work_and_keys_that_do_not(openai: Project, database: str, options: list[str], where: str) -> None:
    run = ["init", *options, *(["--key-stdin", "OPENAI_API_KEY"] if where == "stdin" else [])]
    for key, code in ((BAD, 4), (GOOD, 0)):
        environ = {"OPENAI_API_KEY": key} if where == "environment" else {}
        if where == "file":
            openai.write(".env", f"OPENAI_API_KEY={key}\n")
        ended = openai.run(*run, stdin=key, DATABASE_URL=database, **LOUD, **environ)
        check(openai, ended, code=code)
    if "--yes" in options:
        assert in_database(database) == []


BRANCHES: Mapping[str, tuple[dict[str, str], int]] = {
    "a database that is down": ({"DATABASE_URL": DOWN}, 7),
    "a host that does not exist": ({"DATABASE_URL": f"postgresql://app:{PASSWORD}@there-is-none.invalid/x"}, 7),
    "a password with an @": ({"DATABASE_URL": f"postgresql://app:hunter@{PASSWORD}@127.0.0.1:9/x"}, 2),
    "a password with a slash": ({"DATABASE_URL": f"postgresql://app:hunter/{PASSWORD}@127.0.0.1:9/x"}, 2),
    "a port that is none": ({"DATABASE_URL": f"postgresql://app:{PASSWORD}@127.0.0.1:{PASSWORD}/x"}, 2),
    "an option that is none": ({"DATABASE_URL": f"postgresql://127.0.0.1:9/x?{PASSWORD}=1"}, 2),
    "no URL at all": ({"DATABASE_URL": PASSWORD}, 2),
    "a key with what no header can hold": ({"OPENAI_API_KEY": f"{GOOD}\nmore"}, 4),
    "a key in another alphabet": ({"OPENAI_API_KEY": f"{GOOD}…"}, 4),
    "a proxy that is down": ({"NO_PROXY": "", "HTTP_PROXY": f"http://ann:{PASSWORD}@127.0.0.1:9"}, 5),
}


@pytest.mark.parametrize("branch", BRANCHES)
def test_every_branch_that_fails(openai: Project, database: str, branch: str) -> None:
    environ, code = BRANCHES[branch]
    json = ["--json"] if list(BRANCHES).index(branch) % 2 else []
    wanted = {"DATABASE_URL": database, "OPENAI_API_KEY": GOOD} | environ | LOUD
    check(openai, openai.run("init", "--yes", *json, **wanted), code=code)


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 429, 500])
def test_a_provider_that_answers_with_the_key(openai: Project, door: Doorman, database: str, status: int) -> None:
    door.answer = status, f'{{"error": {{"code": "{GOOD}", "message": "{GOOD}", "type": "{GOOD}"}}}}'.encode()
    ended = openai.run("init", "--yes", DATABASE_URL=database, OPENAI_API_KEY=GOOD, **LOUD)
    check(openai, ended, code=4 if status == 403 else 5)


def test_an_env_that_cannot_be_read(openai: Project, database: str) -> None:
    openai.write(".env", f"OPENAI_API_KEY='{GOOD}\n")
    ended = openai.run("init", "--yes", DATABASE_URL=database, **LOUD)
    check(openai, ended, code=2)
    assert ".env line 1 can't be read" in ended.stderr


def test_a_url_with_a_password_goes_to_env_and_nowhere_else(openai: Project, database: str) -> None:
    url = f"{database} password={PASSWORD}"
    for run in (["--database-url", url], ["--key-stdin", "DATABASE_URL", "--json"]):
        (openai.folder / ".env").unlink(missing_ok=True)
        ended = openai.run("init", "--yes", *run, stdin=url, OPENAI_API_KEY=GOOD, **LOUD)
        check(openai, ended, code=0)
        assert PASSWORD in (openai.folder / ".env").read_text()
    assert in_database(database) == []


def test_a_terminal_shows_nothing_of_what_is_typed(openai: Project, database: str, tmp_path: Path) -> None:
    with openai.at_terminal("init", "--no-agent", DATABASE_URL=database, **LOUD) as terminal:
        terminal.wait_for("Number")
        terminal.type("1")
        for key in (BAD, GOOD):
            terminal.wait_for("it is not shown")
            terminal.type(key)
        terminal.wait_for("Apply these")
        terminal.type("y")
        assert left(terminal) == 0, terminal.shown
        assert told(terminal.shown) == []
    files(openai)
