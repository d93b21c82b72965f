"""`aikit top` as an operator has it open: in a terminal, on a ledger in which calls are being made, driven by keys."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from aikit.errors import AIKitError, SpendCapExceeded
from aikit.kit import AIKit
from aikit.sim import Simulator
from support.embedded import wait_for
from support.kits import Books
from support.tmux import Tmux, children, terminal

MINI, HAIKU = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
TOP = "aikit top --interval 0.5"
SCRIPTS = str(Path(sys.executable).parent)
COLOUR = re.compile(r"[34]8;2;(\d+);(\d+);(\d+)")


@pytest.fixture
def window(kit: AIKit, tmp_path: Path) -> Iterator[Tmux]:
    """A terminal in the folder of the configuration that the kit has opened."""
    environ = {"PATH": f"{SCRIPTS}:{os.environ['PATH']}", "COLORTERM": "truecolor"}
    with terminal(tmp_path, environ) as window:
        yield window


@pytest.fixture
def top(window: Tmux) -> Tmux:
    """The console, with its header read."""
    window.run(TOP)
    window.wait_for("SPEND today", "live")
    return window


def spend(kit: AIKit, model: str = MINI, tenant: str = "acme", calls: int = 1, **tags: str) -> None:
    for _ in range(calls):
        kit.complete("Hello", model=model, tenant=tenant, max_tokens=50, **tags)
    assert kit.flush()


def use_up(kit: AIKit, tenant: str) -> None:
    """Call until the cap of this tenant refuses."""
    with pytest.raises(SpendCapExceeded):
        spend(kit, tenant=tenant, calls=1_000)
    assert kit.flush()


def console_of(window: Tmux) -> int:
    """The pid of the console."""
    (pid,) = children(window.shell)
    return pid


def grey(window: Tmux) -> bool:
    """Whether nothing but shades of grey is seen."""
    return all(len(set(colour)) == 1 for colour in COLOUR.findall(window.coloured))


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_rows_and_spend_appear_while_calls_are_made(top: Tmux, kit: AIKit, books: Books) -> None:
    books.limit(usd="5", window="day")
    top.wait_for("SPEND today $0.00 of $5.00", "0%", "read-only", "calls 0")
    spend(kit, feature="chat", calls=3)
    top.wait_for("calls 3", "acme·chat", MINI)
    spend(kit, HAIKU, feature="summarize", calls=2)
    screen = top.wait_for("calls 5", "acme·summarize", HAIKU, "<1%")
    (spent,) = books.rows("SELECT sum(nano)::bigint AS nano FROM aikit.entries")
    assert 0 < spent["nano"] < 5_000_000_000
    assert "refused 0" in screen


def test_enter_on_a_refused_call_shows_the_decision_with_its_limit(top: Tmux, kit: AIKit, books: Books) -> None:
    books.limit("small", usd="0.0005", window="day")
    use_up(kit, "small")
    top.press("2")
    top.wait_for("✗ refused", "DAILY_BUDGET_EXCEEDED")
    top.press("g", "Enter")
    top.wait_for("DAILY_BUDGET_EXCEEDED", "$0.0005", "tenant:small", "j/k scroll")
    top.press("Escape")
    top.wait_for("2 Calls", "WHO")
    wait_for(lambda: "esc back   j/k" not in top.screen)  # it may be seen while it is drawn


def test_a_filter_shows_one_tenant_and_escape_shows_all_again(top: Tmux, kit: AIKit, books: Books) -> None:
    books.limit("globex")
    spend(kit, feature="chat")
    spend(kit, tenant="globex", feature="extract")
    top.wait_for("acme·chat", "globex·extract")
    top.press("/")
    top.type("tenant:glob")
    top.press("Enter")
    top.wait_until(lambda screen: "globex·extract" in screen and "acme·chat" not in screen)
    top.wait_for("/tenant:glob", "calls 1 ")
    top.press("Escape")
    top.wait_for("acme·chat", "globex·extract", "calls 2 ")


def test_space_holds_it_still_and_goes_on(top: Tmux, kit: AIKit) -> None:
    top.press("Space")
    top.wait_for("paused")
    spend(kit, calls=2)
    top.wait_for("data 2.")
    assert "calls 0" in top.screen
    top.press("Space")
    top.wait_for("calls 2", "live")


def fits(screen: str, wide: int, tall: int) -> bool:
    """Whether it shows what such a terminal has room for, and no more."""
    lines = screen.split("\n")
    room = max(map(len, lines)) <= wide and len(lines) <= tall
    return room and "acme" in screen and ("UTC" in screen) is (wide > 60) and ("SPEND today" in screen) is (tall > 5)


@pytest.mark.parametrize("size", [(60, 20), (200, 60), (20, 5)], ids=str)
def test_it_fits_whatever_size_its_window_takes(top: Tmux, kit: AIKit, size: tuple[int, int]) -> None:
    spend(kit, feature="chat")
    top.wait_for("acme·chat")
    top.resize(*size)
    top.wait_until(lambda screen: fits(screen, *size), f"it does not fit {size}")
    top.resize(120, 36)
    top.wait_for("SPEND today", "acme·chat", "? help")


def test_q_gives_the_terminal_back_as_it_was(window: Tmux) -> None:
    window.run("echo what was here before")
    window.run(TOP)
    window.wait_for("SPEND today")
    assert not window.restored
    assert "what was here before" not in window.screen
    window.press("q")
    assert window.exit_code() == 0
    assert window.restored
    assert "what was here before" in window.screen
    assert "SPEND" not in window.screen


def test_what_is_typed_after_it_is_seen_again(window: Tmux) -> None:
    """The terminal echoes, and Ctrl-C and Ctrl-Z are the shell's again."""

    def modes() -> list[str]:
        return [line for line in window.lines if line.count(":") > 10]

    window.run("stty -g")
    wait_for(modes)
    window.run(TOP)
    window.wait_for("SPEND today")
    window.press("C-c")
    assert window.exit_code() == 0
    window.run("stty -g")
    wait_for(lambda: len(modes()) == 2)
    assert len(set(modes())) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_ends_it_with_the_terminal_restored(top: Tmux, number: signal.Signals) -> None:
    os.kill(console_of(top), number)
    assert top.exit_code() == 128 + number
    assert top.restored
    assert "Traceback" not in top.screen


