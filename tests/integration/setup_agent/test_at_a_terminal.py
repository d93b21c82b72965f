"""The agent inside `aikit init`, at a real terminal, over the real steps."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.agent_runs import config
from support.agent_sessions import CANARY_KEY
from support.kits import Books
from support.scripted_models import Call, ScriptedModels, of, scripted
from support.terminal import SCRIPT, Terminal, left

ENTER = ""
TYPED = "sk-typed-canary-81Hq0LzXw7Rd"
SCRIPTED = of(
    ["OpenAI has no key yet. I would add one.", Call("request_key", {"provider": "openai"})],
    [Call("apply", {"step": "keys"})],
    [Call("set_cap", {"tenant": "default", "window": "day", "usd": "2"})],
    [Call("ask", {"question": "What is the project for?"})],
    [Call("check", {"step": "reach:openai"})],
    [Call("done", {"summary": "OpenAI has a key, and the cap is $2 a day."})],
)


@dataclass(frozen=True)
class Ready:
    """A project that is set up, with Anthropic as its provider, and a scripted model behind all of them."""

    folder: Path
    environ: dict[str, str]
    models: ScriptedModels

    def terminal(self, *arguments: str) -> Terminal:
        return Terminal("init", *arguments, folder=self.folder, environ=self.environ)


@pytest.fixture
def ready(tmp_path: Path, books: Books) -> Iterator[Ready]:
    folder = tmp_path / "project"
    folder.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "AIKIT_POSTGRES_BIN") if name in os.environ}
    environ = {**kept, "HOME": str(tmp_path), "ANTHROPIC_API_KEY": CANARY_KEY, "AIKIT_TRACEBACK": "1", "NO_PROXY": "*"}
    with scripted(SCRIPTED) as models:
        (folder / "aikit.toml").write_text(config(models.url, books.dsn, tmp_path / "data"))
        begun = subprocess.run(
            [str(SCRIPT), "init", "--yes", "--no-input"], cwd=folder, env=environ, capture_output=True, text=True
        )
        assert begun.returncode == 0, begun.stderr
        yield Ready(folder, environ, models)


def test_it_is_asked_for_and_leads_and_no_key_is_shown(ready: Ready, books: Books, tmp_path: Path) -> None:
    with ready.terminal("--agent-cap-usd", "0.5") as terminal:
        terminal.wait_for("a asks the set-up agent (it may spend $0.50)")
        terminal.type("a")
        terminal.wait_for("anthropic/claude-haiku-4-5 leads, as the tenant setup, for $0.50 at most")
        terminal.wait_for("agent │ OpenAI has no key yet. I would add one.")
        terminal.wait_for("OPENAI_API_KEY (it is not shown; Enter for none):")
        terminal.type(TYPED)
        terminal.wait_for("apply keys: keys? [Y/n]")
        terminal.type(ENTER)
        terminal.wait_for("now it is $5.00. Set it? [Y/n]")
        terminal.type("y")
        terminal.wait_for("agent │ What is the project for?")
        terminal.type("a shop")
        terminal.wait_for("agent │ OpenAI has a key, and the cap is $2 a day.")
        terminal.wait_for("What was said is in ")
        assert terminal.end() == 0, terminal.shown
        shown = terminal.shown
    assert " of $0.50" in shown and CANARY_KEY not in shown and TYPED not in shown
    env = ready.folder / ".env"
    assert TYPED in env.read_text() and stat.S_IMODE(env.stat().st_mode) == 0o600
    sent = b"".join(ready.models.requests).decode()
    (transcript,) = (tmp_path / "data" / "setup" / "transcripts").glob("*.jsonl")
    assert "reach:openai" in sent and "a shop" in sent
    for canary in (CANARY_KEY, TYPED):
        assert canary not in sent + transcript.read_text()
    spent = {row["tenant"] for row in books.entries()}
    assert spent == {"default", "setup"}


def test_it_is_not_offered_with_no_agent_and_a_bad_cap_is_told_at_once(ready: Ready) -> None:
    with ready.terminal("--no-agent") as terminal:
        assert left(terminal) == 0
        assert "set-up agent" not in terminal.shown
    with ready.terminal("--agent-cap-usd", "50") as terminal:
        assert terminal.end() == 2
        assert "The agent's cap is $50.00." in terminal.shown
    assert ready.models.requests == []


def test_where_a_provider_works_it_may_lead_from_the_beginning_and_the_plan_goes_on_behind_it(
    tmp_path: Path, books: Books
) -> None:
    folder = tmp_path / "fresh"
    folder.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "AIKIT_POSTGRES_BIN") if name in os.environ}
    environ = {**kept, "HOME": str(tmp_path), "ANTHROPIC_API_KEY": CANARY_KEY, "NO_PROXY": "*"}
    leads = of(
        ["The files are missing; I would write them.", Call("apply", {"step": "files"})],
        [Call("done", {"summary": "The files are there; the rest goes on without me."})],
    )
    with scripted(leads) as models:
        (folder / "aikit.toml").write_text(config(models.url, books.dsn, tmp_path / "data"))
        with Terminal("init", folder=folder, environ=environ) as terminal:
            terminal.wait_for("steps? [Y/n, a: the set-up agent leads]:")
            assert not (folder / "policies.toml").exists()
            terminal.type("what?")
            terminal.wait_for("y, n or a.")
            terminal.type("a")
            terminal.wait_for("apply files")
            terminal.type("y")
            terminal.wait_for("the rest goes on without me.")
            terminal.wait_for("[Y/n]:")
            assert (folder / "policies.toml").exists()
            terminal.type(ENTER)
            terminal.wait_for("one metered call")
            assert left(terminal) == 0, terminal.shown
    assert {row["tenant"] for row in books.entries()} == {"default", "setup"}
