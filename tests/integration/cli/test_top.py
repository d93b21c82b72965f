"""`aikit top` without a terminal: the header and a table, or JSON, on a ledger with known contents; and with one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, get_args

import pytest

from aikit.cli.top import Over, Shown
from aikit.console.model import Period, Tab
from aikit.database.connect import Database
from integration.cli.conftest import Cli
from support.ledger import CLAUDE, Till, tell
from support.terminal import Terminal

TABS = [str(tab) for tab in Tab]
every_tab = pytest.mark.parametrize("tab", TABS)


@pytest.fixture
def spent(cli: Cli, till: Till) -> Till:
    """acme has made two calls and globex one; one more of acme's was voided, another refused, and one is running."""
    cli.ok("tenant", "add", "acme")
    cli.ok("tenant", "add", "globex", "--uncapped")
    cli.ok("limit", "set", "--tenant", "acme", "--window", "day", "--usd", "60")
    till.spend(user="ann", feature="chat")
    till.spend(user="bob", price=CLAUDE)
    till.void(till.admit(user="ann"))
    till.spend("globex")
    till.refuse("acme", "MODEL_NOT_ALLOWED")
    till.flush()
    till.admit()
    return till


def test_where_no_terminal_is_it_prints_the_header_and_a_table(cli: Cli, spent: Till) -> None:
    ended = cli.ok("top")
    first, second, third, gap, title, head, *rows = ended.out.splitlines()
    assert first.startswith("aikit top   ")
    assert first.endswith(" UTC")
    assert "live" not in first
    assert second.startswith("SPEND today $0.0096   capped today $0.0092 of $60.00")
    assert "in flight 1 ($0.001)" in second
    assert "1 tenant without a cap" in second
    assert third == "calls 4   refused 1   err 25%   unpriced 0   estimated 0   spool 0   breakers closed"
    assert (gap, title) == ("", "Overview · since 00:00 UTC")
    assert " ".join(head.split()) == "Who Model Calls Refused Err In Cache Out p50/p95 Cost Of cap Breaker"
    assert [row.split()[:2] for row in rows] == [
        ["acme", "anthropic/claude"], ["acme·chat", "openai/gpt-4o-mini"], ["globex", "openai/gpt-4o-mini"],
        ["acme", "openai/gpt-4o-mini"],
    ]  # fmt: skip
    assert ended.err == ""


@every_tab
def test_every_tab_says_the_same_once_as_a_table_and_as_json(cli: Cli, spent: Till, tab: str) -> None:
    shown = cli.ok("top", "--once", "--tab", tab)
    envelope = cli("top", "--tab", tab, "--json").json("aikit.top/1")
    data = envelope["data"]
    assert list(data)[:6] == ["at", "tab", "period", "filter", "header", "rows"]
    assert (data["tab"], data["period"], data["filter"]) == (tab, "today", None)
    assert envelope["totals"] == {"rows": len(data["rows"]), "more": 0}
    listed = shown.out.splitlines()[3:]
    assert len(listed) == (len(data["rows"]) + 3 if data["rows"] else 0)
    assert not shown.err if data["rows"] else shown.err.endswith("\n")


def test_its_sums_are_those_of_spend(cli: Cli, spent: Till) -> None:
    envelope = cli("spend", "--by", "model", "--since", "today", "--json").json("aikit.spend/1")
    data = cli.data("top")
    found: dict[str, list[Any]] = {}
    for row in data["rows"]:
        calls, credits = found.get(f"{row['provider']}/{row['model']}", [0, 0])
        found[f"{row['provider']}/{row['model']}"] = [calls + row["calls"], credits + row["credits"]]
    assert {row["model"]: row["calls"] for row in envelope["data"]} == {name: row[0] for name, row in found.items()}
    header = data["header"]
    assert header["cost_usd"] == envelope["totals"]["cost_usd"] == "0.00963"
    assert header["calls"] == envelope["totals"]["calls"] == 4
    assert (header["refused"], header["failed"], header["in_flight"], header["held_usd"]) == (1, 1, 1, "0.001")
    assert header["budget"]["cap_usd"] == "60"
    assert header["budget"]["uncapped_tenants"] == 1


def test_money_is_exact_and_what_is_unknown_is_null(cli: Cli, spent: Till) -> None:
    dearest, *_, last = cli.data("top")["rows"]
    assert dearest["cost_usd"] == "0.00885"
    assert dearest["credits"] == 89
    assert dearest["cap_share"] == 0.0001
    assert (last["p50_ms"], last["feature"]) == (None, None)


def test_a_filter_leaves_only_what_fits(cli: Cli, spent: Till) -> None:
    rows = cli.data("top", "--filter", "tenant:acme !model:claude")["rows"]
    assert {(row["tenant"], row["model"]) for row in rows} == {("acme", "gpt-4o-mini")}
    nothing = cli.ok("top", "--tab", "calls", "--filter", "tenant:nobody")
    assert "Nothing fits /tenant:nobody." in nothing.err
    assert len(nothing.out.splitlines()) == 3


def test_a_ledger_in_which_nothing_has_happened_says_so(cli: Cli) -> None:
    ended = cli.ok("top", "--once")
    assert ended.out.splitlines()[1].startswith("SPEND today $0.00   no cap")
    assert "No calls since 00:00 UTC. aikit demo makes some." in ended.err


