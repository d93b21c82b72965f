"""The settings that the agent may write, and nothing that leads out of the project or to another address."""

from __future__ import annotations

import pytest

from aikit.setup.agent.allowed import MODEL, SETTINGS


def test_these_settings_and_no_others() -> None:
    assert sorted(SETTINGS) == ["environment", "evals.tenant", "prompts.folder", "streams.drain_seconds"]


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("environment", "staging", "staging"),
        ("streams.drain_seconds", "0", 0),
        ("streams.drain_seconds", "300", 300),
        ("prompts.folder", "app/prompts", "app/prompts"),
        ("evals.tenant", "checks-2", "checks-2"),
    ],
)
def test_what_they_take(name: str, value: str, read: object) -> None:
    assert SETTINGS[name].read(value) == read


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("environment", "production"),
        ("streams.drain_seconds", "301"),
        ("streams.drain_seconds", "-1"),
        ("streams.drain_seconds", "1.5"),
        ("streams.drain_seconds", "²"),
        ("prompts.folder", ".."),
        ("prompts.folder", "a/.."),
        ("prompts.folder", "a//b"),
        ("prompts.folder", "/a"),
        ("prompts.folder", "~/a"),
        ("prompts.folder", ".git"),
        ("prompts.folder", "a\n"),
        ("evals.tenant", ""),
        ("evals.tenant", "a b"),
        ("evals.tenant", "a\n"),
    ],
)
def test_what_they_do_not_take(name: str, value: str) -> None:
    with pytest.raises(ValueError):
        SETTINGS[name].read(value)


@pytest.mark.parametrize("name", ["gpt-5-mini", "meta-llama/Llama-3.3-70B", "llama3.3:70b", "models/x/y"])
def test_names_of_models(name: str) -> None:
    assert MODEL.fullmatch(name)


@pytest.mark.parametrize("name", ["", "../x", "a/../b", "a?b", "http://x", "a b", "/a", "a/", "a" * 200, "a\n"])
def test_what_is_no_name_of_a_model(name: str) -> None:
    assert not MODEL.fullmatch(name)
