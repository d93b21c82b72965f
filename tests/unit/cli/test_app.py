"""The root command: help, version, global options, and what it costs to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aikit import __version__
from aikit.cli.app import COMMANDS, app

HEAVY = ("openai", "anthropic", "google", "httpx2", "sqlalchemy", "alembic", "psycopg", "pydantic", "textual", "rich")


def help_of(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments, "--help"])
    assert result.exit_code == 0
    return result.stdout


def test_help_names_every_command() -> None:
    assert {line.split()[0] for line in help_of().partition("Commands:")[2].splitlines() if line.strip()} >= {
        entry.name for entry in COMMANDS
    }


def test_a_bare_aikit_shows_its_help_and_exits_0() -> None:
    result = CliRunner().invoke(app, [])
    assert (result.exit_code, result.stdout) == (0, help_of())


@pytest.mark.parametrize("group", ["db", "tenant", "limit", "calls", "ledger", "prices"])
def test_a_bare_group_shows_its_help_and_exits_0(group: str) -> None:
    result = CliRunner().invoke(app, [group])
    assert (result.exit_code, result.stdout) == (0, help_of(group))


@pytest.mark.parametrize("name", [entry.name for entry in COMMANDS])
def test_every_command_can_be_loaded_and_its_help_fits_80_columns(name: str) -> None:
    assert max(map(len, help_of(name).splitlines())) <= 80


def test_the_version_is_shown() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"aikit {__version__}\n"


def test_a_slip_of_the_keyboard_is_recognised() -> None:
    result = CliRunner().invoke(app, ["spned"])
    assert result.exit_code == 2
    assert "Did you mean 'spend'?" in result.stderr


def test_global_options_hold_for_the_whole_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AIKIT_CONFIG", "before")
    monkeypatch.setenv("NO_COLOR", "")
    missing = tmp_path / "missing.toml"
    result = CliRunner().invoke(app, ["--no-color", "--config", str(missing), "prices", "check"])
    assert str(missing) in str(result.exception)
    assert (os.environ["AIKIT_CONFIG"], os.environ["NO_COLOR"]) == (str(missing), "1")


def test_help_loads_nothing_heavy() -> None:
    script = f"""
import json, sys
sys.argv = ["aikit", "--help"]
from aikit.cli import main
try:
    main()
except SystemExit as ended:
    assert not ended.code
loaded = {{name.partition(".")[0] for name in sys.modules}}
print(json.dumps(sorted(loaded & set({HEAVY!r}))), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == []
    assert "Usage: aikit" in done.stdout


def test_importing_the_command_modules_loads_nothing_heavy() -> None:
    names = [entry.module for entry in COMMANDS]
    script = f"""
import importlib, json, sys
for name in {names!r}:
    importlib.import_module("aikit.cli." + name)
print(json.dumps(sorted({{name.partition(".")[0] for name in sys.modules}} & set({HEAVY!r}))))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
