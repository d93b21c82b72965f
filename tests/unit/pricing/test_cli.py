"""`aikit prices` as a command line: what it hands to the writer, and its exit codes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from aikit.errors import ConfigError, Exit


class Writer(ModuleType):
    """Stands in for `aikit.cli.output` and keeps what it is given."""

    def __init__(self) -> None:
        super().__init__("aikit.cli.output")
        self.json: list[tuple[str, Any, Any]] = []
        self.tables: list[tuple[str, list[str], list[list[str]]]] = []
        self.notes: list[str] = []

    def emit_json(self, name: str, data: Any, totals: Any = None) -> None:
        self.json.append((name, data, totals))

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        assert all(len(row) == len(columns) and all(isinstance(cell, str) for cell in row) for row in rows)
        self.tables.append((title, columns, rows))

    def note(self, text: str) -> None:
        self.notes.append(text)

    def console(self) -> Console:
        return Console()


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Writer:
    writer = Writer()
    monkeypatch.setitem(sys.modules, "aikit.cli.output", writer)
    monkeypatch.delitem(sys.modules, "aikit.cli.prices", raising=False)
    monkeypatch.setenv("AIKIT_CONFIG", str(tmp_path / "aikit.toml"))
    configure(tmp_path, "")
    return writer


def configure(folder: Path, text: str) -> None:
    (folder / "aikit.toml").write_text(text)


def run(*arguments: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "aikit.cli.prices", raising=False)
        prices = importlib.import_module("aikit.cli.prices")
        result = CliRunner().invoke(prices.app, list(arguments))
        sys.modules.pop("aikit.cli.prices")
    return result


def test_list_writes_one_row_a_model(writer: Writer) -> None:
    assert run("list", "--provider", "anthropic", "--json").exit_code == Exit.OK
    ((name, rows, totals),) = writer.json
    assert name == "prices.list"
    assert totals == {"models": len(rows)}
    assert {row["provider"] for row in rows} == {"anthropic"}
    assert run("list", "--provider", "anthropic").exit_code == Exit.OK
    assert len(writer.tables[0][2]) == len(rows)


def test_list_of_an_unknown_provider_exits_1(writer: Writer) -> None:
    assert run("list", "--provider", "nobody", "--json").exit_code == Exit.NO
    assert writer.json[0][1] == []
    assert writer.notes


def test_show_prints_a_price_and_takes_a_day(writer: Writer) -> None:
    result = run("show", "gpt-5.6-sol")
    assert result.exit_code == Exit.OK
    assert "Context window: 1,050,000" in result.stdout
    assert len(writer.tables) == 2
    assert run("show", "openai/gpt-5.6-sol", "--at", "2026-08-20", "--json").exit_code == Exit.OK
    assert writer.json[0][1]["as_of"] is None
    assert run("show", "gpt-4.1", "--tier", "priority", "--json").exit_code == Exit.OK
    assert writer.json[1][1]["service_tier"] == "priority"


def test_show_of_an_unknown_model_exits_1_and_suggests(writer: Writer) -> None:
    result = run("show", "gpt-4o-mni", "--json")
    assert (result.exit_code, result.stdout) == (Exit.NO, "")
    assert any("openai/gpt-4o-mini" in note for note in writer.notes)


def test_show_of_an_unknown_tier_says_that_it_is_the_tier(writer: Writer) -> None:
    assert run("show", "gpt-4o", "--tier", "gold").exit_code == Exit.NO
    assert writer.notes == ["gpt-4o has no known price for the service tier 'gold'."]


def test_a_day_that_is_none_exits_2(writer: Writer) -> None:
    assert run("show", "gpt-4o", "--at", "yesterday").exit_code == Exit.USAGE


def test_compare_writes_exact_costs(writer: Writer) -> None:
    assert run("compare", "gpt-4o", "gpt-4o-mini", "--input", "1000", "--output", "500", "--json").exit_code == Exit.OK
    assert [row["cost_usd"] for row in writer.json[0][1]] == ["0.00045", "0.0075"]
    assert run("compare", "gpt-4o", "nobody/x").exit_code == Exit.NO
    assert writer.tables[0][2][1] == ["nobody/x", "—", "—"]
    assert run("compare", "gpt-4o", "--input", "-1").exit_code == Exit.USAGE


def test_check_is_quiet_when_all_is_well_and_exits_1_for_a_broken_override(writer: Writer, tmp_path: Path) -> None:
    assert run("check").exit_code == Exit.OK
    assert writer.notes == []
    configure(tmp_path, '[prices."a/b"]\ninput = 0.5\n[prices."openai/gpt-4o"]\ninput = "1"\noutput = "2"\n')
    assert run("check").exit_code == Exit.NO
    assert ["openai/gpt-4o", "input", "2.5", "1", "-1.5"] in writer.tables[1][2]
    assert len(writer.notes) == 1
    assert run("check", "--json").exit_code == Exit.NO
    assert writer.json[0][0] == "prices.check"


def test_other_commands_refuse_a_broken_override(writer: Writer, tmp_path: Path) -> None:
    configure(tmp_path, '[prices."a/b"]\ninput = 0.5\n')
    assert isinstance(run("list").exception, ConfigError)