def test_what_others_named_is_never_markup_and_moves_no_cursor(cli: Cli, till: Till, ledger: Database) -> None:
    cli.ok("tenant", "add", "[bold]acme", "--uncapped")
    till.spend("[bold]acme", feature="[red]漢字")
    till.flush()
    tell(ledger, "UPDATE aikit.rollups SET feature = E'a\\x1b[2Jb\\nc'")
    shown = cli.ok("top").out
    assert "[bold]acme·a�[2Jb�c" in shown
    assert "\x1b" not in shown


def test_with_ascii_it_is_ascii(cli: Cli, spent: Till) -> None:
    for tab in TABS:
        ended = cli.ok("top", "--tab", tab, "--ascii")
        assert (ended.out + ended.err).isascii()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--filter", "colour:red"], "there is no field 'colour'"),
        (["--filter", "'open"], "a quote is not closed"),
        (["--interval", "0.1"], "should be greater than or equal to 0.5"),
        (["--tab", "money"], "'money' is not one of"),
        (["--period", "1y"], "'1y' is not one of"),
        (["--port", "80"], "is only for --web"),
        (["--web", "--json"], "leave --once and --json out"),
    ],
)
def test_what_can_not_be_meant_is_refused(cli: Cli, arguments: list[str], why: str) -> None:
    ended = cli("top", *arguments)
    assert ended.code == 2
    assert why in " ".join(ended.err.replace("│", " ").split())


def test_a_database_that_is_not_there_ends_it_with_7(open_cli: Callable[..., Cli]) -> None:
    ended = open_cli(DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")("top", "--json")
    assert (ended.code, ended.out) == (7, "")
    assert "Traceback" not in ended.err


def test_the_options_are_the_tabs_and_periods_that_there_are() -> None:
    assert list(get_args(get_args(get_args(Shown)[0])[0])) == TABS
    assert list(get_args(get_args(get_args(Over)[0])[0])) == [str(period) for period in Period]


def test_help_loads_no_screen_and_no_database() -> None:
    check = (
        "import sys; from aikit.cli.app import command\n"
        "try: command(['{}', '--help'][int('{}' == ''):], prog_name='aikit')\n"
        "except SystemExit: pass\n"
        "sys.exit(', '.join({{'textual', 'sqlalchemy', 'psycopg', 'textual_serve'}} & set(sys.modules)) or None)"
    )
    for name in ("", "top"):
        done = subprocess.run([sys.executable, "-c", check.format(name, name)], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        assert "Usage: aikit" in done.stdout


def test_at_a_terminal_it_is_the_console_until_somebody_leaves(cli: Cli, spent: Till) -> None:
    with Terminal("top", "--tab", "limits", folder=cli.folder, environ=cli.environ) as terminal:
        terminal.wait_for("live 2s")
        terminal.wait_for("read-only")
        terminal.wait_for("credits/day")
        terminal.type("q")
        assert terminal.end() == 0


@pytest.mark.parametrize(("width", "columns"), [(160, 12), (100, 9), (60, 4)])
def test_once_at_a_terminal_shows_the_columns_that_there_is_room_for(
    cli: Cli, spent: Till, width: int, columns: int
) -> None:
    with Terminal("top", "--once", folder=cli.folder, environ={**cli.environ, "COLUMNS": str(width)}) as terminal:
        terminal.wait_for("Of cap")
        assert terminal.end() == 0
    lines = terminal.shown.rstrip().splitlines()
    head = next(line for line in lines if line.startswith("Who "))
    assert len(head.replace("Of cap", "cap").split()) == columns
    drawn = lines[next(at for at, line in enumerate(lines) if line.startswith("SPEND today")) :]
    assert [line for line in drawn if len(line.rstrip()) > width] == []


def test_once_at_a_terminal_without_colours_has_none(cli: Cli, spent: Till) -> None:
    for none, coloured in (("1", False), ("", True)):
        with Terminal("top", "--once", folder=cli.folder, environ={**cli.environ, "NO_COLOR": none}) as terminal:
            terminal.wait_for("Breaker")
            assert terminal.end() == 0
        assert ("\x1b[3" in terminal.raw) is coloured


NOT_BEFORE_THE_FIGURES = (
    "alembic",
    "aikit.console.actions",
    "aikit.console.details.overview",
    "aikit.console.tables.audit",
    "aikit.evals.gate",
    "aikit.meter.engine",
    "jinja2",
    "jsonschema",
    "plotext",
    "pygments",
    "rich.traceback",
    "textual_serve",
    "yaml",
)
SHOWN_AND_LEFT = f"""
import sys
from aikit.tui.app import Console

show = Console._shown
async def shown(self, snapshot):
    await show(self, snapshot)
    loaded = [name for name in {NOT_BEFORE_THE_FIGURES!r} if name in sys.modules]
    self.exit(message=f"{{len(self.grid._rows)}} rows; loaded: {{loaded}}")

Console._shown = shown
from aikit.cli.app import command
command(["top"], prog_name="aikit", standalone_mode=False)
"""


def test_the_first_figures_wait_for_no_library_that_they_do_not_need(cli: Cli, spent: Till) -> None:
    headless = {"TEXTUAL_DRIVER": "textual.drivers.headless_driver:HeadlessDriver"}
    done = subprocess.run(
        [sys.executable, "-c", SHOWN_AND_LEFT],
        cwd=cli.folder,
        env={**cli.environ, **headless},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "4 rows; loaded: []\n")
