"""aikit.toml keeps its comments, and is valid after a change, or unchanged."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from aikit.errors import ConfigError
from aikit.setup.agent.settings_file import write_setting
from aikit.setup.model import Place
from support.agent_sessions import place_at

TEXT = """# Ours.
environment = "dev"  # for now

[streams]
# short
drain_seconds = 5

[providers.openai]
model = "gpt-5-mini"
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = place_at(tmp_path)
    (tmp_path / "aikit.toml").write_text(TEXT)
    return place


def text_of(place: Place) -> str:
    return (place.folder / "aikit.toml").read_text()


def test_a_value_is_replaced_and_all_else_stays(place: Place) -> None:
    assert write_setting(place, "streams.drain_seconds", "9")
    assert text_of(place) == TEXT.replace("drain_seconds = 5", "drain_seconds = 9")
    assert place.settings.drain_seconds == 9


def test_a_table_is_made_where_there_is_none(place: Place) -> None:
    assert write_setting(place, "evals.tenant", "checks")
    assert write_setting(place, "providers.anthropic.model", "claude-haiku-4-5")
    assert text_of(place).startswith(TEXT)
    assert place.settings.evals_tenant == "checks"
    assert place.settings.provider("anthropic").model == "claude-haiku-4-5"


def test_a_value_that_makes_the_file_invalid_is_taken_back(place: Place) -> None:
    with pytest.raises(ConfigError):
        write_setting(place, "streams.drain_seconds", "9999")
    assert text_of(place) == TEXT and place.settings.drain_seconds == 5


def test_a_file_that_is_no_toml_is_left_alone(place: Place) -> None:
    (place.folder / "aikit.toml").write_text("[[[")
    place.reload()
    with pytest.raises(ConfigError, match="is not TOML"):
        write_setting(place, "environment", "prod")
    assert text_of(place) == "[[["


def test_what_is_no_table_is_not_made_one(place: Place) -> None:
    (place.folder / "aikit.toml").write_text("evals = 3\n")
    with pytest.raises(ConfigError):
        write_setting(place, "evals.tenant", "x")
    assert text_of(place) == "evals = 3\n"


def test_without_a_file_nothing_is_written(place: Place) -> None:
    (place.folder / "aikit.toml").unlink()
    assert not write_setting(place, "environment", "prod")
    assert list(place.folder.iterdir()) == []


def test_the_mode_of_the_file_stays(place: Place) -> None:
    (place.folder / "aikit.toml").chmod(0o640)
    write_setting(place, "environment", "prod")
    assert stat.S_IMODE((place.folder / "aikit.toml").stat().st_mode) == 0o640


def test_a_link_out_of_the_project_is_refused(place: Place, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("elsewhere") / "aikit.toml"
    outside.write_text(TEXT)
    (place.folder / "aikit.toml").unlink()
    (place.folder / "aikit.toml").symlink_to(outside)
    with pytest.raises(ConfigError, match="out of the project"):
        write_setting(place, "environment", "prod")
    assert outside.read_text() == TEXT
