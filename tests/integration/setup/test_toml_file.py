"""`aikit.toml` is changed one setting at a time, and says nothing that could not be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from aikit.config import load
from aikit.errors import ConfigError
from aikit.setup.simulated import table
from aikit.setup.toml_file import add_tables, set_settings

BEFORE = """\
# ours
environment = "dev"   # for now

[providers.mine]      # in the cellar
kind = "openai"
base_url = "http://127.0.0.1:1/v1"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aikit.toml"
    path.write_text(BEFORE)
    return path


def test_a_setting_is_changed_and_all_else_stays(file: Path) -> None:
    set_settings(file, {"environment": "staging", "providers.mine.model": "m", "streams.drain_seconds": "7"})
    text = file.read_text()
    assert 'environment = "staging"   # for now\n' in text and "# ours\n" in text
    assert '[providers.mine]      # in the cellar\nkind = "openai"\n' in text
    found = load(file, {})
    assert (found.environment, found.drain_seconds, found.provider("mine").model) == ("staging", 7, "m")


@pytest.mark.parametrize(
    "name", ["providers.openai.base_url", "providers.mine.api_key_env", "database.url", "signals.webhook.url", "x", ""]
)
def test_what_says_where_keys_and_data_go_can_not_be_set(file: Path, name: str) -> None:
    with pytest.raises(ConfigError):
        set_settings(file, {name: "http://127.0.0.1:2"})
    assert file.read_text() == BEFORE


@pytest.mark.parametrize(("name", "value"), [("environment", "moon"), ("streams.drain_seconds", "long")])
def test_a_value_that_can_not_be_read_changes_nothing(file: Path, name: str, value: str) -> None:
    with pytest.raises(ConfigError):
        set_settings(file, {name: value})
    assert file.read_text() == BEFORE


@pytest.mark.parametrize(
    ("written", "name", "value", "part"),
    [
        ("streams = 5\n", "streams.drain_seconds", "5", "streams"),
        ("providers = 'none'\n", "providers.openai.model", "gpt-5", "providers"),
        ("[providers]\nopenai = 'gpt-5'\n", "providers.openai.model", "gpt-5", "openai"),
        ("providers = [1]\n", "providers.openai.model", "gpt-5", "providers"),
    ],
)
def test_a_value_where_a_table_must_be_is_named_and_left(
    file: Path, written: str, name: str, value: str, part: str
) -> None:
    file.write_text(written)
    with pytest.raises(ConfigError) as raised:
        set_settings(file, {name: value})
    assert raised.value.message == f"aikit.toml: {part} holds a value, and not a table, so {name} can't be written."
    assert f"`{part} = …`" in str(raised.value.remedy)
    assert file.read_text() == written


def test_a_table_is_not_added_below_a_value(file: Path) -> None:
    file.write_text("prices = 3\n")
    with pytest.raises(ConfigError, match="prices holds a value"):
        add_tables(file, table("http://127.0.0.1:8099"), "simulated")
    assert file.read_text() == "prices = 3\n"


def test_the_simulator_is_a_provider_with_a_price_and_no_key(file: Path) -> None:
    for port in (8099, 8100):
        add_tables(file, table(f"http://127.0.0.1:{port}"), "simulated")
    found = load(file, {})
    assert found.provider("simulator").base_url == "http://127.0.0.1:8100/v1"
    assert found.provider("simulator").configured
    assert "simulator/*" in found.prices
    assert file.read_text().startswith(BEFORE)


def test_a_file_that_is_elsewhere_is_left_alone(file: Path, tmp_path: Path) -> None:
    (tmp_path / "project").mkdir()
    link = tmp_path / "project" / "aikit.toml"
    link.symlink_to(file)
    with pytest.raises(ConfigError):
        set_settings(link, {"environment": "prod"})
    assert file.read_text() == BEFORE


def test_a_file_that_can_not_be_read_is_left_alone(file: Path) -> None:
    file.write_text("environment = \n")
    with pytest.raises(ConfigError):
        set_settings(file, {"environment": "prod"})
    assert file.read_text() == "environment = \n"
