"""The installed script as a shell runs it: one working day of it, its streams, its terminal, and its signals."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
from collections.abc import Callable

from aikit.cli.errors import TRACEBACK
from integration.cli.conftest import SCRIPT, Cli
from support.ledger import Till


def test_a_database_is_set_up_and_used_from_the_shell(open_cli: Callable[..., Cli], database: str) -> None:
    cli = open_cli(DATABASE_URL=database)
    for command, code, shown in [
        ("spend", 7, ""),
        ("db upgrade", 0, "schema none →"),
        ("db status", 0, "up to date"),
        ("tenant add acme", 0, "acme: added"),
        ("limit set --tenant acme --window month --usd 25", 0, "no limit → $25.00"),
        ("limit set --tenant acme --window month", 2, ""),
        ("limit list", 0, "$25.00"),
        ("limit remove --tenant acme --window month", 0, "removed"),
        ("limit remove --tenant acme --window month", 1, ""),
        ("tenant list", 0, "none: refused"),
        ("spend --json", 0, '"aikit.spend/1"'),
        ("calls list --json", 0, '"aikit.calls.list/1"'),
        ("ledger verify", 0, "0 nano-dollars unexplained"),
        ("prices compare gpt-4o-mini gpt-4o", 0, "0.00045"),
        ("nonsense", 2, ""),
    ]:
        ended = cli.script(*command.split())
        assert ended.code == code, (command, ended)
        assert shown in ended.out
        assert bool(ended.out) == bool(shown)
        assert "Traceback" not in ended.err


def test_a_reader_that_goes_away_is_no_error(cli: Cli, till: Till) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for command in (["spend", "--json"], ["prices", "list"]):
        done = subprocess.run(
            [str(SCRIPT), *command], env=dict(cli.environ), cwd=cli.folder, stdout=writer, stderr=subprocess.PIPE
        )
        assert (done.returncode, done.stderr) == (1, b"")
    os.close(writer)


def test_a_stream_that_cannot_write_every_character_gets_the_rest(cli: Cli) -> None:
    cli.ok("tenant", "add", "日本")
    latin = Cli(cli.folder, {**cli.environ, "PYTHONIOENCODING": "latin-1"})
    assert "??" in latin.script("tenant", "list").out


def test_nothing_is_wider_than_a_terminal_of_80_columns(cli: Cli, till: Till) -> None:
    for name in ("x" * 200, "日本語テナント" * 20):
        cli.ok("tenant", "add", name)
        cli.ok("limit", "set", "--tenant", name, "--window", "month", "--usd", "12345678")
        till.spend(name, user="y" * 200)
    till.flush()
    for command in ("tenant list", "limit list", "spend --by model", "calls list"):
        screen = on_a_terminal(cli, *command.split())
        assert "…" in screen or command == "spend --by model"
        assert max(map(cells, screen.splitlines())) <= 80
        assert "\x1b" not in screen


def test_an_interrupted_simulator_exits_130(cli: Cli) -> None:
    running = subprocess.Popen(
        [str(SCRIPT), "sim", "--json"],
        env=dict(cli.environ),
        cwd=cli.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    ready = json.loads(running.stdout.readline())
    assert (ready["schema"], ready["data"]["pid"]) == ("aikit.sim/1", running.pid)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (130, "")
    assert ready["data"]["url"] in err
    assert "Traceback" not in err


def test_a_broken_configuration_exits_2_and_shows_a_traceback_only_when_asked(cli: Cli) -> None:
    (cli.folder / "aikit.toml").write_text("[database\n")
    ended = cli.script("spend", "--json")
    assert (ended.code, ended.out) == (2, "")
    assert "is not TOML" in ended.err
    assert "Traceback" not in ended.err
    asked = Cli(cli.folder, {**cli.environ, TRACEBACK: "1"}).script("spend", "--json")
    assert "Traceback" in asked.err


def cells(line: str) -> int:
    from rich.cells import cell_len

    return cell_len(line)


def on_a_terminal(cli: Cli, *arguments: str) -> str:
    """What a person sees who has a terminal of 80 columns that knows no colours."""
    ours, theirs = pty.openpty()
    environ = {**cli.environ, "COLUMNS": "80", "TERM": "dumb"}
    running = subprocess.Popen([str(SCRIPT), *arguments], env=environ, cwd=cli.folder, stdout=theirs)
    os.close(theirs)
    seen = b""
    try:
        while part := os.read(ours, 65_536):
            seen += part
    except OSError:  # Linux says so when the other side is closed
        pass
    finally:
        os.close(ours)
    assert running.wait(timeout=60) == 0
    return seen.decode()
