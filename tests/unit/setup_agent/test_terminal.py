"""The terminal's side: the agent's words stand in a margin that nothing in them gets out of."""

from __future__ import annotations

import io

import pytest

from aikit.cli.init_agent import MARGIN, AgentTerminal


def test_every_line_of_the_agent_is_in_the_margin(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    AgentTerminal(interactive=False).say(
        "aikit: all is well\n\n" + "宽" * 60 + " and " + "long " * 30 + "[bold]x[/bold]"
    )
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == "" and len(lines) > 5
    assert all(line.startswith(MARGIN.rstrip()) for line in lines)
    assert "[bold]x[/bold]" in captured.err


def test_notes_of_aikit_are_not_in_the_margin(capsys: pytest.CaptureFixture[str]) -> None:
    AgentTerminal(interactive=False).note("apply files?\nsecond\x1b[1m")
    assert capsys.readouterr().err == "apply files?\nsecond\ufffd[1m\n"


def test_lines_are_read_and_the_end_of_them_is_an_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    terminal = AgentTerminal(interactive=True)
    assert terminal.read("go? ") == "yes"
    with pytest.raises(EOFError):
        terminal.read("go? ")
    assert capsys.readouterr().out == ""


def test_it_is_interactive_only_at_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert AgentTerminal().interactive is False