def test_it_ends_with_its_window(top: Tmux) -> None:
    pid = console_of(top)
    top.end()
    wait_for(lambda: gone(pid))


def test_the_tab_that_was_left_is_the_one_that_is_opened(top: Tmux) -> None:
    top.press("3")
    top.wait_for("SET BY")
    top.press("q")
    assert top.exit_code() == 0
    top.run(TOP)
    top.wait_for("SPEND today", "SET BY")


def test_colours_come_with_words_and_no_color_takes_only_the_colours(window: Tmux, kit: AIKit, books: Books) -> None:
    books.limit("small", usd="0.0005", window="day")
    use_up(kit, "small")
    window.run(f"{TOP} --tab calls")
    window.wait_for("✗ refused")
    assert not grey(window)
    window.press("q")
    assert window.exit_code() == 0
    window.run(f"NO_COLOR=1 {TOP} --tab calls")
    window.wait_for("✗ refused", "DAILY_BUDGET_EXCEEDED")
    assert grey(window)


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light"])
def test_no_color_on_the_terminals_own_colours_leaves_the_terminals_own(window: Tmux, theme: str) -> None:
    window.run(f"NO_COLOR=1 {TOP} --theme {theme}")
    window.wait_for("SPEND today", "live")
    assert set(re.findall(r"[34]8;[25];[\d;]+", window.coloured)) == set()


def test_a_breaker_is_reset_and_tripped_for_all_processes_and_it_is_on_the_record(
    window: Tmux, kit: AIKit, books: Books, simulator: Simulator
) -> None:
    simulator.fault(status=500, count=40)
    for _ in range(6):
        with suppress(AIKitError):
            kit.complete("Hello", model=MINI, tenant="acme", max_tokens=50)
    assert kit.flush()
    window.run(f"{TOP} --allow-actions --tab breakers")
    window.wait_for("actions", MINI, "failures in a row")
    simulator.reset()
    window.press("g")
    _confirmed(window, "x", "Reset the breaker", why="the provider is well again")
    window.wait_for(f"\n {MINI}  ● closed")
    spend(kit)
    _confirmed(window, "o", "Force the breaker", why="an invoice looks wrong")
    window.wait_for(f"\n {MINI}  ■ forced open")
    with pytest.raises(AIKitError, match="breaker"):
        wait_for(lambda: spend(kit))
    (state,) = books.rows("SELECT state FROM aikit.breakers WHERE model = 'gpt-4o-mini'")
    assert state["state"] == "forced_open"
    written = books.rows("SELECT * FROM aikit.audit WHERE action LIKE 'breaker%%' ORDER BY at")
    assert [row["action"] for row in written] == ["breaker.reset", "breaker.open"]
    assert "an invoice looks wrong" in str(written[-1])


def test_nothing_is_changed_without_allow_actions(top: Tmux, books: Books) -> None:
    top.press("4")
    top.wait_for("4 Breakers")
    top.press("o", "x", "c")
    top.press("1")
    top.wait_for("1 Overview")
    assert "Type" not in top.screen
    assert books.rows("SELECT * FROM aikit.audit WHERE action LIKE 'breaker%%'") == []


def _confirmed(window: Tmux, key: str, says: str, *, why: str) -> None:
    window.press(key)
    window.wait_for(says, f"Type {MINI}")
    window.type(MINI)
    window.press("Tab")
    window.type(why)
    window.press("Enter")
